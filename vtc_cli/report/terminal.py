"""The report on a terminal: a view of one record, nothing that is not in it.

Rows of facts under a narrow column of names. A fact is never broken across lines while it fits; at
60 columns the rows get longer, not wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vtc_cli.models.device import AS_ASKED
from vtc_cli.report.recalled import recall_lines
from vtc_cli.report.units import clock, count, duration, length, method_text, operations, size, split_text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

Lines = Sequence[Sequence[str]]
LABEL = 11
SEPARATOR = " · "


def print_report(record: Mapping[str, Any], console: Console | None = None) -> None:
    """Print the report, on stderr unless a console is given.

    Colour and width follow rich's rules: `NO_COLOR`, `FORCE_COLOR`, `TERM=dumb`, `COLUMNS`.
    """
    from rich.console import Console

    (console or Console(stderr=True, highlight=False)).print(Report(record))


class Rows:
    """Rows of facts as something rich can print: (label, lines of facts, style) each."""

    def __init__(self, table: Sequence[tuple[str, Lines, str]]):
        self.table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        room = max(options.max_width - LABEL - 3, 20)
        for label, lines, style in self.table:
            name = label
            for facts in lines:
                for line in _fill([_shown(fact, options.encoding) for fact in facts], room):
                    yield Text.assemble(" ", (f"{name:<{LABEL}}", "cyan"), " ", (line, style))
                    name = ""


class Report(Rows):
    """A record as something rich can print."""

    def __init__(self, record: Mapping[str, Any]):
        super().__init__(rows(record))


def rows(record: Mapping[str, Any]) -> list[tuple[str, Lines, str]]:
    """(label, lines of facts, style) for each row that has something to say."""
    table = [
        ("error", _error(record), "bold red"),
        ("clip", _clip(record), ""),
        ("model", _model(record), ""),
        ("method", _method(record), ""),
        ("tokens", _tokens(record), ""),
        ("time", _time(record), ""),
        ("compute", _compute(record), ""),
        ("memory", _memory(record), ""),
        ("recall", recall_lines(record), ""),
        ("posterior", _posterior(record), ""),
        ("evidence", _evidence(record), ""),
        ("note", _notes(record), "yellow"),
    ]
    kept = [(label, [[fact for fact in line if fact] for line in lines], style) for label, lines, style in table]
    return [(label, [line for line in lines if line], style) for label, lines, style in kept if any(lines)]


def _error(record: Mapping[str, Any]) -> Lines:
    error = record["error"]
    return [] if error is None else [[error["message"]], [error["hint"] or ""]]


def _clip(record: Mapping[str, Any]) -> Lines:
    clip, tokens, sampling = record["clip"], record["tokens"], record["sampling"]
    if clip is None:
        return [[record["video"]]]
    long = "live" if clip["duration"] is None else length(clip["duration"])
    facts = [record["video"], long, f"{clip['width']}×{clip['height']}", clip["codec"]]
    if clip["rotation"]:
        facts.append(f"turned {clip['rotation']}°")
    watched = []
    if tokens is not None:
        watched.append(f"{_plural(tokens['frames'], 'frame')} watched")
    if sampling is not None:
        watched.append(f"{sampling['fps']:g} per second")
        width, height = sampling["size"]
        watched.append(f"resized to {width}×{height}")
    return [facts, [*watched, clip["reader"]]]


def _model(record: Mapping[str, Any]) -> Lines:
    model = record["model"]
    if model is None:
        return []
    revision = f"@{model['revision'].removeprefix('blake2b:')[:8]}" if model["revision"] else ""
    threads = _plural(model["threads"], "thread") if model["threads"] and model["device"] == "cpu" else ""
    chosen = "" if model["name_reason"] == AS_ASKED else f"chosen by auto: {model['name_reason']}"
    return [
        [f"{model['name']}{revision}", f"{_parameters(model['parameters'])} parameters", model["attention"]],
        [chosen],
        [model.get("quantisation") or "", f"with adapter {model['adapter']}" if model.get("adapter") else ""],
        [f"{model['device']} ({model['device_reason']})", f"{model['dtype']} ({model['dtype_reason']})", threads],
    ]


def _method(record: Mapping[str, Any]) -> Lines:
    names = [method_text(method["stage"], method["name"], method["options"]) for method in record["methods"]]
    sampling = record["sampling"]
    if sampling is not None and not any(method["stage"] == "pruner" for method in record["methods"]):
        names.insert(0, "no pruning")
    return [names]


def _tokens(record: Mapping[str, Any]) -> Lines:
    tokens, cache = record["tokens"], record["cache"]
    if tokens is None:
        return []
    seen = f"{count(tokens['visual_in'])} seen"
    share = f" ({tokens['visual_kept'] / tokens['visual_in']:.1%})" if tokens["visual_in"] else ""
    kept = f"{count(tokens['visual_kept'])} kept{share}"
    lines = [[f"{seen} → {kept}", f"{count(tokens['context'])} cache entries when asked, time tags included"]]
    if cache is not None and record["evicted"]:
        entries = f"{count(cache['evicted'])} entries of each layer evicted by {cache['policy']}"
        lines.append([f"{entries}, in {_plural(cache['compactions'], 'compaction')}"])
    elif cache is not None:
        lines.append(["nothing evicted"])
    if cache is not None and cache.get("split") is not None:
        lines.append([f"budget of {count(cache['split']['entries'])}: {split_text(cache['split'])}"])
    return lines


def _time(record: Mapping[str, Any]) -> Lines:
    seconds, tokens = record["seconds"], record["tokens"]
    names = ("decode", "preprocess", "vision", "method", "prefill")
    stages = [
        f"{name} {duration(seconds[name])}"
        for name in names
        if seconds[name] is not None and (seconds[name] or name != "method")
    ]
    if seconds["watch"] is not None:
        stages.append(f"watched in {duration(seconds['watch'])}")
    answer = []
    if seconds.get("recall") is not None:
        answer.append(f"answered from memory in {duration(seconds['recall'])}")
    if seconds["first_token"] is not None:
        answer.append(f"first token {duration(seconds['first_token'])} after the question")
    if seconds["first_token_cold"] is not None:
        answer.append(f"{duration(seconds['first_token_cold'])} from opening the video")
    speaking = seconds["generate"]
    if tokens is not None and speaking and tokens["generated"] > 1:
        answer.append(f"{count(tokens['generated'])} tokens, {(tokens['generated'] - 1) / speaking:.3g} tok/s")
    if record["reused"] and record.get("recall") is None:
        stages.append("watched for an earlier question")
    return [stages, answer]


def _compute(record: Mapping[str, Any]) -> Lines:
    flops = record["flops"]
    if flops is None:
        return []
    names = {
        "vision": "vision",
        "method": "method",
        "layers": "layer policy",
        "prefill": "prefill",
        "question": "question",
        "decode": "answer",
    }
    parts = [f"{shown} {operations(flops[name])}" for name, shown in names.items() if flops.get(name)]
    total = sum(flops.get(name) or 0 for name in names)
    saved = flops["without_method"] / total if total else 1.0
    whole = f"{operations(total)} in all ({flops['counted']})"
    if saved >= 1.005:
        return [parts, [whole, f"{saved:.3g} times as much with every token kept"]]
    return [parts, [whole]]


def _memory(record: Mapping[str, Any]) -> Lines:
    memory, cache = record["memory"], record["cache"]
    facts = []
    if memory["kv_peak"] is not None:
        allowed = f" of {size(cache['budget_bytes'])} allowed" if cache and cache["budget_bytes"] is not None else ""
        reason = f" ({cache['reason']})" if cache and cache["reason"] else ""
        facts.append(f"KV peak {size(memory['kv_peak'])}{allowed}{reason}")
    if memory["gpu_peak"] is not None:
        facts.append(f"GPU peak {size(memory['gpu_peak'])}")
    if memory["mps_peak"] is not None:
        facts.append(f"Metal peak {size(memory['mps_peak'])}")
    if memory["rss_peak"] is not None:
        over = ""
        if memory["rss_after_load"] is not None:
            over = f" (+{size(max(memory['rss_peak'] - memory['rss_after_load'], 0))} since the model was loaded)"
        facts.append(f"RSS peak {size(memory['rss_peak'])}{over}")
    return [facts, _growth(record["timeline"])]


def _growth(timeline: Mapping[str, Any] | None) -> list[str]:
    """How much the resident set grew over the second half of the video; only of a timeline long enough to tell."""
    if timeline is None or len(timeline["time"]) < 8 or timeline["time"][-1] < 60:
        return []
    times, readings = timeline["time"], timeline["rss"]
    half = next(index for index, time in enumerate(times) if time >= times[-1] / 2)
    if readings[half] is None or readings[-1] is None:
        return []
    grown = readings[-1] - readings[half]
    return [f"RSS {'+' if grown >= 0 else '-'}{size(abs(grown))} from {clock(times[half])} to {clock(times[-1])}"]


def _posterior(record: Mapping[str, Any]) -> Lines:
    posterior = record["posterior"]
    if posterior is None:
        return []
    choices = record["choices"] or {}
    best = sorted(posterior.items(), key=lambda item: -item[1])
    return [[f"{label} {choices.get(label, '')} {share:.1%}".replace("  ", " ") for label, share in best]]


def _evidence(record: Mapping[str, Any]) -> Lines:
    return [["  ".join(clock(item["time"]) for item in record["evidence"] or ())]]


def _notes(record: Mapping[str, Any]) -> Lines:
    lines = [[note] for note in record["notes"]]
    if record["partial"]:
        damage, tokens = record["damage"], record["tokens"]
        said = f"partial: damaged at {clock(damage['time'])} ({damage['reason']})"
        if tokens is not None:
            said += f"; answered from the {_plural(tokens['frames'], 'frame')} that could be read"
        lines.append([said])
    if record["finish"] == "length":
        lines.append(["the answer was cut at the token limit; raise --max-new-tokens"])
    if record["clip"] is not None and record["clip"]["times"] == "assumed":
        lines.append(["frame times are assumed from a rate; the source has no clock of its own"])
    return lines


def _shown(fact: str, encoding: str) -> str:
    """`fact` without control characters (a file name may hold any) and within what the terminal can write."""
    printable = "".join(char if char.isprintable() else "?" for char in fact)
    if encoding.lower().replace("-", "").startswith("utf"):
        return printable
    plain = printable.replace("→", "->").replace("×", "x")
    return plain.encode(encoding, "replace").decode(encoding)


def _plural(amount: int, noun: str) -> str:
    return f"{count(amount)} {noun}{'' if amount == 1 else 's'}"


def _parameters(amount: int) -> str:
    for suffix, factor in (("B", 1e9), ("M", 1e6), ("K", 1e3)):
        if amount >= factor:
            return f"{amount / factor:.3g}{suffix}"
    return str(amount)


def _fill(facts: Sequence[str], room: int) -> list[str]:
    """Facts joined by middle dots into lines of at most `room` columns; a longer fact is folded by itself."""
    from rich.cells import cell_len

    lines: list[str] = []
    for fact in facts:
        if lines and cell_len(lines[-1]) + cell_len(SEPARATOR + fact) <= room:
            lines[-1] += SEPARATOR + fact
        else:
            lines += _fold(fact, room)
    return lines


def _fold(fact: str, room: int) -> list[str]:
    from rich.cells import cell_len, chop_cells

    lines = [""]
    for word in fact.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_len(joined) <= room:
            lines[-1] = joined
            continue
        pieces = chop_cells(word, room) or [""]
        lines += pieces if lines[-1] else pieces[1:]
        if not lines[0]:
            lines = pieces
    return lines
