"""Model families: one adapter each, behind one contract. `load_model` is the way in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vtc_cli.models.load import load_model as load_model

__all__ = ["load_model"]


def __getattr__(name: str) -> Any:
    if name == "load_model":  # imported when used: the registry beside it must stay light
        from vtc_cli.models.load import load_model

        return load_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
