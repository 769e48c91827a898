"""The stages a method can fill, discovery by entry point, options as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vtc_cli.lazy import lazy

if TYPE_CHECKING:
    from vtc_cli.methods.options import Option as Option
    from vtc_cli.methods.options import describe as describe
    from vtc_cli.methods.registry import Chosen as Chosen
    from vtc_cli.methods.registry import Listing as Listing
    from vtc_cli.methods.registry import available as available
    from vtc_cli.methods.registry import choose as choose
    from vtc_cli.methods.registry import choose_all as choose_all
    from vtc_cli.methods.registry import find as find

_HOMES = {
    "Option": "options",
    "describe": "options",
    "Chosen": "registry",
    "Listing": "registry",
    "available": "registry",
    "choose": "registry",
    "choose_all": "registry",
    "find": "registry",
}

__all__ = ["Chosen", "Listing", "Option", "available", "choose", "choose_all", "describe", "find"]


__getattr__ = lazy(__name__, _HOMES)
