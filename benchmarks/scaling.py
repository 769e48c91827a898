"""Time and memory against the length of the video, with a bounded cache and without.

    python -m benchmarks.scaling --minutes 10 --method infinipot-v:budget=2048

prints one JSON object. Each measurement is a process of its own, so that its peak memory is its own; `measure` starts
one. The film is rendered while it is watched and never held.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

MINUTES = (1, 2, 5, 10, 30, 60, 120)
WHOLE = 30  # minutes up to which the uncompressed cache is measured: its time grows with the square
BOUND = 2048  # entries
SETUPS = ((), (f"infinipot-v:budget={BOUND}",), ("hiprune:retain=1/3", f"infinipot-v:budget={BOUND}"))
SIZE = (128, 128)
SEED = 7_000_000
QUESTION = "Which digit appeared first?"


class RenderedClip:
    """A film of the bundled world, each picture drawn when it is asked for."""

    def __init__(self, minutes: float):
        from vtc_cli.train.world import make_long_film
        from vtc_cli.video.frame import ClipInfo, Damage

        self._film = make_long_film(SEED, "test", 60 * minutes, SIZE[1] / SIZE[0])
        self.damage: Damage | None = None
        self.info = ClipInfo(
            source=f"tiny:{SEED}/{minutes:g}-minutes", digest=None, duration=self._film.duration,
            size=(SIZE[1], SIZE[0]), codec="rendered", fps=None, reader="vtc world",
        )  # fmt: skip

    def frames(self, fps: float, start: float = 0.0, end: float | None = None) -> Iterator[Any]:
        """See `Clip.frames`."""
        stop = self._film.duration if end is None else min(end, self._film.duration)
        return self.at([start + index / fps for index in range(math.ceil((stop - start) * fps - 1e-6))])

    def at(self, times: Sequence[float]) -> Iterator[Any]:
        """See `Clip.at`."""
        import numpy as np
        import torch

        from vtc_cli.train.world import frame_at
        from vtc_cli.video.frame import Frame

        for moment in times:
            picture = frame_at(self._film, moment, SIZE)
            yield Frame(moment, torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))))

    def close(self) -> None:
        """Nothing is open."""


def measured(minutes: float, methods: Sequence[str], model: str = "tiny") -> dict[str, Any]:
    """One film watched and asked about once, in this process."""
    from vtc_cli.jobs.questions import Question
    from vtc_cli.jobs.run import Runner
    from vtc_cli.jobs.settings import Settings

    runner = Runner(Settings(model=model, method=tuple(methods), max_new_tokens=8))
    clip = RenderedClip(minutes)
    runner.check(clip.info)
    runner.prepare()
    began = time.process_time()
    (record,) = runner.answer(clip, [Question(QUESTION)])
    return {
        "minutes": minutes,
        "methods": list(methods),
        "cpu_seconds": time.process_time() - began,
        "frames": record["tokens"]["frames"],
        "seconds": record["seconds"],
        "flops": record["flops"],
        "entries_peak": record["cache"]["entries_peak"],
        "kv_bytes_peak": record["cache"]["bytes_peak"],
        "rss_after_load": record["memory"]["rss_after_load"],
        "rss_peak": record["memory"]["rss_peak"],
        "gpu_peak": record["memory"]["gpu_peak"],
        "model": record["model"],
        "versions": record["versions"],
        "machine": record["machine"],
    }


def measure(minutes: float, methods: Sequence[str], model: str = "tiny") -> dict[str, Any]:
    """The same in a process of its own. Raises RuntimeError with what it said when it fails."""
    command = [sys.executable, "-m", "benchmarks.scaling", "--minutes", f"{minutes:g}", "--model", model]
    for name in methods:
        command += ["--method", name]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[2:])} failed:\n{done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def wanted(longest: float = MINUTES[-1], whole: float = WHOLE) -> list[tuple[float, tuple[str, ...]]]:
    """(minutes, methods) of every measurement, short films first. whole: the longest film without compression."""
    return [
        (minutes, methods)
        for minutes in MINUTES
        for methods in SETUPS
        if minutes <= longest and (methods or minutes <= whole)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--method", action="append", default=[], metavar="NAME[:K=V,...]")
    parser.add_argument("--model", default="tiny")
    options = parser.parse_args()
    print(json.dumps(measured(options.minutes, options.method, options.model)))


if __name__ == "__main__":
    main()
