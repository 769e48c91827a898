"""transformers, imported without torchao.

Where torchao is installed, transformers imports it together with its models: for nothing, unless weights are loaded in
fewer bits, and with lines on the terminal about kernels that this machine does not need. So it is out of sight for that
one import. Afterwards transformers finds it as before; only what saves and reads weights that torchao had quantised
already, which `vtc` refuses, does without.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from typing import Any

_MODELS, _UNWANTED = "transformers.modeling_utils", "torchao"


def library(name: str = "transformers") -> Any:
    """The module `name` of transformers, whose models can be imported by now."""
    _import_models()
    return import_module(name)


@cache
def _import_models() -> None:
    if _MODELS in sys.modules or _UNWANTED in sys.modules:  # somebody else's choice
        return
    from transformers.utils.import_utils import is_torchao_available

    sys.modules[_UNWANTED] = None  # type: ignore[assignment]  # to the import system: there is no such module
    is_torchao_available.cache_clear()
    try:
        import_module(_MODELS)
    finally:
        del sys.modules[_UNWANTED]
        is_torchao_available.cache_clear()
