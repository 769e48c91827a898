"""Name to running model: find the checkpoint, choose device and number format, check that it fits, load it."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from vtc_cli.errors import MachineError, UsageError
from vtc_cli.models.auto import choose_here
from vtc_cli.models.catalog import RECOMMENDED
from vtc_cli.models.contract import VideoLM
from vtc_cli.models.device import AS_ASKED, available_memory
from vtc_cli.models.hub import Source, locate
from vtc_cli.models.placing import pick_placement, with_dtype
from vtc_cli.models.quantise import BITS
from vtc_cli.models.recognise import family_of
from vtc_cli.models.registry import AUTO, TINY, Family
from vtc_cli.models.weights import StoredWeights, stored_weights


def load_model(
    name: str = AUTO,
    *,
    revision: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    attention: str = "auto",
    trust_remote_code: bool = False,
    quantize: str | None = None,
    adapter: str | None = None,
    device_map: str | None = None,
    max_memory: str | None = None,
    compile: bool = False,
    name_reason: str = AS_ASKED,
) -> VideoLM:
    """Load a video-language model.

    name: `auto` (by free memory, from the recommended models), `tiny` (bundled), a folder, or a hub id.
    revision: branch, tag or commit of a hub id; the commit found is recorded.
    device: auto, cpu, cuda, cuda:<n>, mps. dtype: auto, float32, bfloat16, float16.
    attention: auto (sdpa), sdpa, eager, flash_attention_2.
    trust_remote_code: let a tokenizer bring its own code. Model code never comes from a checkpoint.
    quantize: int8 or int4: the decoder's linear layers in so many bits, by bitsandbytes (CUDA) or torchao (CPU).
    adapter: folder or hub id of a LoRA adapter, folded into the weights.
    device_map: `auto` spreads the decoder's layers over all GPUs, the machine's memory and the disk, in this order.
    max_memory: bytes of weights in each place, `20GB` or `cuda:0=20GB,cpu=64GB`; else nine tenths of what is free.
    compile: the MLPs of tower and decoder, which takes a while now and saves time later.
    name_reason: why this model, one phrase for the record, where the caller chose it for the user.

    Raises UsageError for an unknown name, family or value; MachineError when the model is neither here nor reachable,
    its files are damaged, the device is missing, or memory would not hold it. `auto` never falls back to `tiny`.
    """
    placement = pick_placement(
        device=device,
        dtype=dtype,
        attention=attention,
        quantize=quantize,
        adapter=adapter,
        device_map=device_map,
        max_memory=max_memory,
        compile=compile,
        name_reason=name_reason,
    )
    if name == AUTO:
        if revision is not None:
            raise UsageError("--revision needs a model to belong to; auto chooses one.", "Name the model too.")
        choice = choose_here(device, dtype)
        name, placement = choice.id, replace(placement, name_reason=choice.reason)
    families: list[Family] = []
    source = locate(name, revision, lambda config: families.append(family_of(config, name)))
    weights = stored_weights(source.folder)
    memory = available_memory(placement.device)
    placement = with_dtype(placement, weights.parameters, memory)
    if placement.spread is None:
        check_fits(source, weights, placement.dtype, placement.device, memory, quantize)
    loaded = (
        families[0]
        .load_adapter()
        .load(source.folder, placement, name=source.name, revision=source.revision, trust_remote_code=trust_remote_code)
    )
    return cast("VideoLM", loaded)


def check_fits(
    source: Source, weights: StoredWeights, dtype: str, device: str, available: int, quantize: str | None = None
) -> None:
    """Raise MachineError, with the arithmetic, when the weights alone exceed the free memory of `device`."""
    needed = weights.bytes_as(dtype, BITS[quantize] if quantize else None)
    if needed <= available:
        return
    smaller = [facts.id for facts in RECOMMENDED if facts.weight_bytes("bfloat16") < min(available, needed)]
    halved, small = weights.bytes_as("bfloat16"), weights.bytes_as("bfloat16", 8)
    ways = [f"--dtype bfloat16 ({halved / 1e9:.1f} GB)"] if dtype == "float32" and halved <= available else []
    ways += [] if quantize or small > available else [f"--quantize int8 ({small / 1e9:.1f} GB)"]
    ways += [] if quantize else ["--device-map auto"]
    ways += [f"--model {smaller[-1]}"] if smaller else []
    raise MachineError(
        f"{source.name} does not fit: {weights.parameters / 1e9:.2f} B parameters x "
        f"{needed / max(1, weights.parameters):.3g} bytes ({quantize or dtype}) = {needed / 1e9:.1f} GB, "
        f"and {available / 1e9:.1f} GB are available on {device}.",
        "Try " + ", ".join([*ways, f"--model {TINY}"]) + ".",
    )
