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
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtc_cli.errors import MachineError, UsageError

if TYPE_CHECKING:
    from vtc_cli.models.device import Placement

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


@dataclass(frozen=True)
class Arrangement:
    """What goes where. layers: the place of each decoder layer. weights: bytes by place; the device that runs is first,
    and has everything but the layers besides."""

    layers: tuple[str, ...]
    weights: Mapping[str, int]


def arrange(model: Any, decoder: str, width: int, spread: Spread) -> Arrangement:
    """Where the weights of `model` go, which need not be there. width: bytes a value. Raises MachineError as `fill`."""
    tied = getattr(model, "all_tied_weights_keys", None) or {}
    layers = model.get_submodule(layers_path(decoder))
    sizes = [width * sum(value.numel() for value in layer.parameters()) for layer in layers]
    rest = width * sum(value.numel() for name, value in model.named_parameters() if name not in tied) - sum(sizes)
    places = fill(sizes, rest, spread.limits)
    weights = {next(iter(spread.limits)): rest}
    for place, size in zip(places, sizes, strict=True):
        weights[place] = weights.get(place, 0) + size
    return Arrangement(tuple(places), weights)


def without_weights(model_class: Any, config: Any) -> Any:
    """A model of `model_class` whose weights have shapes and no values."""
    from accelerate import init_empty_weights

    with init_empty_weights():
        return model_class(config)


def spreading_options(model_class: Any, folder: Path, decoder: str, dtype: Any, spread: Spread) -> dict[str, Any]:
    """What `from_pretrained` takes to load a folder in the places of `spread`. Raises MachineError as `fill` does.

    decoder: as `layers_path` takes it. dtype: torch's, of the weights.
    """
    from transformers import AutoConfig

    empty = without_weights(model_class, AutoConfig.from_pretrained(folder))
    found = device_map(empty, decoder, arrange(empty, decoder, dtype.itemsize, spread))
    if DISK not in found.values():
        return {"device_map": found}
    # What is stored as it is held stays in the checkpoint's own files; experts are written out in another form.
    written = tempfile.mkdtemp(prefix="vtc-weights-")
    atexit.register(shutil.rmtree, written, ignore_errors=True)
    return {"device_map": found, "offload_folder": written}


def device_map(model: Any, decoder: str, arrangement: Arrangement) -> dict[str, str]:
    """The place of every module of `model`, as accelerate takes it."""
    path = layers_path(decoder)
    found = {f"{path}.{number}": place for number, place in enumerate(arrangement.layers)}
    device = next(iter(arrangement.weights))

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


def layer_places(model: Any, decoder: str, device: str) -> tuple[str, ...]:
    """Where the weights of each decoder layer of a loaded model are."""
    path = layers_path(decoder)
    where = getattr(model, "hf_device_map", {})  # absent where everything is in one place
    return tuple(str(where.get(f"{path}.{number}", device)) for number in range(len(model.get_submodule(path))))


def spread_over(placement: Placement, places: Sequence[str]) -> Placement:
    """`placement` with what is known once every decoder layer has its place. A layer in memory or on disk runs on the
    device, and has its part of the cache there."""
    device = placement.device
    return replace(
        placement,
        device_reason=f"{placement.device_reason}; {told(places, device)}",
        layer_devices=tuple(place if place.startswith("cuda") else device for place in places),
    )


def decoder_path(decoder: str) -> str:
    """Where a decoder is in the whole model. decoder: its name inside `model`, or its path where that has dots."""
    return decoder if "." in decoder else f"model.{decoder}"


def layers_path(decoder: str) -> str:
    """Where a model keeps its decoder's layers. decoder: as `decoder_path` takes it."""
    return f"{decoder_path(decoder)}.layers"


def told(places: Sequence[str], device: str) -> str:
    """The places of layers, in order: `decoder layers: 12 on cuda:0, 20 in cpu memory`. device: the one that runs."""
    parts = [f"{len(list(group))} {in_words(place, device)}" for place, group in groupby(places)]
    return f"decoder layers: {', '.join(parts)}"


def in_words(place: str, device: str) -> str:
    """`on cuda:1`, `in cpu memory`, `on disk`. device: the one that runs."""
    return "in cpu memory" if place == "cpu" != device else f"on {place}"
