"""Frames per second, first token, decoding and peak memory of full-size models, beside `generate` on the same frames.

    python -m benchmarks.models                                    on a GPU: published shapes, 1, 10 and 60 minutes
    python -m benchmarks.models --small --minutes 0.5,2 --budget 1024 --most-rows 8000     on a CPU

Weights are random: time and memory do not depend on their values. Frames are random pictures at the model's own size,
one per second, so that neither decoding nor resizing is measured. `generate` of transformers gets the same frames,
prepared beforehand, in the same process; it is left out where its prompt has more rows than `--most-rows`, or where it
runs out of memory, and the result says so. Peaks are of the device's memory on a GPU, of this process on a CPU, weights
included. Writes benchmarks/results/models.json.
"""

from __future__ import annotations

import argparse
import gc
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import psutil
import torch

from benchmarks.compute import product
from benchmarks.machine import provenance
from benchmarks.random_models import SHAPES, build
from vtc_cli import Frame, Session, UsageError, VideoLM
from vtc_cli.errors import MachineError
from vtc_cli.models.contract import Cursor, Geometry, Span
from vtc_cli.report import flops
from vtc_cli.report.flops import Forwards

RESULTS = Path(__file__).parent / "results"
QUESTION = "What happens in this video?"
VIDEO = (1280, 720)
BOTH = "hiprune + infinipot-v"


def methods(budget: int) -> dict[str, dict[str, str]]:
    """What is compared. budget: cache entries."""
    pruner, cache = {"pruner": "hiprune:retain=2/9"}, {"cache": f"infinipot-v:budget={budget}"}
    return {"none": {}, "hiprune": pruner, "infinipot-v": cache, BOTH: {**pruner, **cache}}


class Peak:
    """The most memory that was in use inside the block, bytes."""

    def __init__(self, device: str):
        self.bytes = 0
        self._device = device

    @contextmanager
    def watched(self) -> Iterator[Peak]:
        """Of the device on a GPU; on a CPU of this process, looked at fifty times a second."""
        gc.collect()
        if self._device.startswith("cuda"):
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self._device)
            yield self
            self.bytes = torch.cuda.max_memory_allocated(self._device)
            return
        process, done = psutil.Process(), threading.Event()

        def look() -> None:
            while not done.wait(0.02):
                self.bytes = max(self.bytes, process.memory_info().rss)

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            done.set()
            thread.join()


def frames_of(model: VideoLM, geometry: Geometry, count: int) -> Iterator[Frame]:
    """So many frames, one per second: sixteen random pictures, again and again."""
    generator = torch.Generator().manual_seed(0)
    pictures = [torch.randint(0, 256, (3, *geometry.size), dtype=torch.uint8, generator=generator) for _ in range(16)]
    for second, picture in enumerate(islice(cycle(pictures), count)):
        yield Frame(float(second), picture)


