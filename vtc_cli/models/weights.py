"""What a checkpoint folder holds, from its safetensors headers: counts and bytes, without reading a weight."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from vtc_cli.errors import MachineError

DTYPE_BYTES: Mapping[str, int] = {"float32": 4, "bfloat16": 2, "float16": 2}
_FLOATS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
_DECODER = re.compile(r"(?<!encoder)\.layers\.\d+\.(?!.*(?:visual|vision))|^model\.layers\.")
_HEADER_LIMIT = 100_000_000  # the format's own limit
_INDEX = "model.safetensors.index.json"


@dataclass(frozen=True)
class StoredWeights:
    """The safetensors files of a folder. parameters: number of values. bytes: on disk. dtype: the most common.

    linear: values in the decoder's linear layers, which quantising makes small.
    """

    files: tuple[Path, ...]
    parameters: int
    bytes: int
    dtype: str
    other_bytes: int = 0
    linear: int = 0

    def bytes_as(self, dtype: str, bits: int | None = None) -> int:
        """Bytes in memory when floating-point tensors are held as `dtype`, the decoder's linear layers in `bits`."""
        linear = 0 if bits is None else self.linear
        return (self.parameters - linear) * DTYPE_BYTES[dtype] + linear * (bits or 0) // 8 + self.other_bytes


def stored_weights(folder: Path) -> StoredWeights:
    """Read the headers. Raises MachineError when weights are missing, cut short, or only in pickle form."""
    files = _weight_files(folder)
    count: dict[str, int] = {}
    other = linear = 0
    total = 0
    for path in files:
        for name, entry in read_header(path).items():
            first, last = entry["data_offsets"]
            total += last - first
            if entry["dtype"] in _FLOATS:
                values = prod(entry["shape"])
                count[entry["dtype"]] = count.get(entry["dtype"], 0) + values
                linear += values if len(entry["shape"]) == 2 and _DECODER.search(name) else 0
            else:
                other += last - first
    if not count:
        raise MachineError(f"{folder} holds no floating-point weights.", "Download the checkpoint again.")
    names = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
    common = max(count, key=lambda kind: count[kind])
    return StoredWeights(files, sum(count.values()), total, names[common], other, linear)


def read_header(path: Path) -> dict[str, dict[str, Any]]:
    """Tensor name -> {dtype, shape, data_offsets}. Raises MachineError on a file that is damaged or cut short."""
    again = "Download it again; the file is damaged or incomplete."
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            if start == b"version ":
                raise MachineError(
                    f"{path} is a pointer of Git LFS, not the weights.", "Fetch them: `git lfs pull` in the folder."
                )
            if len(start) < 8:
                raise MachineError(f"{path} is not a safetensors file ({size:,} bytes).", again)
            (length,) = struct.unpack("<Q", start)
            if length > min(_HEADER_LIMIT, size - 8):
                raise MachineError(f"{path} is not a safetensors file (impossible header).", again)
            header = json.loads(file.read(length))
    except (OSError, ValueError) as error:
        raise MachineError(f"{path} cannot be read: {error}.", again) from error
    if not isinstance(header, dict):
        raise MachineError(f"{path} is not a safetensors file (impossible header).", again)
    header.pop("__metadata__", None)
    for name, entry in header.items():
        if not isinstance(entry, dict) or not entry.keys() >= {"dtype", "shape", "data_offsets"}:
            raise MachineError(f"{path} is not a safetensors file (no shape of {name!r}).", again)
        first, last = entry["data_offsets"]
        if (width := _FLOATS.get(entry["dtype"])) and prod(entry["shape"]) * width != last - first:
            raise MachineError(
                f"{path} is damaged: {name!r} takes {last - first:,} bytes, not those of its shape.", again
            )
    end = 8 + length + max((entry["data_offsets"][1] for entry in header.values()), default=0)
    if size < end:
        raise MachineError(f"{path} is cut short: {size:,} of {end:,} bytes.", again)
    return header


def _weight_files(folder: Path) -> tuple[Path, ...]:
    index = folder / _INDEX
    if index.is_file():
        try:
            wanted = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        except (ValueError, KeyError, OSError) as error:
            raise MachineError(f"{index} cannot be read: {error}.", "Download the checkpoint again.") from error
        missing = [name for name in wanted if not (folder / name).is_file()]
        if missing:
            raise MachineError(
                f"{folder} is incomplete: {len(missing)} of {len(wanted)} weight files are missing ({missing[0]}).",
                "Finish the download (`vtc models pull` resumes it).",
            )
        return tuple(folder / name for name in wanted)
    single = folder / "model.safetensors"
    if single.is_file():
        return (single,)
    pickled = sorted(path.name for path in folder.glob("*.bin")) + sorted(path.name for path in folder.glob("*.pt*"))
    if pickled:
        raise MachineError(
            f"{folder} holds its weights as {pickled[0]}, a pickle that can run code; only safetensors is read.",
            "Convert it once where you trust it: load it with transformers and call "
            "save_pretrained(folder); that writes safetensors.",
        )
    raise MachineError(f"{folder} holds no model.safetensors.", "Check the folder, or download the checkpoint again.")
