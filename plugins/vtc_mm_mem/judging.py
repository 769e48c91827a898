"""The manager's other way: the narrator decides what becomes of a clip, by the mass on one token each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from vtc_cli import Frame
from vtc_cli.memory import FrameRow, MemoryStore, Narrator, at_one_size, posterior
from vtc_mm_mem.events import pictures
from vtc_mm_mem.gate import Glimpse
from vtc_mm_mem.manager import Candidate, Newest
from vtc_mm_mem.prototypes import evenly
from vtc_mm_mem.wording import JUDGE, filled, span

EVENT_FRAMES = 8
ACTIONS = {"N": "ADD_NEW", "M": "MERGE", "D": "DISCARD"}
MEANT = {"N": "a new event begins", "M": "the same event goes on", "D": "they show nothing new"}


@dataclass(frozen=True)
class Sight:
    """What a decision about a clip may rest on. Nothing in it is later than the clip; a resumed build sees the same.

    event: the newest one; clips: how many it has. clip: to be decided about; keys: its key frames. text: said in it.
    tau: the merge threshold of the rules now.
    """

    event: Newest
    clips: int
    clip: Candidate
    keys: Sequence[Glimpse]
    text: str | None
    tau: float


class Decider(Protocol):
    """Decides in place of the rules on likeness."""

    def decide(self, sight: Sight) -> str | None:
        """ADD_NEW, MERGE or DISCARD; None leaves it to the rules."""
        ...


class Judge:
    """Asks a narrator. It sees stored pictures of the event and the clip's key frames, so a resumed build decides as
    an uninterrupted one."""

    def __init__(self, store: MemoryStore, narrator: Narrator):
        self._store = store
        self._narrator = narrator

    def decide(self, sight: Sight) -> str:
        """See `Decider`."""
        event, keys = sight.event, sight.keys
        rows = self._store.rows(FrameRow, "clip_id IN (SELECT id FROM clip WHERE event_id = ?)", (event.id,), "pts")
        before = pictures([rows[place] for place in evenly(len(rows), EVENT_FRAMES)])
        new = [Frame(key.time, key.moment.image) for key in keys]
        t0 = keys[0].time
        prompt = filled(
            JUDGE,
            "",
            {
                "event": span(event.t0, event.t1),
                "clip": span(t0, sight.clip.t1),
                "said": f'\nIt is said in them: "{sight.text}"' if sight.text else "",
            },
        )
        look = self._narrator.look(at_one_size([*before, *new]), room=2 * self._narrator.count(prompt) + 64)
        return ACTIONS[posterior([look.weigh(prompt, MEANT)]).best]
