"""The page: everything that is shown, put together."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from vtc_cli.bench.span import part_of
from vtc_cli.report.page.canvas import missing
from vtc_cli.report.page.differences import settings_of
from vtc_cli.report.page.evidence import Album, Looked
from vtc_cli.report.page.plates import memory_plates, time_plate, token_plate, trade_plates
from vtc_cli.report.page.reading import Comparison, Record, Source
from vtc_cli.report.page.runs import Run
from vtc_cli.report.page.scores import from_memory, moments, own_figures
from vtc_cli.report.page.tables import by_skill, glance, moment, questions
from vtc_cli.report.units import count

SECTIONS = (
    ("runs", "Runs"), ("settings", "Settings"), ("accuracy", "Accuracy against cost"), ("time", "Time"),
    ("memory", "Memory"), ("tokens", "Tokens and evidence"), ("evidence", "Evidence"), ("answers", "Questions"),
    ("provenance", "Provenance"),
)  # fmt: skip


MODEL = ("name", "revision", "dtype", "quantisation", "adapter", "device")  # what provenance tells of one


def render(sources: Sequence[Source], runs: Sequence[Run], album: Album, command: str, usual: Mapping[str, Any]) -> str:
    """The whole HTML file. The same arguments give the same text. command: how the page was made.
    usual: the settings of a run that nothing is said about.

    Raises MachineError without the libraries of the extra `report`.
    """
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError:
        raise missing("jinja2") from None
    tokens = token_plate(runs)
    notes = [note for source in sources for note in source.notes] + _caveats(runs) + (tokens[1] if tokens else [])
    parts = [part for source in sources for part in source.comparisons]
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.from_string(_file("page.jinja")).render(
        title=_title(sources),
        subtitle=_subtitle(runs),
        notes=notes,
        sections=SECTIONS,
        style=_file("style.css").strip(),
        script=_file("sort.js").strip(),
        glance=glance(runs),
        recalled=from_memory(runs),
        settings=settings_of(runs),
        trades=[
            {
                "title": _comparison(part),
                "figures": trade_plates(runs, number),
                "own": own_figures(runs, number, part.facts),
                "moments": moments(runs, number),
                **by_skill(runs, number),
            }
            for number, part in enumerate(parts)
        ],
        time=time_plate(runs),
        memory=memory_plates(runs),
        tokens=tokens[0] if tokens else None,
        evidence=_evidence(album),
        questions=questions(runs),
        provenance=_provenance(sources, runs, command, usual),
    )


def _file(name: str) -> str:
    return resources.files("vtc_cli").joinpath("report", "page", name).read_text(encoding="utf-8")


def _title(sources: Sequence[Source]) -> str:
    names = [Path(source.path).name for source in sources]
    return "vtc: " + (", ".join(names) if len(names) <= 3 else f"{names[0]} and {len(names) - 1} more files")


def _subtitle(runs: Sequence[Run]) -> str:
    records = [record for run in runs for record in run.records]
    days = sorted({record["created"][:10] for record in records})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    named = {record["video"] for record in records}
    videos = len({part[0] if (part := part_of(name)) else name for name in named})
    return " · ".join([_plural(len(runs), "run"), _plural(len(records), "answer"), _plural(videos, "video"), when])


def _plural(amount: int, noun: str) -> str:
    return f"{count(amount)} {noun}{'' if amount == 1 else 's'}"


def _caveats(runs: Sequence[Run]) -> list[str]:
    """What a reader must know before comparing."""
    told = []
    for comparison in sorted({run.comparison for run in runs if run.comparison is not None}):
        asked = {run.name: len(run.lines) for run in runs if run.comparison == comparison}
        if len(set(asked.values())) > 1:
            counts = ", ".join(f"{name} {count(amount)}" for name, amount in asked.items())
            told.append(f"Rows of one comparison answered different numbers of questions ({counts}): it was cut, or "
                        "rows failed. Compare shares with care.")  # fmt: skip
    partial = sum(record["partial"] for run in runs for record in run.records)
    if partial:
        told.append(f"{_plural(partial, 'answer')} rest on damaged video.")
    return told


def _comparison(part: Comparison) -> str:
    shown = [f"{name} {part.facts[name]}" for name in ("suite", "seed", "length") if part.facts.get(name) is not None]
    return " · ".join(shown) or "comparison"


def _evidence(album: Album) -> dict[str, Any]:
    notes = []
    for reason, names in album.absent.items():
        some = ", ".join(names[:4]) + (f" and {count(len(names) - 4)} more" if len(names) > 4 else "")
        notes.append(f"No pictures of {some}: {reason}.")
    if album.left_out:
        notes.append(f"{_plural(album.left_out, 'more answer')} with pictures left out; --thumbnails N shows more.")
    how = {
        "as found in its memory" if one.line["record"].get("recall") else "by the decoder's attention"
        for one in album.answers
    }
    caption = f"The moments answers looked at most, {' or '.join(sorted(how, reverse=True))}; wrong answers first."
    if not album.answers:
        caption = "No pictures of the moments answers looked at; the table of questions has their times."
    return {"caption": caption, "notes": notes, "answers": [_looked(one) for one in album.answers]}


def _looked(one: Looked) -> dict[str, Any]:
    moments = [
        {"time": moment(time), "score": None if score is None else f"{score:.0%}", "picture": picture}
        for time, score, picture in zip(one.times, one.scores, one.pictures, strict=True)
    ]
    line = one.line
    facts = {name: line[name] for name in ("question", "answer", "right", "truth")}
    return {**facts, "run": one.run, "video": line["record"]["video"], "moments": moments}


def _provenance(
    sources: Sequence[Source], runs: Sequence[Run], command: str, usual: Mapping[str, Any]
) -> list[tuple[str, str]]:
    rows = [("command", command)]
    rows += [(f"file {source.path}", source.digest) for source in sources]
    records = [record for run in runs for record in run.records]
    for name in ("versions", "machine"):
        kinds = list(dict.fromkeys(_together(record[name]) for record in records))
        rows += [(name, kind) for kind in kinds if kind]
    models = list(dict.fromkeys(_model(record) for record in records if record["model"] is not None))
    rows += [("model", model) for model in models]
    clips = {record["video"]: record["clip"]["digest"] for record in records if (record["clip"] or {}).get("digest")}
    rows += [(f"video {name}", str(digest)) for name, digest in list(clips.items())[:20]]
    if len(clips) > 20:
        rows.append(("videos", f"and {count(len(clips) - 20)} more"))
    rows += [(f"run {run.number} with", _asked(run, usual)) for run in runs]
    created = sorted(record["created"] for record in records)
    return [*rows, ("answered", created[0] if created[0] == created[-1] else f"{created[0]} to {created[-1]}")]


def _together(facts: Mapping[str, Any]) -> str:
    shown = []
    for name, value in facts.items():
        if isinstance(value, Mapping):
            shown += [f"{inner} {item}" for inner, item in value.items()]
        elif value is not None:
            shown.append(f"{name} {value}")
    return " · ".join(shown)


def _model(record: Record) -> str:
    model = record["model"]
    return " ".join(str(model[name]) for name in MODEL if model.get(name))


def _asked(run: Run, usual: Mapping[str, Any]) -> str:
    """The settings of a run that are not the defaults, as flags."""
    settings, flags = run.records[0]["settings"], []
    for name, value in settings.items():
        if name == "fingerprint" or value is None or value == usual.get(name):
            continue
        flag = f"--{name.replace('_', '-')}"
        values = value if isinstance(value, list) else [value]
        flags += [flag] if value is True else [part for item in values for part in (flag, str(item))]
    return shlex.join(flags) or "the defaults"
