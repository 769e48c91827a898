"""Making a report: read results, look for their videos, write one HTML file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vtc_cli.errors import UsageError
from vtc_cli.jobs.settings import Settings
from vtc_cli.jobs.writing import check_place, write_whole
from vtc_cli.report.page.evidence import Album, album, at_hand
from vtc_cli.report.page.reading import read_source
from vtc_cli.report.page.render import render
from vtc_cli.report.page.runs import runs_of

THUMBNAILS = 60


@dataclass(frozen=True)
class Made:
    """path: the file. notes: what its maker should know. runs, answers: how many it shows."""

    path: Path
    notes: tuple[str, ...]
    runs: int
    answers: int


def make_report(
    files: Sequence[Path],
    output: Path,
    *,
    thumbnails: int = THUMBNAILS,
    videos: Sequence[Path] = (),
    command: str = "vtc report",
) -> Made:
    """Write the report of files of results. videos: folders to look for videos in, besides where they were.

    thumbnails: the most pictures of evidence; 0 opens no video. command: told on the page.
    Raises UsageError for files that are not results or a place that cannot be written, MachineError without the
    libraries of the extra `report`. Nothing is written then.
    """
    if not files:
        raise UsageError("no file of results is named", "give files that vtc ask or vtc bench wrote with -o")
    check_place(output)
    for number, path in enumerate(files):
        if output.exists() and path.exists() and os.path.samefile(output, path):
            raise UsageError(f"{output} is one of the files to report on", "name another --output, like report.html")
        if any(path.exists() and other.exists() and os.path.samefile(path, other) for other in files[:number]):
            raise UsageError(f"{path} is given twice", "give each file once")
    for folder in videos:
        if not folder.is_dir():
            raise UsageError(f"--videos {folder} is not a folder", "name the folder that holds the videos")
    sources = [read_source(path) for path in files]
    runs = runs_of(sources)
    pictures = album(runs, partial(at_hand, folders=videos), thumbnails) if thumbnails else Album()
    write_whole(output, render(sources, runs, pictures, command, usual=Settings().as_dict()))
    notes = tuple(note for source in sources for note in source.notes)
    return Made(output, notes, len(runs), sum(len(run.lines) for run in runs))