def wait(device: str) -> float:
    """The time now, with all the device's work done."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return time.perf_counter()


def watched(model: VideoLM, minutes: float, method: dict[str, str], options: argparse.Namespace) -> dict[str, Any]:
    """One session: watch, ask, decode. Raises MachineError where memory runs out."""
    info, geometry = model.info, model.geometry(VIDEO)
    count = int(minutes * 60)
    units = -(-count // info.frames_per_unit)
    room = {} if "cache" in method else {"budget": units * (geometry.tokens + 48), "cache": "window"}
    with Peak(info.device).watched() as peak:
        session = Session(
            model, geometry=geometry, question=QUESTION, chunk=options.chunk, evidence=False, **method, **room
        )
        began = wait(info.device)
        session.watch(frames_of(model, geometry, count))
        seconds = wait(info.device) - began
        answer = session.ask(QUESTION, max_new_tokens=options.tokens)
    meter, written = session.meter, len(answer.ids)
    work = {
        kind: Forwards(**{name: amount for name, amount in meter.sums[kind].items() if name != "forwards"})
        for kind in ("vision", "prefill")
    }
    operations = flops.tower(info.tower, work["vision"]) + flops.decoder(info.decoder, work["prefill"])
    busy = meter.seconds["vision"] + meter.seconds["prefill"]
    return {
        "frames": count,
        "frames_per_second": count / seconds,
        "first_token_seconds": answer.seconds["first_token"],
        "decode_tokens_per_second": (written - 1) / answer.seconds["generate"] if written > 1 else None,
        "peak_bytes": peak.bytes,
        "cache_entries": session.entries,
        "seconds": {stage: spent for stage, spent in meter.seconds.items() if spent},
        "flop_per_second_in_vision_and_prefill": operations / busy,
    }


def generated(model: Any, minutes: float, options: argparse.Namespace) -> dict[str, Any]:
    """`generate` of transformers on the same frames; why not, where it was left out."""
    info, geometry = model.info, model.geometry(VIDEO)
    count = int(minutes * 60)
    frames = list(frames_of(model, geometry, count))
    spans = [model.open(Cursor())]
    prepared = model.prepare(frames, geometry)
    if len(prepared) * geometry.tokens > options.most_rows:
        return {"left_out": f"{len(prepared) * geometry.tokens:,} visual rows, above --most-rows {options.most_rows:,}"}
    blank = model.encode(model.prepare(frames[: info.frames_per_unit], geometry), geometry)[0]
    for number, span in enumerate(prepared.spans):
        unit = type(blank)(number, span, blank.tokens, blank.grid, blank.deep)
        spans.append(model.place(spans[-1].cursor, unit))
    spans.append(model.question(spans[-1].cursor, QUESTION))
    ids = torch.cat([span.ids for span in spans])[None]
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids), **inputs(info.family, prepared, geometry, spans)}
    del spans

    def run(tokens: int) -> float:
        began = wait(info.device)
        model.model.generate(**given, do_sample=False, max_new_tokens=tokens, min_new_tokens=tokens)
        return wait(info.device) - began

    try:
        with Peak(info.device).watched() as peak, torch.no_grad():
            first = run(1)
            whole = run(options.tokens)
    except torch.OutOfMemoryError as error:
        return {"left_out": f"out of memory: {str(error).splitlines()[0]}"}
    return {
        "frames": count,
        "frames_per_second": count / first,
        "decode_tokens_per_second": (options.tokens - 1) / (whole - first) if whole > first else None,
        "first_token_seconds": first,
        "peak_bytes": peak.bytes,
        "rows": int(ids.shape[1]),
    }


def inputs(family: str, prepared: Any, geometry: Geometry, spans: list[Span]) -> dict[str, Any]:
    """How a class of transformers is given a video."""
    dtype = spans[0].embeds.dtype
    if family.startswith("qwen"):
        seen = torch.cat([span.visual for span in spans])
        rows, columns = geometry.grid
        return {
            "pixel_values_videos": prepared.patches.to(dtype),
            "video_grid_thw": torch.tensor([[len(prepared), 2 * rows, 2 * columns]], device=seen.device),
            "mm_token_type_ids": seen[None].int() * 2,
        }
    if family == "internvl":
        return {"pixel_values": prepared.patches.to(dtype)}
    return {"pixel_values_videos": prepared.patches[None].to(dtype)}


def compare(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """All runs of one model, and what they come to beside each other."""
    model = build(name, options.device, options.dtype, small=options.small)
    info, geometry = model.info, model.geometry(VIDEO)
    rate = product(*[1024 if options.small else 8192] * 3, getattr(torch, options.dtype), options.device)
    runs: list[dict[str, Any]] = []
    watched(model, 0.25, methods(options.budget)[BOTH], options)  # to warm up
    for minutes in options.minutes:
        row = {"minutes": minutes, "method": "generate of transformers", **generated(model, minutes, options)}
        runs.append(row)
        print(name, json.dumps(row), flush=True)
        for method, chosen in methods(options.budget).items():
            rows = minutes * 60 / info.frames_per_unit * geometry.tokens
            try:
                if method == "none" and rows > options.most_rows:
                    found: dict[str, Any] = {"left_out": f"{rows:,.0f} visual rows, above --most-rows"}
                else:
                    found = watched(model, minutes, chosen, options)
                    found["share_of_matrix_rate"] = found["flop_per_second_in_vision_and_prefill"] / rate
            except (MachineError, UsageError) as error:
                found = {"left_out": error.message}
            runs.append({"minutes": minutes, "method": method, **found})
            print(name, json.dumps(runs[-1]), flush=True)
    return {
        "parameters": info.parameters,
        "weight_bytes": info.weight_bytes,
        "dtype": info.dtype,
        "tokens_per_frame": geometry.tokens / info.frames_per_unit,
        "matrix_flop_per_second": rate,
        "runs": runs,
        "targets": targets(runs),
    }


def targets(runs: list[dict[str, Any]]) -> dict[str, float | None]:
    """The figures that are aimed at: see benchmarks/README.md. None where a run was left out."""
    found = {(row["method"], row["minutes"]): row for row in runs if "left_out" not in row}
    lengths = sorted({row["minutes"] for row in runs})
    both, whole = BOTH, "generate of transformers"

    def ratio(one: tuple[str, float], other: tuple[str, float], figure: str) -> float | None:
        values = [found.get(place, {}).get(figure) for place in (one, other)]
        return values[0] / values[1] if all(values) else None

    middle = lengths[len(lengths) // 2]
    return {
        "peak_of_the_longest_over_the_shortest": ratio((both, lengths[-1]), (both, lengths[0]), "peak_bytes"),
        "frames_per_second_over_generate": ratio((both, middle), (whole, middle), "frames_per_second"),
        "decode_over_generate": ratio((both, middle), (whole, middle), "decode_tokens_per_second"),
        "share_of_matrix_rate": found.get((both, lengths[-1]), {}).get("share_of_matrix_rate"),
    }


def main() -> None:
    """Every model asked for, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(SHAPES), help="names, with commas between")
    parser.add_argument("--minutes", default="1,10,60", help="of video at one frame per second")
    parser.add_argument("--device", default="cuda:0" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", default="bfloat16" if torch.cuda.is_available() else "float32")
    parser.add_argument("--small", action="store_true", help="few narrow layers, for a CPU")
    parser.add_argument("--chunk", type=int, default=8, help="units per forward")
    parser.add_argument("--budget", type=int, default=6144, help="cache entries for InfiniPot-V")
    parser.add_argument("--tokens", type=int, default=32, help="of an answer")
    parser.add_argument("--most-rows", type=int, default=10**9, help="where everything is kept")
    parser.add_argument("--output", type=Path, default=RESULTS / "models.json")
    options = parser.parse_args()
    options.minutes = [float(part) for part in options.minutes.split(",")]
    wanted = options.models.split(",")
    if unknown := set(wanted) - set(SHAPES):
        parser.error(f"no shape of {', '.join(sorted(unknown))}; there are {', '.join(SHAPES)}")
    scale = "few narrow layers: figures of the script, not of these models" if options.small else "published widths"
    what = (__doc__ or "").splitlines()[0]
    report: dict[str, Any] = {"what": what, "scale": scale, "weights": "random", **provenance(), "models": {}}
    options.output.parent.mkdir(exist_ok=True)
    for name in wanted:
        report["models"][name] = compare(name, options)
        options.output.write_text(json.dumps(report, indent=2) + "\n")  # a run that is cut keeps what it has
        gc.collect()


if __name__ == "__main__":
    main()
