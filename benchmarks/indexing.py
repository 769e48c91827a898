"""Indexing films of different lengths: speed, size of the file, and whether memory stays level.

    python -m benchmarks.indexing                       # 10 and 60 minutes: some minutes on one core
    python -m benchmarks.indexing --minutes 10 20 --describe none

Films of the bundled world, written as H.264 files first. Each is indexed by `vtc index` in a process of its own, so
that its peak memory is its own; the peak is what the system says of the process when it has ended.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.films import filmed

RESULTS = Path(__file__).parent / "results"
SEED = 7_500_000  # of the films
COMMAND = "import sys; from vtc_cli.cli.main import main; sys.argv[0] = 'vtc'; main()"


def film(minutes: float, folder: Path) -> Path:
    """The file of a film, made where it is missing."""
    from vtc_cli.train.world import make_long_film

    return filmed(make_long_film(SEED, "test", 60 * minutes), folder / f"{minutes:g}-minutes.mp4")


def indexed(path: Path, minutes: float, model: str, options: str) -> dict[str, Any]:
    """What indexing a film took. Raises RuntimeError with what the command said when it fails."""
    with tempfile.TemporaryDirectory() as home:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, "index", str(path), "--model", model, "-m", options, "-q"],
            env={**os.environ, "VTC_HOME": home},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise RuntimeError(f"vtc index {path} failed:\n{said.strip()}")
        seconds = time.perf_counter() - began
        (store,) = Path(home).glob("*/index.sqlite")
        return {
            "minutes": minutes,
            "seconds": round(seconds, 1),
            "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
            "times_real_time": round(60 * minutes / seconds, 1),
            "index_bytes": store.stat().st_size,
            "rss_peak": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        }


def main() -> None:
    """Index every film and write the result file."""
    from benchmarks.machine import provenance

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, nargs="+", default=[10.0, 60.0])
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--describe", default="auto", choices=("auto", "full", "brief", "none"))
    parser.add_argument("--films", type=Path, default=Path("runs/indexing"), help="folder of the films")
    parser.add_argument("--output", type=Path, default=RESULTS / "indexing.json")
    options = parser.parse_args()
    method = "mm-mem:captions=none" if options.describe == "none" else f"mm-mem:describe={options.describe}"
    rows = []
    for minutes in sorted(options.minutes):
        rows.append(indexed(film(minutes, options.films), minutes, options.model, method))
        print(json.dumps(rows[-1]), flush=True)
    growth = rows[-1]["rss_peak"] / rows[0]["rss_peak"] - 1
    found = {
        "what": (__doc__ or "").splitlines()[0],
        "model": options.model,
        "method": method,
        "rss_growth": round(growth, 4),
        "rows": rows,
        **provenance(),
    }
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps(found, indent=2) + "\n")
    print(f"peak memory from {rows[0]['minutes']:g} to {rows[-1]['minutes']:g} minutes: {growth:+.1%}")


if __name__ == "__main__":
    main()
