"""What comes back from a question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple


class Evidence(NamedTuple):
    """A moment the answer looked at. time: seconds, middle of the unit; score: its share of the visual attention."""

    time: float
    score: float


@dataclass(frozen=True)
class Answer:
    """An answer, and what it cost.

    text: the answer; with choices, the best label. ids: its token ids.
    finish: `stop` when the model ended its answer, `length` when the limit did, `choices` when a label was chosen.
    posterior: label -> probability among the labels, for multiple choice only.
    evidence: up to three moments, most attended first; None where it could not be measured.
    counts: `context` (entries per layer when the question came, prefix included), `prompt` (rows of the question),
    `generated` (answer tokens), `completing` (rows of a cut pair shown for this question only).
    seconds: `first_token` from the question to the first token, `generate` for the tokens after it.
    evicted: entries per layer and head dropped from the video so far; 0 means the whole video was in view.
    notes: what a reader of the answer should know, one sentence each; usually empty.
    """

    text: str
    ids: tuple[int, ...]
    finish: Literal["stop", "length", "choices"]
    posterior: Mapping[str, float] | None = None
    evidence: tuple[Evidence, ...] | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    evicted: int = 0
    notes: tuple[str, ...] = ()
