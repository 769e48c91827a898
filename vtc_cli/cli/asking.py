"""The terminal side of `vtc ask`: who prints what, where, while a request is answered."""

from __future__ import annotations

import sys
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING

from vtc_cli.cli.answers import Format, Printer
from vtc_cli.cli.interrupts import Interrupts
from vtc_cli.cli.screen import Screen, is_terminal, library_noise
from vtc_cli.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from vtc_cli.jobs.request import Request
    from vtc_cli.jobs.settings import Settings


def form_of(*, json: bool, jsonl: bool) -> Format:
    """The form the two flags ask for. Raises UsageError when both do."""
    if json and jsonl:
        raise UsageError("--json and --jsonl exclude each other", "--jsonl prints one record per line as they come")
    return "json" if json else "jsonl" if jsonl else "plain"


def answer(
    request: Request,
    settings: Settings,
    form: Format,
    *,
    output: str | None,
    resume: bool,
    report: bool | None,
    quiet: bool,
    progress: bool | None,
    verbose: bool,
    evidence: Path | None = None,
) -> int:
    """Answer a request, printing as it goes. evidence: folder for the frames of answers. Returns the exit code."""
    from vtc_cli.jobs.batch import Tally, finished, run_batch
    from vtc_cli.jobs.ledger import Ledger
    from vtc_cli.jobs.recalling import MemoryRunner
    from vtc_cli.jobs.run import Runner
    from vtc_cli.jobs.setup import from_memory

    stream = form == "plain" and request.single and is_terminal(sys.stdout)
    screen = Screen(quiet=quiet, stream=stream, progress=progress)
    printer = Printer(form, several_videos=len(request.sources) > 1, single=request.single)
    # Unasked, a report follows a single answer: between many it would bury them.
    shown = report if report is not None else request.single and is_terminal(sys.stderr) and not quiet
    tally = Tally()
    # The ledger is opened first: an output that cannot be written must be known before an hour is watched.
    with (
        Interrupts() as interrupts,
        library_noise(verbose),
        closing(screen),
        Ledger(output) if output is not None else nullcontext() as ledger,
    ):
        runner = (
            MemoryRunner(settings, screen, evidence=evidence) if from_memory(settings) else Runner(settings, screen)
        )
        done = finished(ledger.records) if ledger is not None and resume else set()
        if ledger is not None and ledger.repaired:
            screen.warning(f"{output}: dropped a record cut short by an earlier kill ({ledger.repaired} bytes)")
        try:
            for record in run_batch(request, runner, tally, ledger=ledger, done=done, events=screen):
                printer.show(record, streamed=bool(screen.streamed))
                screen.answered()
                if shown and record["error"] is None:
                    show_report(record)
                interrupts.check()
        finally:
            printer.finish()
    if not quiet and len(request.sources) > 1:
        parts = [f"{tally.answered} answered"]
        parts += [
            f"{amount} {name}" for name, amount in (("partial", tally.partial), ("failed", tally.failed)) if amount
        ]
        parts += [f"{tally.skipped} answered before"] if tally.skipped else []
        print(", ".join(parts), file=sys.stderr)
    return tally.exit_code


def show_report(record: dict) -> None:
    """The cost of one answer, on stderr."""
    from vtc_cli.report.terminal import print_report

    sys.stdout.flush()
    print_report(record)


def show_plans(request: Request, settings: Settings, form: Format) -> None:
    """What a request would cost, on stdout; nothing is decoded."""
    import json

    from vtc_cli.cli.plans import print_plan
    from vtc_cli.jobs.plan import plan_request

    with library_noise(verbose=False):
        plans = plan_request(request, settings)
        if form == "json":
            found = [plan.as_json() for plan in plans]
            print(json.dumps(found[0] if len(found) == 1 else found, indent=2))
            return
        for plan in plans:
            if form == "jsonl":
                print(json.dumps(plan.as_json()), flush=True)
            else:
                print_plan(plan)
