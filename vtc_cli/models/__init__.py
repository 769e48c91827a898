"""Model families: one adapter each, behind one contract. `load_model` is the way in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vtc_cli.lazy import lazy

if TYPE_CHECKING:
    from vtc_cli.models.load import load_model as load_model

__all__ = ["load_model"]


# Imported when used: the registry beside it must stay light.
__getattr__ = lazy(__name__, {"load_model": "load"})
