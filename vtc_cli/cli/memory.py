"""`vtc memory`: looking into what `vtc index` has remembered."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vtc_cli.cli import options
from vtc_cli.cli.help import Command, Group

if TYPE_CHECKING:
    from vtc_cli.memory.store import MemoryStore

Video = Annotated[str, typer.Argument(metavar="VIDEO", help="A video that was indexed, or the file of its memory.")]


def register(app: typer.Typer) -> None:
    memory = typer.Typer(cls=Group, rich_markup_mode=None, help=_memory.__doc__)
    memory.callback(invoke_without_command=True)(_memory)
    for command in (show, search, export):
        memory.command(cls=Command)(command)
    app.add_typer(memory, name="memory")


def _memory(context: typer.Context) -> None:
    """Look into the memories of videos.

    \b
    Examples:
      vtc memory show match.mp4
      vtc memory show match.mp4 event:3
      vtc memory search match.mp4 "red card"
      vtc memory export match.mp4 --format srt -o match.events.srt
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def show(
    video: Video,
    row: Annotated[str | None, typer.Argument(metavar="[LEVEL:ID]", help="One row of it, like event:3.")] = None,
    json: options.Json = False,
) -> None:
    """Show what a memory holds, or one row of it.

    \b
    Examples:
      vtc memory show match.mp4
      vtc memory show match.mp4 clip:12 --json

    Levels are event, clip, frame, concept, mention, relation and subtitle; the evidence of an answer names them.
    """
    from json import dumps

    from vtc_cli.memory.showing import as_markdown, facts_of, row_of

    with _open(video) as store:
        facts = facts_of(store) if row is None else row_of(store, row)
        outline = as_markdown(store) if row is None and not json else ""
    if json:
        typer.echo(dumps(facts, indent=2, ensure_ascii=False))
        return
    for name, value in facts.items():
        if name != "settings" and value not in (None, []):
            typer.echo(_safe(f"{name:<14} {value}"))
    if outline:
        typer.echo("\n" + _safe(outline).rstrip())


def search(
    video: Video,
    words: Annotated[str, typer.Argument(metavar="WORDS", help="What to look for; time words filter.")],
    at: options.At = None,
    most: Annotated[int, typer.Option("-n", metavar="N", min=1, help="Passages shown at most.")] = 10,
    json: options.Json = False,
) -> None:
    """Search a memory's words: descriptions, mentions, subtitles. No model is loaded.

    \b
    Examples:
      vtc memory search match.mp4 "red card"
      vtc memory search match.mp4 "goal after 45:00" -n 3
      vtc memory search match.mp4 "goal" --at 30:00
    """
    from json import dumps

    from vtc_cli.jobs.questions import check_text
    from vtc_cli.memory.searching import search as look
    from vtc_cli.memory.timewords import when
    from vtc_cli.memory.view import MemoryView
    from vtc_cli.video.timecode import format_time, parse_time

    check_text(words, "what to look for")
    moment = parse_time(at) if at is not None else None
    with _open(video) as store:
        filtered = when(words, MemoryView(store, moment).duration)
        hits = look(store, words, when=filtered, at=moment, most=most)
    if json:
        rows = [
            {"kind": hit.passage.kind, "id": hit.passage.ref, "t0": hit.passage.t0, "t1": hit.passage.t1,
             "text": hit.passage.body, "score": round(hit.score, 6)}
            for hit in hits
        ]  # fmt: skip
        typer.echo(dumps(rows, indent=2, ensure_ascii=False))
        return
    for hit in hits:
        passage = hit.passage
        level = "event" if passage.kind == "step" else passage.kind
        span = f"{format_time(passage.t0)} to {format_time(passage.t1)}"
        typer.echo(_safe(f"{span}\t{level}:{passage.ref}\t{passage.body}"))
    if not hits:
        typer.echo("nothing found", err=True)


def export(
    video: Video,
    form: Annotated[
        str, typer.Option("--format", metavar="FORM", help="json, md (an outline) or srt (events).")
    ] = "json",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write here instead of stdout.")
    ] = None,
) -> None:
    """Write a memory out as JSON, as a Markdown outline, or its events as subtitles.

    \b
    Examples:
      vtc memory export match.mp4 > match.json
      vtc memory export match.mp4 --format md
      vtc memory export match.mp4 --format srt -o match.events.srt
    """
    from vtc_cli.errors import UsageError
    from vtc_cli.memory.showing import FORMATS

    if form not in FORMATS:
        raise UsageError(f"there is no format {form!r}", f"choose one of {', '.join(FORMATS)}")
    with _open(video) as store:
        text = FORMATS[form](store)
    if output is None:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror or error}", "name another --output") from None


def _open(video: str) -> MemoryStore:
    """The memory of a video, or at a path. Raises VtcError."""
    from vtc_cli.errors import UsageError
    from vtc_cli.memory.leftover import found_at
    from vtc_cli.memory.place import FILE, path_of
    from vtc_cli.memory.store import MemoryStore
    from vtc_cli.video import open_clip

    path = Path(video).expanduser()
    if path.name == FILE:
        return MemoryStore.open(path)
    clip = open_clip(video)
    try:
        path = path_of(clip.info)
    finally:
        clip.close()
    if (store := found_at(path)) is None:
        raise UsageError(f"there is no memory of {video} yet", f"make one: vtc index {video}")
    return store


def _safe(text: str) -> str:
    from vtc_cli.cli.answers import printable

    return printable(text)
