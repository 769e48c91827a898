"""The peak memory of every row whose costs are told, each in a process of its own: what one row took another keeps.

    python -m benchmarks.peaks --part costs-caches --row "infinipot-v at 1/8" --entries 10445

prints one JSON object: the first film of the part watched, its first question answered. `measure` starts such a
process. Memory does not mind what else runs on the machine, so this may run beside other parts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from contextlib import closing
from typing import Any

from benchmarks import plan
from vtc_cli.bench.rows import Row, settings_of

PART = "peaks"
FIGURES = ("rss_peak", "rss_after_load", "gpu_peak", "mps_peak")


def wanted() -> list[tuple[str, Row]]:
    """(part, row) of every measurement, `none` of each part first."""
    return [(part.name, row) for part in plan.parts() if not part.shared for row in part.rows]


def measured(part: str, name: str, entries: int | None, model: str = "tiny") -> dict[str, Any]:
    """One row of a part, in this process. entries: of the film's whole cache, for a row with a share of it.

    Raises KeyError for a row that there is not.
    """
    from vtc_cli.jobs.run import Runner

    chosen = {each.name: each for each in plan.parts()}[part]
    row = {each.name: each for each in chosen.rows}[name]
    planned = chosen.plan(model)
    case = next(iter(planned.suite.cases()))
    runner = Runner(settings_of(row, planned.settings, entries))
    with closing(case.open()) as clip:
        runner.check(clip.info)
        runner.prepare()
        (record,) = runner.answer(clip, [case.tasks[0].question])
    found = {name: record["memory"][name] for name in FIGURES}
    facts = {name: record[name] for name in ("model", "versions", "machine")}
    return {"of": part, "name": name, **found, "entries": record["tokens"]["rows"], **facts}


def measure(part: str, name: str, entries: int | None, model: str = "tiny") -> dict[str, Any]:
    """The same in a process of its own. Raises RuntimeError with what it said when it fails."""
    command = [sys.executable, "-m", "benchmarks.peaks", "--part", part, "--row", name, "--model", model]
    if entries is not None:
        command += ["--entries", str(entries)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[2:])} failed:\n{done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", required=True)
    parser.add_argument("--row", required=True)
    parser.add_argument("--entries", type=int, help="of the film's whole cache")
    parser.add_argument("--model", default="tiny")
    options = parser.parse_args()
    print(json.dumps(measured(options.part, options.row, options.entries, options.model)))


if __name__ == "__main__":
    main()
