"""Running a part of the plan: every answer goes to a file at once, and the next run goes on after the last of them."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.plan import Part
from vtc_cli.bench.lines import Line
from vtc_cli.bench.runner import Bench, BenchEvents, LeftOut
from vtc_cli.errors import VtcError
from vtc_cli.jobs.ledger import Ledger

NEEDED = ("question_id", "tokens", "cache", "flops", "seconds", "memory", "model", "versions", "machine")


class Clock:
    """When to stop. minutes: from now, None for never."""

    def __init__(self, minutes: float | None = None):
        self._end = None if minutes is None else time.monotonic() + 60 * minutes

    @property
    def over(self) -> bool:
        return self._end is not None and time.monotonic() >= self._end


class Told(BenchEvents):
    """Says on stderr what goes wrong; the rest of a long run is quiet."""

    def dropped(self, row: Any, error: VtcError) -> None:
        print(f"row {row.name} failed and is left out from here on: {error.message}", file=sys.stderr)

    def left_out(self, film: LeftOut) -> None:
        print(f"{film.case} cannot be read: {film.error.message}", file=sys.stderr)


@dataclass
class Run:
    """A part under way. folder: where its file of lines lies. model, tokens: as for `Part.plan`.

    lines: the answers so far, without what no figure needs. fresh: how many of them were not in the file.
    cpu: seconds of processor time these took. done: the plan has come to its end.
    """

    part: Part
    folder: Path
    model: str = "tiny"
    tokens: int = 96
    lines: list[Line] = field(default_factory=list)
    fresh: int = 0
    cpu: float = 0.0
    done: bool = False

    def __post_init__(self) -> None:
        self.plan = self.part.plan(self.model, self.tokens)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._ledger = Ledger(self.path)
        self._earlier = {record["key"] for record in self._ledger.records if "key" in record}
        self.bench = Bench(self.plan, self._ledger, Told())
        self._source: Iterator[Line] = self.bench.run()
        self._ahead: Line | None = None

    @property
    def path(self) -> Path:
        """The file of its lines."""
        return self.folder / f"{self.part.file}.jsonl"

    @property
    def left(self) -> float | None:
        """Processor seconds that the rest will take, from what the fresh answers took; None before there are any."""
        if self.done:
            return 0.0
        return None if not self.fresh else self.cpu / self.fresh * (self.plan.answers - len(self.lines))

    def film(self, clock: Clock | None = None) -> bool:
        """Go on to the end of a film that was not answered whole before. False at the end of the plan, or of the time.

        What is in the file already is read on the way.
        """
        clock, fresh = clock or Clock(), self.fresh
        while not clock.over:
            line = self._ahead or self._next()
            self._ahead = None
            if line is None:
                self.done = True
                return False
            if self.lines and line["case"] != self.lines[-1]["case"] and self.fresh > fresh:
                self._ahead = line
                return True
            self.lines.append(slim(line))
        return False

    def _next(self) -> Line | None:
        before = time.process_time()
        line = next(self._source, None)
        if line is not None and line["key"] not in self._earlier:
            self.fresh += 1
            self.cpu += time.process_time() - before
        return line

    def whole(self) -> list[Line]:
        """The lines of the films that every row has answered: all rows have the same questions."""
        rows = [row.name for row in self.plan.rows if row.name not in self.bench.failures]
        counts: dict[str, dict[str, int]] = {}
        for line in self.lines:
            of_case = counts.setdefault(line["case"], dict.fromkeys(rows, 0))
            if line["row"] in of_case:
                of_case[line["row"]] += 1
        equal = {case for case, of_row in counts.items() if len(set(of_row.values())) == 1}
        return [line for line in self.lines if line["case"] in equal and line["row"] in rows]

    def close(self) -> None:
        """Leave the file to others."""
        self._ledger.close()


def slim(line: Line) -> Line:
    """A line without the parts of its record that no figure needs; tens of thousands of them are held at once."""
    return {**line, "record": {name: line["record"][name] for name in NEEDED}}
