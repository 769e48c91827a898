"""An hour of video on this machine: is memory flat, is the cache within its budget, do decoding and model overlap?

    python -m benchmarks.make_hour hour.mp4
    python -m benchmarks.hour hour.mp4 --model tiny --budget 8192

Three processes, one after the other, on the same file: decoding alone, the model alone (the same number of frames, a
few real ones kept in memory and shown again and again), and the whole tool. RSS is read at every unit and compared
with the value after loading the model. The question on the watched hour is then asked five times.
Writes benchmarks/results/hour.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import psutil

RESULTS = Path(__file__).parent / "results"
QUESTION = "Which digit appears?"


def rss() -> int:
    """Bytes of this process that are in memory now."""
    return int(psutil.Process().memory_info().rss)


def cpu() -> float:
    """CPU seconds this process has used."""
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)


def decode(options: argparse.Namespace) -> dict[str, Any]:
    """Frames out of the reader, thrown away."""
    from vtc_cli import open_clip

    began, before, frames = time.perf_counter(), cpu(), 0
    clip = open_clip(options.video)
    for _ in clip.frames(options.fps):
        frames += 1
    return {"seconds": time.perf_counter() - began, "cpu_seconds": cpu() - before, "frames": frames, "rss": rss()}


def model_alone(options: argparse.Namespace) -> dict[str, Any]:
    """The same number of frames through the model, without a decoder."""
    from vtc_cli import Frame, Session, load_model, open_clip

    model = load_model(options.model)
    clip = open_clip(options.video)
    some = list(islice(clip.frames(options.fps), 16))
    clip.close()
    session = Session(model, budget=options.budget, chunk=options.chunk)
    frames = (
        Frame(index / options.fps, frame.image) for index, frame in enumerate(islice(cycle(some), options.frames))
    )
    began, before = time.perf_counter(), cpu()
    session.watch(frames)
    return {"seconds": time.perf_counter() - began, "cpu_seconds": cpu() - before, "stages": session.meter.seconds}


def whole(options: argparse.Namespace) -> dict[str, Any]:
    """The tool's own way: decode thread, bounded queue, session."""
    from vtc_cli import Session, load_model, open_clip
    from vtc_cli.video import prefetch

    model = load_model(options.model)
    loaded = rss()
    samples: list[tuple[float, int, int]] = []
    began, before = time.perf_counter(), cpu()
    clip = open_clip(options.video)
    geometry = model.geometry(clip.info.size)
    session = Session(model, budget=options.budget, chunk=options.chunk, geometry=geometry)

    def noted(frames: Any) -> Any:
        for frame in frames:
            moment = frame.time
            yield frame
            del frame
            samples.append((moment, rss(), session.entries))

    with prefetch(clip.frames(options.fps), 8, partial(model.shrink, geometry=geometry)) as ahead:
        session.watch(noted(ahead))
    watched = time.perf_counter() - began
    asked = []
    for _ in range(5):
        began_question = time.perf_counter()
        answer = session.ask(QUESTION)
        asked.append({"first_token": answer.seconds["first_token"], "whole": time.perf_counter() - began_question})
    allowance = session.allowance
    assert allowance is not None
    peak = {minute: max(size for moment, size, _ in samples if moment <= minute * 60) for minute in (1, 10, 30, 60)}
    first = statistics.median(turn["first_token"] for turn in asked)
    return {
        "seconds": watched,
        "cpu_seconds": cpu() - before,
        "stages": session.meter.seconds,
        "thread": {"decode": ahead.decode_seconds, "shrink": ahead.shrink_seconds},
        "frames": session.meter.counts["frames"],
        "compactions": session.meter.counts["compactions"],
        "rss_after_load": loaded,
        "rss_peak_by_minute": peak,
        "rss_growth_10_to_60_minutes": peak[60] / peak[10] - 1,
        "kv_budget_bytes": allowance.bytes,
        "kv_peak_bytes": session.meter.peaks["kv_budgeted_bytes"],
        "kv_entries_budget": allowance.entries,
        "kv_entries_most_at_any_step": max(entries for _, _, entries in samples),
        "question": {
            "first_token_seconds": first,
            "spread": [min(t["first_token"] for t in asked), max(t["first_token"] for t in asked)],
            "from_nothing_seconds": watched + first,
            "ratio": (watched + first) / first,
        },
    }


PARTS = {"decode": decode, "model": model_alone, "whole": whole}


def main() -> None:
    """Run the three parts, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--fps", type=float, default=1.0)
    parser.add_argument("--budget", type=int, default=8192, help="cache entries")
    parser.add_argument("--chunk", type=int, default=4)
    parser.add_argument("--frames", type=int, default=3600, help="for the model alone")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, default=RESULTS / "hour.json")
    options = parser.parse_args()
    if options.part:
        print(json.dumps(PARTS[options.part](options)))
        return
    found: dict[str, Any] = {}
    for part in PARTS:
        command = [sys.executable, "-m", "benchmarks.hour", *sys.argv[1:], "--part", part]
        if "decode" in found:
            command += ["--frames", str(found["decode"]["frames"])]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[part] = json.loads(done.stdout.splitlines()[-1])
        print(part, json.dumps(found[part], indent=1))
    from benchmarks.machine import provenance

    slower = max(found["decode"]["seconds"], found["model"]["seconds"])
    report = {
        "what": (__doc__ or "").splitlines()[0],
        "model": options.model,
        "wall_over_the_slower_part": found["whole"]["seconds"] / slower,
        **found,
        **provenance(),
    }
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps(report, indent=2) + "\n")
    print("wall over the slower part:", round(report["wall_over_the_slower_part"], 3))


if __name__ == "__main__":
    main()
