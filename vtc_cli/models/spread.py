"""Weights of one model in several places: the decoder's layers over GPUs, the machine's memory and the disk.

Everything but the decoder's layers stays on the device that was chosen: the tower, the embeddings, the output layer,
and with them all that methods look into. The layers follow in order, each as a whole. A layer on another GPU runs
there, and its part of the cache is there; one in memory or on disk is brought to the device for each forward, through
accelerate, which takes as long as reading it.
"""

from __future__ import annotations

import atexit
import importlib.util
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from vtc_cli.errors import MachineError, UsageError

DISK = "disk"
KINDS = ("auto",)
KEPT_FREE = 0.1
"""Share of a place's free memory that weights do not take where the user sets no limit."""
_UNITS = {"MB": 10**6, "GB": 10**9, "MIB": 2**20, "GIB": 2**30}


@dataclass(frozen=True)
class Spread:
    """What weights may take. limits: bytes, by place, in the order they are filled; the first is the device that runs.

    The disk takes the rest.
    """

    limits: Mapping[str, int]


def parse_limits(text: str) -> dict[str, int]:
    """`20GB`, for the device that runs (named "" here), or `cuda:0=20GB,cuda:1=38GB,cpu=64GB`. Raises ValueError."""
    found: dict[str, int] = {}
    for part in text.split(","):
        place, equals, amount = (piece.strip() for piece in part.rpartition("="))
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]+)", amount)
        if not match or match[2].upper() not in _UNITS or (equals and not re.fullmatch(r"cpu|mps|cuda(:\d+)?", place)):
            raise ValueError("expected an amount like 20GB, or one for each place: cuda:0=20GB,cpu=64GB")
        place = "cuda:0" if place == "cuda" else place
        if place in found:
            raise ValueError(f"{place or 'the device'} is limited twice")
        found[place] = int(float(match[1]) * _UNITS[match[2].upper()])
    return found


def pick_spread(kind: str | None, max_memory: str | None, device: str, reserve: int) -> Spread | None:
    """The places of weights and what they may take; None where they are to be on `device` alone.

    kind: `auto` or None. max_memory: as `parse_limits` reads it. reserve: bytes to be left on a GPU for what runs.
    Raises UsageError on other words and on places that are not there, MachineError without accelerate.
    """
    if kind is None:
        if max_memory is not None:
            raise UsageError("--max-memory says where weights may be, and nothing is spread.", "Add --device-map auto.")
        return None
    if kind not in KINDS:
        raise UsageError(f"unknown device map {kind!r}.", f"Choose from {', '.join(KINDS)}.")
    if importlib.util.find_spec("accelerate") is None:
        raise MachineError("--device-map needs accelerate, which is not installed.", "pip install accelerate")
    from vtc_cli.models.device import available_memory

    places = [device, *_other_gpus(device), *([] if device == "cpu" else ["cpu"])]
    try:
        asked = parse_limits(max_memory) if max_memory is not None else {}
    except ValueError as error:
        raise UsageError(f"--max-memory {max_memory}: {error}.") from None
    asked = {place or device: amount for place, amount in asked.items()}
    for place in asked:
        if place not in places:
            raise UsageError(f"--max-memory names {place}, which does not run here.", f"There are {', '.join(places)}.")
    free = {
        place: max(0, int(available_memory(place) * (1 - KEPT_FREE)) - (reserve if place != "cpu" else 0))
        for place in places
        if place not in asked
    }
    return Spread({place: asked.get(place, free.get(place, 0)) for place in places})


def _other_gpus(device: str) -> list[str]:
    if not device.startswith("cuda"):
        return []
    import torch

    return [name for number in range(torch.cuda.device_count()) if (name := f"cuda:{number}") != device]


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 10**8 else f"{count / 1e6:.1f} MB"


