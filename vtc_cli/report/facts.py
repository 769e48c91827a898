"""What a record is made from, as plain frozen values that the engine and the jobs fill in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from vtc_cli.report.flops import Forwards


@dataclass(frozen=True)
class Asked:
    """A question. id: the asker's own name for it. choices: label -> text, in the order shown to the model."""

    question: str
    choices: Mapping[str, str] | None = None
    id: str | None = None


@dataclass(frozen=True)
class Evidence:
    """A moment the answer rests on. time: seconds; score: relevance as the method gives it, None if it gives none."""

    time: float
    score: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of a question.

    answer: the text, None when there is none. posterior: label -> probability, for multiple choice.
    finish: `stop` when the model ended its answer, `length` when the limit did, `choices` when a label was chosen.
    evidence: None where it could not be measured. notes: what a reader should know, one sentence each.
    """

    answer: str | None
    posterior: Mapping[str, float] | None = None
    finish: Literal["stop", "length", "choices"] | None = None
    evidence: Sequence[Evidence] | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Sampling:
    """Which frames were to be watched and at what size.

    frames: planned, None for a live source. size: (width, height) after resizing, pixels. grid: (rows, columns) of
    tokens of one unit. kept_per_unit: the pruner's budget, equal to tokens_per_unit without one.
    """

    fps: float
    start: float
    end: float | None
    frames: int | None
    frames_per_unit: int
    size: tuple[int, int]
    grid: tuple[int, int]
    tokens_per_unit: int
    kept_per_unit: int


@dataclass(frozen=True)
class MethodFacts:
    """One chosen method: its stage, name and options, and the distribution it came from."""

    stage: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    distribution: str | None = None
    version: str | None = None


@dataclass(frozen=True)
class CacheFacts:
    """The bounded cache.

    policy: name of the method that decides what stays. budget_entries: what a layer may hold after the pinned prefix;
    budget_bytes: keys and values of those entries, all layers together. reason: why this budget, one phrase.
    entries_peak, bytes_peak: the most that counted against the budget. evicted: entries per layer dropped so far;
    compactions: how many times that took. split: how one budget was spent on tokens per unit and on units (`entries`,
    `tokens`, `kept`, `around`, `length`, `units`, `reason`), None where none was given.
    """

    policy: str
    budget_entries: int | None
    budget_bytes: int | None
    reason: str | None
    entries_peak: int | None
    bytes_peak: int | None
    evicted: int
    compactions: int
    split: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Counts:
    """How much was watched and said.

    frames, units: watched. visual_in: visual tokens before pruning; visual_kept: after. rows: everything of the units
    that entered the language model, time tags and markers included. context: entries a layer held when the question
    came, the pinned prefix included. prompt: rows of the question's turn; completing: rows
    of a half-full unit shown for this question only. generated: tokens of the answer.
    """

    frames: int
    units: int
    visual_in: int
    visual_kept: int
    rows: int
    context: int
    prompt: int
    completing: int
    generated: int


@dataclass(frozen=True)
class LayerWork:
    """What a layer policy did. rows: of watching and of the question, through each decoder layer. flops: what it
    computed for its own ends."""

    rows: tuple[int, ...]
    flops: int


@dataclass(frozen=True)
class Work:
    """What FLOPs are counted from.

    vision: segments of patches through the tower. prefill: forwards that appended units; question: those of the
    question's rows; decode: those of the answer's tokens. method: FLOPs of reading attention in the vision tower for
    a pruner, None without one that asks. layers: None without a layer policy.
    """

    vision: Forwards
    prefill: Forwards
    question: Forwards
    decode: Forwards
    method: int | None = None
    layers: LayerWork | None = None


@dataclass(frozen=True)
class Seconds:
    """Where time went. None: not measured.

    load: model. decode, preprocess, vision, method, prefill: sums over the video; decoding, and resizing as the greater
    part of preprocess, overlap the others, so `watch`, the wall time of watching, is less than their sum.
    first_token: from the question to the answer's first token, the video already watched. first_token_cold: from
    opening the video to that token. generate: the tokens after the first. recall: answering from a memory, all of it.
    """

    load: float | None = None
    decode: float | None = None
    preprocess: float | None = None
    vision: float | None = None
    method: float | None = None
    prefill: float | None = None
    watch: float | None = None
    first_token: float | None = None
    first_token_cold: float | None = None
    generate: float | None = None
    recall: float | None = None
