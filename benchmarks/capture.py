"""What reading attention for HiPrune costs, beside the tower itself and beside dense maps in every block.

    python -m benchmarks.capture

A vision tower of Qwen2.5-VL-3B's published sizes with random weights: 32 blocks of 1280, full attention in every
eighth, windows elsewhere. Three forwards per size, in one run: the tower alone; with the capture of two layers, as a
method asks for it; with the dense [heads, patches, patches] softmax in every block, as the authors' code builds it.
Seconds are the processor's, on one thread, so that other work on the machine does not count; those of capture and of
dense maps are taken around them, inside the forward. Peak memory is the process's, sampled, above what it held before
the forward. Fewer blocks may be run (one in eight of them with full attention, as in the whole tower); seconds are then
scaled to 32 blocks and two captured layers, which the result says. At 16384 patches only the capture is run: dense
maps take 32 GiB there. Writes benchmarks/results/capture.json, after each size.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor

from benchmarks.machine import provenance
from vtc_cli.engine.heap import give_back
from vtc_cli.models import received

RESULTS = Path(__file__).parent / "results"
BLOCKS, EVERY, HEADS = 32, 8, 16
KINDS = ("alone", "capture", "dense")
SIZES = ("1024:8:2:alone+capture+dense", "4096:8:1:alone+capture+dense", "16384:8:1:capture")
LAYERS = (16, 32)  # object layer and deep layer, from 1


@dataclass
class Clock:
    """Seconds spent inside some of the calls of a forward."""

    seconds: float = 0.0

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.thread_time()
            result = call(*args, **kwargs)
            self.seconds += time.thread_time() - began
            return result

        return timed


@dataclass
class Peak:
    """The most memory the process held while the block ran, above what it held before, bytes."""

    bytes: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watched(self) -> Iterator[None]:
        process = psutil.Process()
        give_back()
        before = process.memory_info().rss

        def sample() -> None:
            while not self._stop.wait(0.005):
                self.bytes = max(self.bytes, process.memory_info().rss - before)

        thread = threading.Thread(target=sample, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()


def tower(blocks: int) -> Any:
    """The tower with `blocks` of its 32 blocks, one in eight of them with full attention, the last among those."""
    from transformers import Qwen2_5_VLConfig
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VisionTransformerPretrainedModel

    config = Qwen2_5_VLConfig(
        vision_config={
            "depth": blocks, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": HEADS, "patch_size": 14,
            "window_size": 112, "out_hidden_size": 2048, "spatial_merge_size": 2, "temporal_patch_size": 2,
            "fullatt_block_indexes": list(range(EVERY - 1, blocks, EVERY)),
        }
    ).vision_config  # fmt: skip
    torch.manual_seed(0)
    return Qwen2_5_VisionTransformerPretrainedModel(config).eval()


@contextmanager
def capture(model: Any, order: Tensor, layers: tuple[int, ...], clock: Clock) -> Iterator[None]:
    """Ours: column sums of the layers asked for."""
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import apply_rotary_pos_emb_vision as rotate

    plain = received._Reader.read
    received._Reader.read = clock.around(plain)  # type: ignore[method-assign]
    try:
        with received.received_attention(model.blocks, layers, units=1, merge=2, rotate=rotate, order=order) as found:
            yield
        assert sorted(found) == sorted(layers)
    finally:
        received._Reader.read = plain  # type: ignore[method-assign]


@contextmanager
def dense(model: Any, clock: Clock) -> Iterator[None]:
    """A whole map in every block, windows ignored, reduced to one score per patch."""
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import apply_rotary_pos_emb_vision as rotate

    angles: list[tuple[Tensor, Tensor]] = []

    def note(_: Any, __: Any, kwargs: dict[str, Any]) -> None:
        angles[:] = [kwargs["position_embeddings"]]

    def read(_: Any, __: Any, projected: Tensor) -> None:
        query, key = projected[:, : 2 * 1280].unflatten(-1, (2, HEADS, -1)).unbind(1)
        query, key = rotate(query, key, *angles[0])
        scores = query.transpose(0, 1) @ key.permute(1, 2, 0) * (1280 // HEADS) ** -0.5
        scores.softmax(-1).mean(0).sum(0)

    with ExitStack() as hooks:
        for block in model.blocks:
            hooks.callback(block.attn.register_forward_pre_hook(note, with_kwargs=True).remove)
            hooks.callback(block.attn.qkv.register_forward_hook(clock.around(read)).remove)
        yield


@dataclass(frozen=True)
class Forward:
    """One forward. kind: alone, capture or dense. seconds: of the processor; inside: those in capture or maps."""

    kind: str
    seconds: float
    inside: float
    peak_bytes: int


def measure(patches: int, blocks: int, repeats: int, kinds: Sequence[str] = KINDS) -> list[Forward]:
    """One size. The kinds take turns, so that other work on the machine meets all of them."""
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import get_vision_window_index

    model = tower(blocks)
    side = int(patches**0.5)
    grid = torch.tensor([[1, side, patches // side]])
    pixels = torch.randn(patches, 3 * 2 * 14 * 14)
    order = get_vision_window_index(grid, spatial_merge_size=2, window_size=112, patch_size=14)[0].argsort()
    forwards = []
    for kind in [kind for kind in kinds if kind != "dense" or dense_fits(patches)] * repeats:
        clock, peak = Clock(), Peak()
        with ExitStack() as stack:
            if kind == "capture":
                stack.enter_context(capture(model, order, captured(blocks), clock))
            elif kind == "dense":
                stack.enter_context(dense(model, clock))
            stack.enter_context(peak.watched())
            began = time.thread_time()
            with torch.no_grad():
                model(pixels, grid_thw=grid)
            forwards.append(Forward(kind, time.thread_time() - began, clock.seconds, peak.bytes))
        print(patches, forwards[-1], flush=True)
    return forwards


def captured(blocks: int) -> tuple[int, ...]:
    """The layers to capture, of those there are: in a shorter tower its last full-attention block stands for both."""
    return tuple(layer for layer in LAYERS if layer <= blocks) or (blocks,)


def dense_bytes(patches: int) -> int:
    """Of one block's map and the logits it is made from, both alive at once."""
    return 2 * HEADS * patches**2 * 4