def fill(layers: Sequence[int], rest: int, limits: Mapping[str, int]) -> list[str]:
    """The place of each layer. layers: bytes of each, in order. rest: bytes of everything else, for the first place.

    Raises MachineError where the first place does not hold even the rest.
    """
    places = list(limits)
    if rest > limits[places[0]]:
        raise MachineError(
            f"without its decoder layers the model is {_size(rest)}, and {_size(limits[places[0]])} are free for it on "
            f"{places[0]}.",
            "Free memory there, raise --max-memory, or use a smaller model.",
        )
    left = {**limits, places[0]: limits[places[0]] - rest}
    found, at = [], 0
    for size in layers:
        while at < len(places) and left[places[at]] < size:
            at += 1  # in order: a hidden state that goes back and forth costs a transfer each time
        found.append(places[at] if at < len(places) else DISK)
        if at < len(places):
            left[places[at]] -= size
    return found


def spreading_options(model_class: Any, folder: Path, decoder: str, dtype: Any, spread: Spread) -> dict[str, Any]:
    """What `from_pretrained` takes to load a folder in the places of `spread`. Raises MachineError as `fill` does.

    decoder: as `layers_path` takes it. dtype: torch's, of the weights.
    """
    from accelerate import init_empty_weights
    from transformers import AutoConfig

    with init_empty_weights():
        empty = model_class(AutoConfig.from_pretrained(folder))
    found = device_map(empty, decoder, dtype.itemsize, spread)
    if DISK not in found.values():
        return {"device_map": found}
    # What is stored as it is held stays in the checkpoint's own files; experts are written out in another form.
    written = tempfile.mkdtemp(prefix="vtc-weights-")
    atexit.register(shutil.rmtree, written, ignore_errors=True)
    return {"device_map": found, "offload_folder": written}


def device_map(model: Any, decoder: str, width: int, spread: Spread) -> dict[str, str]:
    """The place of every module, as accelerate takes it. model: its weights need not be there. width: bytes a value."""
    path = layers_path(decoder)
    tied = getattr(model, "all_tied_weights_keys", None) or {}
    sizes = [width * sum(value.numel() for value in layer.parameters()) for layer in model.get_submodule(path)]
    whole = width * sum(value.numel() for name, value in model.named_parameters() if name not in tied)
    found = {f"{path}.{n}": place for n, place in enumerate(fill(sizes, whole - sum(sizes), spread.limits))}
    device = next(iter(spread.limits))

    def beside(module: Any, name: str) -> None:
        for part, child in module.named_children():
            full = f"{name}{part}"
            if path.startswith(f"{full}."):
                beside(child, f"{full}.")
            elif full != path:
                found[full] = device
        found.update({f"{name}{part}": device for part, _ in module.named_parameters(recurse=False)})

    beside(model, "")
    return found


def gather_back(model: Any, decoder: str, device: str) -> None:
    """Bring what layers on other GPUs give back to `device`, where methods look at it between layers."""
    import torch

    for layer in model.get_submodule(layers_path(decoder)):
        placed = {value.device for value in layer.parameters()} - {torch.device("meta"), torch.device(device)}
        if placed:
            layer.register_forward_hook(lambda _module, _given, output: _moved(output, device))


def _moved(output: Any, device: str) -> Any:
    return tuple(part.to(device) for part in output) if isinstance(output, tuple) else output.to(device)


def spread_of(model: Any, decoder: str, device: str) -> str:
    """Where the decoder's layers are: `decoder layers: 12 on cuda:0, 20 in cpu memory`."""
    path = layers_path(decoder)
    where = getattr(model, "hf_device_map", {})  # absent where everything is in one place
    places = [str(where.get(f"{path}.{number}", device)) for number in range(len(model.get_submodule(path)))]
    return told(places, device)


def decoder_path(decoder: str) -> str:
    """Where a decoder is in the whole model. decoder: its name inside `model`, or its path where that has dots."""
    return decoder if "." in decoder else f"model.{decoder}"


def layers_path(decoder: str) -> str:
    """Where a model keeps its decoder's layers. decoder: as `decoder_path` takes it."""
    return f"{decoder_path(decoder)}.layers"


def told(places: Sequence[str], device: str) -> str:
    """The places of layers, in order, in words. device: the one that runs."""
    where = {"cpu": "on cpu" if device == "cpu" else "in cpu memory", DISK: "on disk"}
    parts = [f"{len(list(group))} {where.get(place, f'on {place}')}" for place, group in groupby(places)]
    return f"decoder layers: {', '.join(parts)}"
