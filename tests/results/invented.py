"""Files of results with invented figures, in the shape that the real ones have."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.condensed import AGES, REFERENCES, SCHEMA, place_of
from benchmarks.peaks import wanted
from benchmarks.plan import CACHES, SHARES, Part, parts
from benchmarks.results import RESULTS
from vtc_cli.bench.statistics import wilson

N = 1000
BASE = 900  # right without compression
WEIGHTS = "blake2b:0123456789abcdef"
MODEL = {"name": "tiny", "revision": WEIGHTS, "dtype": "float32", "weight_bytes": 40_000_000, "threads": 2}
MACHINE = {"processor": "a processor", "cores": 2, "accelerator": None}
VERSIONS = {"vtc": "0.1.0", "torch": "2", "transformers": "5", "python": "3.11"}
LOST = {"hiprune": 0, "hiprune++": 0, "random": 60, "uniform": 50, "infinipot-v": 5, "window": 80, "recent": 300}
STEP = {"1/3": 1.0, "2/9": 1.5, "1/9": 3.0, "1/18": 6.0, "1/4": 0.5, "1/8": 1.0, "1/16": 4.0}


def right_of(name: str) -> int:
    """How many a row got right: headline methods lose little and plain ones more, all more with fewer tokens."""
    family, size = place_of(name)
    if name == "none":
        return BASE
    if name == "blind":
        return 200
    family = "infinipot-v" if "infinipot-v" in family else family
    return round(BASE - STEP.get(size or "", 1.0) * (4 + LOST.get(family, 30)))


def score(right: int, base: int | None) -> dict[str, Any]:
    low, high = wilson(right, N)
    mean = None if base is None else (right - base) / N
    ends = (None, None) if mean is None else (mean - 0.01, mean + 0.01)
    return {"n": N, "right": right, "accuracy": right / N, "low": low, "high": high, "difference": mean,
            "difference_low": ends[0], "difference_high": ends[1], "won": None, "lost": None, "p": None}  # fmt: skip


def costs(size: str | None, by_question: bool, bytes_peak: int) -> dict[str, Any]:
    above, _, below = (size or "1").partition("/")
    share = int(above) / int(below or 1)
    work = ("vision", "method", "prefill", "question", "decode", "watch", "answer")
    flops = dict.fromkeys(work, 2e9 * share)
    times = dict.fromkeys(("decode", "preprocess", "vision", "method", "prefill", "watch", "first_token"), 0.25)
    memory = {"rss_peak": 500_000_000, "rss_after_load": 400_000_000, "gpu_peak": None, "mps_peak": None}
    return {"by_question": by_question, "retention": share, "kv_bytes_peak": round(bytes_peak * share),
            "flops": {**flops, "layers": None}, "seconds": times, "memory": memory}  # fmt: skip


def part(name: str, right: Mapping[str, int] | None = None, **changes: Any) -> dict[str, Any]:
    """A part as `condense` leaves it. right: of some rows, instead of the invented figures."""
    wanted = _parts()[name]
    got = {row.name: (right or {}).get(row.name, right_of(row.name)) for row in wanted.rows}
    places = {row: place_of(row) for row in got}
    rows = []
    for row in wanted.rows:
        family, size = places[row.name]
        against = {
            other: {"mean": (got[row.name] - got[other]) / N, "low": (got[row.name] - got[other]) / N - 0.01,
                    "high": (got[row.name] - got[other]) / N + 0.01}
            for other, (its, at) in places.items()
            if other != row.name and its in REFERENCES and (size is None or at in (size, None))
        }  # fmt: skip
        asks = any(method.split(":")[0] in ("hiprune++", "cdpruner", "snapkv") for method in row.methods)
        share = {"fastv": None, "recent": "1/40"}.get(family, size)
        rows.append({
            "name": row.name, "methods": list(row.methods), "share": row.share, "blind": row.blind, "error": None,
            "costs": costs(share, asks, 80_000_000), "family": family, "size": size,
            "score": score(got[row.name], None if row.name == "none" else got["none"]),
            "skills": {"colour": [N // 2, got[row.name] // 2], "count": [N // 2, got[row.name] // 2]},
            "evidence": {"kept": [N, got[row.name]], "gone": [0, 0]} if "caches" in name else None,
            "ages": [[N // 4, got[row.name] // 4]] * len(AGES) if "caches" in name else None, "against": against,
        })  # fmt: skip
    length = wanted.wanted.length
    return {"schema": SCHEMA, "part": name, "about": wanted.about, "planned": N, "questions": N, "films": 240,
            "facts": {"length": length, "seed": 7}, "chance": {"recall": 0.1}, "left_out": [], "done": True,
            "model": MODEL, "machine": MACHINE, "versions": VERSIONS, "date": "2026-01-01", "command": "python -m x",
            "rows": rows} | changes  # fmt: skip


def scaling() -> dict[str, Any]:
    rows = [
        {"minutes": minutes, "methods": methods, "frames": 60 * minutes, "kv_bytes_peak": 1_000_000 * minutes,
         "seconds": {"watch": 2.0 * minutes, "first_token": 0.05}, "rss_peak": 500_000_000,
         "rss_after_load": 400_000_000, "gpu_peak": None}
        for minutes, methods in ((1, []), (1, ["window:budget=9"]), (30, []), (120, ["window:budget=9"]))
    ]  # fmt: skip
    return {"schema": SCHEMA, "part": "scaling", "facts": {"seed": 7}, "planned": 4, "questions": 4, "done": True,
            "model": MODEL, "machine": MACHINE, "versions": VERSIONS, "date": "2026-01-01", "command": "python -m x",
            "rows": rows}  # fmt: skip


def peaks() -> dict[str, Any]:
    rows = [
        {"of": part, "name": row.name, "rss_peak": 510_000_000, "rss_after_load": 400_000_000, "gpu_peak": None,
         "mps_peak": None}
        for part, row in wanted()
    ]  # fmt: skip
    told = {name: value for name, value in scaling().items() if name != "rows"}
    return {**told, "part": "peaks", "questions": len(rows), "planned": len(rows), "rows": rows}


def every_part(**instead: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """All parts by name. instead: some of them, with `_` for `-`."""
    found = {name: part(name) for name in _parts()} | {"peaks": peaks(), "scaling": scaling()}
    return found | {name.replace("_", "-"): value for name, value in instead.items()}


@cache
def _parts() -> dict[str, Part]:
    return {one.name: one for one in parts()}


def write(folder: Path, found: Mapping[str, Mapping[str, Any]]) -> Path:
    """The parts as files, beside the repository's own figures of the bundled model."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in found.items():
        (folder / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
    for path in RESULTS.glob("tiny*.json"):
        shutil.copy(path, folder)
    return folder


assert set(STEP) == {*SHARES, *CACHES}
