"""What a trained manager is told about a clip: one line of words and small numbers, the same in training and in use."""

from __future__ import annotations

from vtc_cli.memory import cosine
from vtc_mm_mem.judging import Sight

STATE_VERSION = 1
"""Of the text. A manager trained on another one is refused."""

ACTIONS = {"N": "ADD_NEW", "M": "MERGE", "D": "DISCARD"}
MEANT = {"N": "a new event begins", "M": "the same event goes on", "D": "it shows nothing new"}
SAID = 80  # characters of what is said in the clip

_QUESTION = "A clip follows an event of a video. {state}\nWhat becomes of the clip?"


def state_of(sight: Sight) -> str:
    """The state in words. Likenesses are hundredths of a cosine; change is of 255, between the pictures at the cut.

    The event's description is not in it: events are described when they are over.
    """
    event, clip = sight.event, sight.clip
    nearest = max(cosine(clip.vector, other) for other in event.prototypes)
    pieces = [max(cosine(view, other) for other in (*event.prototypes, *event.views)) for view in clip.views]
    parts = [
        f"event {_seconds(event.t1 - event.t0)} {_count(sight.clips)}",
        f"clip {_seconds(clip.t1 - clip.t0)} {'after a cut' if clip.cut else 'without a cut'}",
        f"change {round(sight.keys[0].diff)}",
        f"likeness {_hundredths(cosine(clip.vector, event.total))}",
        f"nearest {_hundredths(nearest)}",
        f"least {_hundredths(min(pieces))}",
        f"usual {_hundredths(sight.tau)}",
    ]
    said = " ".join((sight.text or "").split())[:SAID]
    return ", ".join(parts) + "." + (f' Said: "{said}".' if said else "")


def prompt_of(state: str) -> str:
    """The question that is put to the policy."""
    return _QUESTION.format(state=state)


def _seconds(value: float) -> str:
    return f"{round(value)} seconds"


def _count(clips: int) -> str:
    return f"{min(clips, 99)} clip" + ("s" if clips != 1 else "")


def _hundredths(value: float) -> int:
    return round(100 * value)
