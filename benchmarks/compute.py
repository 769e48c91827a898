"""What share of this machine's own matrix-product rate the tower and the prefill reach.

    python -m benchmarks.compute --model tiny

The machine's rate is measured in the same run: a square product of 2048, and a product of the model's own widths,
which is what these layers could reach if they were nothing but their largest matrix products. FLOPs are the analytic
ones of the report. Best of several repeats, because other work on the machine only ever slows a repeat down.
Writes benchmarks/results/compute.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import provenance
from vtc_cli import Frame, load_model
from vtc_cli.engine.slab import Slab
from vtc_cli.models.contract import Cursor, Span
from vtc_cli.report import flops

RESULTS = Path(__file__).parent / "results"


def best(call: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest of `repeats` calls, after one to warm up."""
    call()
    found = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return min(found)


def product(rows: int, inner: int, columns: int, dtype: torch.dtype, device: str) -> float:
    """FLOP per second of one matrix product."""
    left, right = (
        torch.randn(rows, inner, dtype=dtype, device=device),
        torch.randn(columns, inner, dtype=dtype, device=device),
    )

    def call() -> None:
        torch.nn.functional.linear(left, right)
        if device.startswith("cuda"):
            torch.cuda.synchronize()

    return 2 * rows * inner * columns / best(call, 10)


def measure(options: argparse.Namespace, dtype: str) -> dict[str, Any]:
    """Rates of one precision."""
    model = load_model(options.model, device=options.device, dtype=dtype)
    info = model.info
    geometry = model.geometry((1280, 720))
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (3, 720, 1280), dtype=torch.uint8, generator=generator)
    count = options.chunk * info.frames_per_unit
    frames = [Frame(float(index), image) for index in range(count)]
    small = [model.shrink(frame, geometry) for frame in frames]
    prepared = model.prepare(small, geometry)
    units = model.encode(prepared, geometry)
    slab = Slab(info.decoder.layers, 4096 + options.chunk * 128)

    def prefill() -> None:
        slab.reset()
        span = model.open(Cursor())
        model.forward(span, slab)
        placed, cursor = [], span.cursor
        for unit in units:
            placed.append(model.place(cursor, unit))
            cursor = placed[-1].cursor
        model.forward(Span.join(placed), slab)

    torch_dtype = getattr(torch, dtype)
    rows = options.chunk * geometry.patches
    resize = best(lambda: [model.shrink(frame, geometry) for frame in frames], options.repeats)
    patchify = best(lambda: model.prepare(small, geometry), options.repeats)
    vision = best(lambda: model.encode(prepared, geometry), options.repeats)
    filled = best(prefill, options.repeats)
    length = sum(len(model.place(Cursor(), unit)) for unit in units)
    vision_flop = options.chunk * flops.tower(info.tower, flops.Forwards.one(geometry.patches, 0))
    prefill_flop = flops.one_shot(info.decoder, length)
    square = product(2048, 2048, 2048, torch_dtype, options.device)
    tower = product(rows, info.tower.hidden, info.tower.intermediate, torch_dtype, options.device)
    decoder = product(length, info.decoder.hidden, info.decoder.intermediate, torch_dtype, options.device)
    return {
        "units": options.chunk,
        "patches_per_unit": geometry.patches,
        "prefill_rows": length,
        "square_product_flop_per_second": square,
        "resize_seconds": resize,
        "patchify_seconds": patchify,
        "vision": {
            "seconds": vision,
            "flop": vision_flop,
            "flop_per_second": vision_flop / vision,
            "share_of_square_product": vision_flop / vision / square,
            "share_of_own_width_product": vision_flop / vision / tower,
        },
        "prefill": {
            "seconds": filled,
            "flop": prefill_flop,
            "flop_per_second": prefill_flop / filled,
            "share_of_square_product": prefill_flop / filled / square,
            "share_of_own_width_product": prefill_flop / filled / decoder,
        },
    }


def main() -> None:
    """Both precisions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--chunk", type=int, default=4, help="units per call")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--output", type=Path, default=RESULTS / "compute.json")
    options = parser.parse_args()
    found = {dtype: measure(options, dtype) for dtype in ("float32", "bfloat16")}
    report = {"what": (__doc__ or "").splitlines()[0], "model": options.model, **found, **provenance()}
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
