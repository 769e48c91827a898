"""The terminal side of `vtc bench`: what the words mean, progress while it runs, the table at the end."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any, Literal

from vtc_cli.bench.rows import Row, rows_of
from vtc_cli.bench.runner import EVERY, Bench, BenchEvents, LeftOut, Plan
from vtc_cli.bench.suite import Case
from vtc_cli.bench.suites import Place, find_suite
from vtc_cli.bench.summary import Summary, summarise
from vtc_cli.bench.wrong import wrong_answers, wrong_as_csv, wrong_as_text
from vtc_cli.cli.answers import in_words, one_line
from vtc_cli.cli.screen import is_terminal, library_noise
from vtc_cli.errors import UsageError, VtcError
from vtc_cli.jobs.ledger import Ledger
from vtc_cli.jobs.settings import Settings

Form = Literal["table", "json", "csv"]


def form_of(*, json: bool, csv: bool) -> Form:
    """The form the flags ask for: a table on a terminal, else JSON. Raises UsageError when both do."""
    if json and csv:
        raise UsageError("--json and --csv exclude each other", "--csv has the same figures in one table")
    if csv:
        return "csv"
    return "json" if json or not is_terminal(sys.stdout) else "table"


def request_of(
    settings: Mapping[str, Any],
    methods: Sequence[str],
    *,
    budgets: str | None,
    blind: bool,
    suite: str,
    skills: str | None,
    length: str | None,
    limit: str,
    seed: int,
    unseen: bool,
    choices: bool,
    via: str,
    questions: Path | None = None,
    videos: Path | None = None,
    root: Path | None = None,
    download: bool = False,
    repo: str | None = None,
    share_vision: bool = False,
) -> Plan:
    """The comparison a command line asks for. Raises UsageError."""
    from vtc_cli.bench.suites.tiny import Wanted
    from vtc_cli.jobs.amounts import parse_length

    shared = Settings.of(settings)
    seconds = None
    if length is not None:
        try:
            seconds = parse_length(length)
        except ValueError as error:
            raise UsageError(f"--length {length}: {error}", "like --length 30s or --length 10m") from None
    names = None if skills is None else tuple(name.strip() for name in skills.split(",") if name.strip())
    rows = rows_of(methods, budgets, blind)
    if shared.budget is not None and all(row.plain or row.share is not None for row in rows):
        raise UsageError("--budget changes no row: `none` never has one", "give a method with -m")
    wanted = Wanted(names, seconds, seed, unseen, choices, via, shared.fps)  # type: ignore[arg-type]
    most = _limit(limit)
    place = Place(questions, videos, root, download, repo)
    return Plan(find_suite(suite, wanted, place), rows, shared, most, share_vision)


def _limit(text: str) -> int:
    """Questions per skill; `all` is every one, which only suites with an end have."""
    if text.strip().casefold() == "all":
        return EVERY
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"--limit {text}: a number of questions per skill is wanted", "or `all`") from None


def compare(
    plan: Plan,
    form: Form,
    *,
    output: Path | None,
    resume: bool,
    quiet: bool,
    progress: bool | None,
    verbose: bool,
    wrong: bool = False,
) -> int:
    """Run a comparison and print it. wrong: and every wrong answer. Returns the exit code."""
    if resume and output is None:
        raise UsageError("--resume goes on with a file, and none is named", "add --output runs.jsonl")
    screen = BenchScreen(plan, quiet=quiet, progress=progress)
    with library_noise(verbose), closing(screen), Ledger(output) if output is not None else nullcontext() as ledger:
        if ledger is not None and ledger.records and not resume:
            raise UsageError(f"{output} already holds a run", "add --resume to go on with it, or name another file")
        if ledger is not None and ledger.repaired:
            screen.warning(f"{output}: dropped a record cut short by an earlier kill ({ledger.repaired} bytes)")
        bench = Bench(plan, ledger, screen)
        try:
            lines = list(bench.run())
        except KeyboardInterrupt:
            screen.kept(output)
            raise
        screen.close()
        summary = summarise(
            bench.facts, plan.rows, lines, bench.failures, left_out=bench.left_out, official=plan.suite.official
        )
    show(summary, form, wrong_answers(plan.rows, lines) if wrong else None)
    return exit_code(plan, bench.failures) or (3 if bench.left_out else 0)


def show(summary: Summary, form: Form, wrong: list[dict[str, Any]] | None = None) -> None:
    """The comparison on stdout. wrong: the wrong answers, which `csv` shows instead; None not to show them."""
    if form == "json":
        print(json.dumps(summary if wrong is None else {**summary, "wrong": wrong}, indent=2))
    elif form == "csv":
        from vtc_cli.bench.sheet import as_csv

        sys.stdout.write(as_csv(summary) if wrong is None else wrong_as_csv(wrong))
    else:
        from vtc_cli.bench.table import print_summary

        print_summary(summary)
        for line in wrong_as_text(wrong) if wrong is not None else ():
            print(line)
    sys.stdout.flush()


def exit_code(plan: Plan, failures: Mapping[str, VtcError]) -> int:
    """0 all rows are there; 3 some failed; when every method failed, the first error's own code."""
    if not failures:
        return 0
    methods = [row.name for row in plan.rows if not row.plain]
    return next(iter(failures.values())).exit_code if all(name in failures for name in methods) else 3


class BenchScreen(BenchEvents):
    """Progress in answers with the time left, warnings and failures, on stderr."""

    def __init__(self, plan: Plan, *, quiet: bool, progress: bool | None):
        self._quiet = quiet
        self._bar: Any = None
        if progress if progress is not None else is_terminal(sys.stderr) and not quiet:
            from tqdm import tqdm

            self._bar = tqdm(total=plan.answers, unit=" answers", file=sys.stderr, leave=False, smoothing=0)

    def loading(self, model: str) -> None:
        if self._bar is not None:
            self._bar.set_description_str(f"loading {os.path.basename(model) or model}")

    def row(self, row: Row, case: Case) -> None:
        if self._bar is not None:
            self._bar.set_description_str(f"{case.id} {row.name}", refresh=False)

    def frame(self, time: float) -> None:
        if self._bar is not None:
            self._bar.update(0)  # long films: the clock goes on between answers

    def answered(self, count: int) -> None:
        if self._bar is not None and count:
            self._bar.update(count)

    def dropped(self, row: Row, error: VtcError) -> None:
        first, *rest = in_words(error)
        self._print("\n  ".join([first.replace("error: ", f"error: {row.name}: ", 1), *rest]))

    def left_out(self, film: LeftOut) -> None:
        first, *rest = in_words(film.error)
        self._print("\n  ".join([first.replace("error: ", f"left out: {film.case}: ", 1), *rest]))

    def warning(self, text: str) -> None:
        if not self._quiet:
            self._print(f"warning: {one_line(text)}")

    def kept(self, output: Path | None) -> None:
        """Say what becomes of the answers so far when the rest will not come."""
        told = f"the answers so far are in {output}: the same command with --resume goes on"
        if not self._quiet:
            self._print("the answers so far are lost: --output FILE keeps them" if output is None else told)

    def close(self) -> None:
        """Leave nothing half drawn."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _print(self, text: str) -> None:
        if self._bar is not None:
            self._bar.clear()
        print(text, file=sys.stderr)
