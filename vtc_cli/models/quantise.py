"""Weights made small while they are loaded, through transformers' own ways of doing that.

Only the linear layers of the decoder are: the tower, what leads from it to the decoder, and the output layer stay as
they are, so that pictures, the attention that pruners read and the choice of a token are not touched.
"""

from __future__ import annotations

import importlib.util
from typing import Any

from vtc_cli.errors import MachineError, UsageError

BITS = {"int8": 8, "int4": 4}
_LIBRARIES = {"bitsandbytes": ("bitsandbytes", "accelerate"), "torchao": ("torchao",)}


def pick_quantisation(kind: str | None, device: str) -> str | None:
    """`int8` or `int4` to `int8 with torchao`, as reports say it; None stays None.

    Raises UsageError on another word, MachineError where this device or installation cannot.
    """
    if kind is None:
        return None
    if kind not in BITS:
        raise UsageError(f"unknown quantisation {kind!r}.", f"Choose from {', '.join(BITS)}.")
    if device == "mps":
        raise MachineError(
            f"--quantize {kind} does not run on an Apple GPU: neither bitsandbytes nor torchao has kernels for it.",
            "Use --dtype bfloat16 there, or --device cpu.",
        )
    # On a CPU torchao's int8 keeps activations as they are, bitsandbytes' rounds them to float16 and to int8.
    backend = "torchao" if device == "cpu" and kind == "int8" else "bitsandbytes"
    missing = [name for name in _LIBRARIES[backend] if importlib.util.find_spec(name) is None]
    if missing:
        raise MachineError(
            f"--quantize {kind} on {device} needs {' and '.join(missing)}, which is not installed.",
            "pip install 'vtc-cli[quant]'",
        )
    return f"{kind} with {backend}"


def check_quantisable(config: Any, name: str) -> None:
    """Raise UsageError for a model whose weights are mostly experts, which these libraries leave as they are."""
    if getattr(config.get_text_config(), "num_experts_per_tok", None):
        raise UsageError(
            f"{name} keeps most weights in experts, which are not linear layers to bitsandbytes and torchao: "
            "it would stay as large.",
            "Leave out --quantize, or use a model without experts.",
        )


def loading_options(chosen: str | None, decoder: str, dtype: Any, device: str) -> dict[str, Any]:
    """What `from_pretrained` takes to load weights as `chosen` says, nothing for None.

    decoder: the name, inside `model`, of the only part that is made small. dtype: of computing.
    Raises MachineError when the library cannot be imported.
    """
    if chosen is None:
        return {}
    kind, _, backend = chosen.partition(" with ")
    kept = [rf"model\.(?!{decoder}\.)", "lm_head"]
    try:
        if backend == "torchao":
            from torchao.quantization import Int8WeightOnlyConfig
            from transformers import TorchAoConfig

            how: Any = TorchAoConfig(quant_type=Int8WeightOnlyConfig(), modules_to_not_convert=kept)
        else:
            from transformers import BitsAndBytesConfig

            small = {"load_in_8bit": True} if kind == "int8" else {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
            how = BitsAndBytesConfig(llm_int8_skip_modules=kept, bnb_4bit_compute_dtype=dtype, **small)
    except ImportError as error:
        raise MachineError(
            f"{backend} cannot be imported: {str(error).splitlines()[0]}", "pip install --upgrade 'vtc-cli[quant]'"
        ) from error
    return {"quantization_config": how, "device_map": {"": device}}


def stored_bytes(value: Any) -> int:
    """Bytes of a parameter as it is held: of a quantised one, of its integers and their scales."""
    if hasattr(value, "__tensor_flatten__"):
        parts, _ = value.__tensor_flatten__()
        return sum(stored_bytes(getattr(value, part)) for part in parts)
    state = getattr(value, "quant_state", None)
    scales = 0 if state is None else state.absmax.nbytes
    return int(value.nbytes) + scales
