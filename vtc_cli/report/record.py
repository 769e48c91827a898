"""One record per answer, schema `vtc.answer/1`: everything a report may show.

SI base units: bytes, seconds, FLOP. `null` is "not measured". The JSON schema beside this file
(`schema/answer.v1.json`) is the reference for every field.

The cost of watching is in each record of a video, so that one answer's record tells all of it;
`reused` is true from the second question on, and whoever adds records up leaves their watching out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from vtc_cli.errors import VtcError
from vtc_cli.report import flops
from vtc_cli.report.facts import Asked, CacheFacts, Counts, MethodFacts, Outcome, Sampling, Seconds, Work
from vtc_cli.report.flops import Forwards
from vtc_cli.report.identity import fingerprint, record_id
from vtc_cli.report.memory import MemoryUse
from vtc_cli.report.versions import machine, versions

if TYPE_CHECKING:
    from vtc_cli.models.contract import ModelInfo
    from vtc_cli.video.frame import ClipInfo, Damage


SCHEMA = "vtc.answer/1"
VARYING = ("created", "seconds", "memory", "timeline", "energy_joules")


def build_record(
    *,
    video: str,
    asked: Asked,
    settings: Mapping[str, Any],
    clip: ClipInfo | None = None,
    model: ModelInfo | None = None,
    sampling: Sampling | None = None,
    methods: Sequence[MethodFacts] = (),
    cache: CacheFacts | None = None,
    outcome: Outcome | None = None,
    damage: Damage | None = None,
    error: VtcError | None = None,
    counts: Counts | None = None,
    work: Work | None = None,
    seconds: Seconds | None = None,
    memory: MemoryUse | None = None,
    threads: int | None = None,
    energy: float | None = None,
    reused: bool = False,
    recall: Mapping[str, Any] | None = None,
    created: datetime | None = None,
    hardware: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The record of one question, answered or failed, as a plain dict that JSON can hold.

    video: as the user named it. settings: what was asked for, plain values; the record adds their fingerprint.
    damage: the pictures that are missing, which makes the record partial. error: why there is no answer.
    threads: of the CPU kernels. energy: joules, from a meter only. reused: watched for an earlier question.
    recall: how the answer was found in a memory, plain values.
    created: when the answer was finished, now when None. hardware: as `versions.machine` gives it, read here when
    None. What is left out is null in the record.
    Raises ValueError when there is neither an outcome nor an error: a record never stands for nothing.
    """
    if (outcome is None) == (error is None):
        raise ValueError("a record needs either an outcome or an error")
    done = outcome or Outcome(answer=None)
    mark = fingerprint(settings)
    identity = clip.digest if clip is not None and clip.digest is not None else video
    return {
        "schema": SCHEMA,
        "id": record_id(identity, asked.question, mark, asked.choices),
        "created": (created or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds"),
        "video": video,
        "question": asked.question,
        "question_id": asked.id,
        "choices": None if asked.choices is None else dict(asked.choices),
        "answer": done.answer,
        "posterior": None if done.posterior is None else {label: _round(p) for label, p in done.posterior.items()},
        "finish": done.finish,
        "evidence": _evidence(done),
        "recall": None if recall is None else _plain(recall),
        "notes": list(done.notes),
        "partial": damage is not None,
        "damage": None if damage is None else {"time": _round(damage.time), "reason": damage.reason},
        "evicted": cache is not None and cache.evicted > 0,
        "reused": reused,
        "error": None if error is None else _error(error),
        "clip": None if clip is None else _clip(clip),
        "model": None if model is None else _model(model, threads),
        "settings": {**_plain(settings), "fingerprint": mark},
        "sampling": None if sampling is None else _plain(asdict(sampling)),
        "methods": [_plain(asdict(method)) for method in methods],
        "cache": None if cache is None else asdict(cache),
        "tokens": None if counts is None else asdict(counts),
        "seconds": _rounded(asdict(seconds or Seconds())),
        "flops": None if work is None or model is None or counts is None else flop_counts(model, work, counts),
        "memory": _memory(memory, cache),
        "timeline": _timeline(memory),
        "energy_joules": energy,
        "versions": versions(methods),
        "machine": dict(hardware) if hardware is not None else machine(model.device if model is not None else None),
    }


def flop_counts(model: ModelInfo, work: Work, counts: Counts) -> dict[str, Any]:
    """The `flops` of a record: analytic, causal attention, multiply + add = 2.

    without_method: vision, and the same rows, question and answer with every visual token kept and nothing evicted,
    prefilled at once. fastv_formula: the literature's formula (multiply-adds, decoder only) on the rows that were
    prefilled, layer by layer, for comparing with tables of papers and nothing else. layers: what a layer policy
    computed for its own ends, null without one.
    """
    dims = model.decoder
    vision = flops.tower(model.tower, work.vision)
    watched = work.prefill.rows + counts.visual_in - counts.visual_kept
    rows = watched + work.question.rows
    through = work.layers.rows if work.layers else [work.prefill.rows + work.question.rows] * dims.layers
    answering = Forwards(
        rows=work.decode.rows,
        cached=rows * work.decode.rows + work.decode.rows * (work.decode.rows - 1) // 2,
        triangle=work.decode.rows,
        square=work.decode.rows,
        logits=work.decode.logits,
    )
    return {
        "counted": "analytic",
        "attention": "causal",
        "vision": vision,
        "method": work.method,
        "prefill": flops.decoder(dims, work.prefill),
        "question": flops.decoder(dims, work.question),
        "decode": flops.decoder(dims, work.decode),
        "without_method": vision + flops.one_shot(dims, rows) + flops.decoder(dims, answering),
        "fastv_formula": sum(flops.fastv(dims, rows, layers=1) for rows in through),
        "layers": None if work.layers is None else work.layers.flops,
    }


def comparable(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record without what may differ between two runs of the same thing: times, memory, energy."""
    return {name: value for name, value in record.items() if name not in VARYING}


def to_json(record: Mapping[str, Any], indent: int | None = None) -> str:
    """One line of JSON, or an indented object. Non-ASCII text is written as it is where UTF-8 can hold it."""
    text = json.dumps(record, ensure_ascii=False, allow_nan=False, indent=indent)
    try:
        text.encode()
    except UnicodeEncodeError:  # a file name that is not UTF-8 comes to Python as lone surrogates
        return json.dumps(record, ensure_ascii=True, allow_nan=False, indent=indent)
    return text


def _evidence(outcome: Outcome) -> list[dict[str, Any]] | None:
    if outcome.evidence is None:
        return None
    return [{"time": _round(item.time), "score": _round(item.score)} for item in outcome.evidence]


def _error(error: VtcError) -> dict[str, Any]:
    return {
        "kind": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "exit_code": error.exit_code,
    }


def _clip(clip: ClipInfo) -> dict[str, Any]:
    facts = asdict(clip)
    del facts["source"]  # the record's `video`
    width, height = facts.pop("size")
    return {**_rounded(facts), "width": width, "height": height}


def _model(model: ModelInfo, threads: int | None) -> dict[str, Any]:
    facts = asdict(model)
    del facts["tower"], facts["decoder"], facts["kv_devices"]  # told in device_reason
    return {**facts, "threads": threads}


def _memory(memory: MemoryUse | None, cache: CacheFacts | None) -> dict[str, int | None]:
    facts = asdict(memory or MemoryUse())
    del facts["timeline"]
    return {"kv_peak": None if cache is None else cache.bytes_peak, **facts}


def _timeline(memory: MemoryUse | None) -> dict[str, list[Any]] | None:
    if memory is None or not memory.timeline:
        return None
    return {
        "time": [_round(sample.time) for sample in memory.timeline],
        "rss": [sample.rss for sample in memory.timeline],
        "kv": [sample.kv for sample in memory.timeline],
        "visual_in": [sample.seen for sample in memory.timeline],
        "visual_kept": [sample.kept for sample in memory.timeline],
    }


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _rounded(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _round(value) if isinstance(value, float) else value for name, value in facts.items()}


def _plain(value: Any) -> Any:
    """Tuples to lists, so that a record equals itself read back from JSON."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
