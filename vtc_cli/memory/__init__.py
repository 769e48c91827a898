"""What every memory needs: a store per video, search, the posterior over answers, a narrator, subtitles.

A method of the stage `memory` builds on the names listed here; they load when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vtc_cli.lazy import lazy

if TYPE_CHECKING:
    from vtc_cli.memory.anchoring import anchored as anchored
    from vtc_cli.memory.contract import Inquiry as Inquiry
    from vtc_cli.memory.contract import Interval as Interval
    from vtc_cli.memory.contract import Look as Look
    from vtc_cli.memory.contract import MemoryBuilder as MemoryBuilder
    from vtc_cli.memory.contract import Moment as Moment
    from vtc_cli.memory.contract import Narrator as Narrator
    from vtc_cli.memory.contract import Recall as Recall
    from vtc_cli.memory.contract import Recollection as Recollection
    from vtc_cli.memory.contract import Resume as Resume
    from vtc_cli.memory.contract import Step as Step
    from vtc_cli.memory.contract import Task as Task
    from vtc_cli.memory.contract import Written as Written
    from vtc_cli.memory.jpeg import decode_jpeg as decode_jpeg
    from vtc_cli.memory.jpeg import encode_jpeg as encode_jpeg
    from vtc_cli.memory.lessons import Lesson as Lesson
    from vtc_cli.memory.lessons import Log as Log
    from vtc_cli.memory.lessons import Marks as Marks
    from vtc_cli.memory.lessons import TrainingRequest as TrainingRequest
    from vtc_cli.memory.lessons import held_out as held_out
    from vtc_cli.memory.lessons import mark as mark
    from vtc_cli.memory.narrator import at_one_size as at_one_size
    from vtc_cli.memory.narrator import model_key as model_key
    from vtc_cli.memory.narrator import prompt_ids as prompt_ids
    from vtc_cli.memory.posteriors import GATE as GATE
    from vtc_cli.memory.posteriors import Posterior as Posterior
    from vtc_cli.memory.posteriors import Weighed as Weighed
    from vtc_cli.memory.posteriors import posterior as posterior
    from vtc_cli.memory.preparing import prepare as prepare
    from vtc_cli.memory.rows import KINDS as KINDS
    from vtc_cli.memory.rows import AliasRow as AliasRow
    from vtc_cli.memory.rows import ClipRow as ClipRow
    from vtc_cli.memory.rows import ConceptRow as ConceptRow
    from vtc_cli.memory.rows import CoverageRow as CoverageRow
    from vtc_cli.memory.rows import EventRow as EventRow
    from vtc_cli.memory.rows import FrameRow as FrameRow
    from vtc_cli.memory.rows import MentionRow as MentionRow
    from vtc_cli.memory.rows import Passage as Passage
    from vtc_cli.memory.rows import ProtoRow as ProtoRow
    from vtc_cli.memory.rows import RelationRow as RelationRow
    from vtc_cli.memory.rows import RevisitRow as RevisitRow
    from vtc_cli.memory.rows import SubtitleRow as SubtitleRow
    from vtc_cli.memory.searching import Hit as Hit
    from vtc_cli.memory.searching import phrases as phrases
    from vtc_cli.memory.searching import search as search
    from vtc_cli.memory.searching import terms as terms
    from vtc_cli.memory.store import MemoryStore as MemoryStore
    from vtc_cli.memory.timewords import When as When
    from vtc_cli.memory.timewords import when as when
    from vtc_cli.memory.vectors import cosine as cosine
    from vtc_cli.memory.vectors import stored as stored
    from vtc_cli.memory.vectors import unit as unit
    from vtc_cli.memory.view import MemoryView as MemoryView

_HOMES = {
    **dict.fromkeys(
        (
            *("Inquiry", "Interval", "Look", "MemoryBuilder", "Moment", "Narrator", "Recall", "Recollection"),
            *("Resume", "Step", "Task", "Written"),
        ),
        "contract",
    ),
    **dict.fromkeys(("GATE", "Posterior", "Weighed", "posterior"), "posteriors"),
    **dict.fromkeys(
        (
            *("KINDS", "AliasRow", "ClipRow", "ConceptRow", "CoverageRow", "EventRow", "FrameRow", "MentionRow"),
            *("Passage", "ProtoRow", "RelationRow", "RevisitRow", "SubtitleRow"),
        ),
        "rows",
    ),
    **dict.fromkeys(("cosine", "stored", "unit"), "vectors"),
    **dict.fromkeys(("Lesson", "Log", "Marks", "TrainingRequest", "held_out", "mark"), "lessons"),
    **dict.fromkeys(("at_one_size", "model_key", "prompt_ids"), "narrator"),
    "Hit": "searching",
    "anchored": "anchoring",
    "MemoryStore": "store",
    "MemoryView": "view",
    "When": "timewords",
    "decode_jpeg": "jpeg",
    "encode_jpeg": "jpeg",
    "prepare": "preparing",
    "phrases": "searching",
    "search": "searching",
    "terms": "searching",
    "when": "timewords",
}

__all__ = [
    "GATE",
    "KINDS",
    "AliasRow",
    "ClipRow",
    "ConceptRow",
    "CoverageRow",
    "EventRow",
    "FrameRow",
    "Hit",
    "Inquiry",
    "Interval",
    "Lesson",
    "Log",
    "Look",
    "Marks",
    "MemoryBuilder",
    "MemoryStore",
    "MemoryView",
    "MentionRow",
    "Moment",
    "Narrator",
    "Passage",
    "Posterior",
    "ProtoRow",
    "Recall",
    "Recollection",
    "RelationRow",
    "Resume",
    "RevisitRow",
    "Step",
    "SubtitleRow",
    "Task",
    "TrainingRequest",
    "Weighed",
    "When",
    "Written",
    "anchored",
    "at_one_size",
    "cosine",
    "decode_jpeg",
    "encode_jpeg",
    "held_out",
    "mark",
    "model_key",
    "phrases",
    "posterior",
    "prepare",
    "prompt_ids",
    "search",
    "stored",
    "terms",
    "unit",
    "when",
]


__getattr__ = lazy(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
