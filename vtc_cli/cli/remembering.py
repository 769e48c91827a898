"""The terminal side of `vtc index`: one video after another, and what is printed of each."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vtc_cli.cli.answers import one_line
from vtc_cli.cli.screen import Screen, library_noise
from vtc_cli.errors import UsageError, VtcError

if TYPE_CHECKING:
    from vtc_cli.jobs.recalling import MemoryRunner
    from vtc_cli.jobs.settings import Settings


def index_all(
    sources: Sequence[str],
    settings: Settings,
    *,
    force: bool,
    snapshot: bool,
    dry_run: bool,
    json: bool,
    quiet: bool,
    progress: bool | None,
    verbose: bool,
) -> int:
    """Remember every video, printing as it goes. Returns the exit code."""
    from vtc_cli.jobs.recalling import MemoryRunner

    if settings.subs is not None and len(sources) > 1:
        raise UsageError(
            "--subs names the subtitles of one video", "files with the videos' names are found by themselves"
        )
    screen = Screen(quiet=quiet, progress=progress)
    shown: list[dict[str, Any]] = []
    failed: list[VtcError] = []
    # What chooses frames or the answer's form has no part in a memory, wherever it was configured.
    settings = replace(settings, start=0.0, end=None, max_frames=None, at=None)
    with library_noise(verbose), closing(screen):
        runner = MemoryRunner(settings, screen, force=force, snapshot=snapshot)
        for source in sources:
            try:
                facts = _one(runner, source) if not dry_run else _planned(runner, source)
            except KeyboardInterrupt:
                if not dry_run:
                    again = "the same command without --force goes on" if force else "the same command goes on"
                    screen.told(f"what is remembered so far is kept: {again}")
                raise
            except VtcError as error:
                if len(sources) == 1:
                    raise
                failed.append(error)
                screen.failed(source, error)
                continue
            shown.append(facts)
            if not json:
                path = facts["path"] if not dry_run else _in_words(facts, snapshot)
                line = path if len(sources) == 1 else f"{one_line(source)}\t{path}"
                sys.stdout.write(line + "\n")
                sys.stdout.flush()
    if json:
        found = shown[0] if len(sources) == 1 else shown
        sys.stdout.write(json_format.dumps(found, indent=2, ensure_ascii=False) + "\n")
    if failed and not shown:
        return failed[0].exit_code
    return 3 if failed or any(facts.get("damaged") for facts in shown) else 0


def _one(runner: MemoryRunner, source: str) -> dict[str, Any]:
    from vtc_cli.memory.showing import facts_of

    clip = runner.open(source)
    try:
        found = runner.remember(clip)
        with found.store as store:
            return {"video": source, "built": found.built, **facts_of(store)}
    finally:
        clip.close()


def _planned(runner: MemoryRunner, source: str) -> dict[str, Any]:
    clip = runner.open(source)
    try:
        return {"video": source, **runner.rememberer.plan(clip)}
    finally:
        clip.close()


def _in_words(facts: dict[str, Any], snapshot: bool) -> str:
    """What indexing would do, in a line."""
    from vtc_cli.report.units import clock, size

    if facts["state"] == "different":
        return f"{facts['path']}: made differently ({'; '.join(facts['differences'])}); --force would make it anew"
    missing = snapshot and facts["snapshot_bytes"] is None
    if facts["state"] == "complete":
        return f"{facts['path']}: complete, {'but for the snapshot' if missing else 'nothing to do'}"
    frames = "frames until it ends" if facts["frames"] is None else f"{facts['frames']} frames"
    length = "" if facts["duration"] is None else f" of {clock(facts['duration'])}"
    begun = "" if facts["done"] is None else f", gone on with from {clock(facts['done'])}"
    most = ""
    if facts["most_events"] is not None:
        most = f"; at most {facts['most_clips']} clips and {facts['most_events']} events"
    subtitles = f"; {facts['subtitles']} subtitles" if facts["subtitles"] else ""
    kept = "; with a snapshot" if missing else ""
    return f"{facts['path']}: {frames}{length}{begun}{most}{subtitles}{kept}; {size(facts['free_bytes'])} free there"