def dense_fits(patches: int) -> bool:
    """Whether this machine can hold them."""
    return dense_bytes(patches) < 0.6 * psutil.virtual_memory().available


def summary(patches: int, blocks: int, forwards: list[Forward]) -> dict[str, Any]:
    """What the forwards of one size say. A share compares two parts of the same forwards, so that other work on the
    machine slows both; the tower is scaled to 32 blocks, capture to two layers, dense maps to 32."""
    layers = captured(blocks)

    def share(kind: str, parts: float, of: int) -> float:
        some = [forward for forward in forwards if forward.kind == kind]
        inside = sum(forward.inside for forward in some) * of / parts
        return inside / (sum(forward.seconds - forward.inside for forward in some) * BLOCKS / blocks)

    peaks = {kind: max(f.peak_bytes for f in forwards if f.kind == kind) for kind in {f.kind for f in forwards}}
    ours = share("capture", len(layers), len(LAYERS))
    found: dict[str, Any] = {
        "patches": patches,
        "blocks_run": blocks,
        "layers_captured": list(layers),
        "capture_share_of_tower": ours,
        "capture_peak_over_tower": peaks["capture"] / peaks["alone"] if "alone" in peaks else None,
        "forwards": [asdict(forward) for forward in forwards],
    }
    if "dense" not in peaks:
        return {**found, "dense": f"not run; a map and its logits take {dense_bytes(patches) / 2**30:.0f} GiB"}
    theirs = share("dense", blocks, BLOCKS)
    return {
        **found,
        "dense_share_of_tower": theirs,
        "dense_seconds_over_capture": theirs / ours,
        "dense_peak_over_tower": peaks["dense"] / peaks["alone"] if "alone" in peaks else None,
    }


def main() -> None:
    """All sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", action="append", metavar="PATCHES:BLOCKS:REPEATS:KINDS")
    parser.add_argument("--output", type=Path, default=RESULTS / "capture.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found: list[dict[str, Any]] = []
    options.output.parent.mkdir(exist_ok=True)
    for size in options.size or SIZES:
        patches, blocks, repeats = map(int, size.split(":")[:3])
        forwards = measure(patches, blocks, repeats, size.split(":")[3].split("+"))
        found.append(summary(patches, blocks, forwards))
        report = {"what": (__doc__ or "").splitlines()[0], "dtype": "float32", "sizes": found, **provenance()}
        options.output.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
