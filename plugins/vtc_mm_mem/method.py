"""`mm-mem`: the memory as a method, its options, and what of them decides the content."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vtc_cli import VideoMemory
from vtc_cli.memory import Inquiry, MemoryStore, Narrator, Recall, Recollection
from vtc_mm_mem.builder import Builder
from vtc_mm_mem.events import TOGETHER, Closing
from vtc_mm_mem.gate import LONGEST, SHORTEST
from vtc_mm_mem.judging import Decider, Judge
from vtc_mm_mem.ladder import Ladder, Search
from vtc_mm_mem.manager import SHORTEST_EVENT, Manager
from vtc_mm_mem.spending import Limits
from vtc_mm_mem.training.artefact import artefact_digest, check_artefact
from vtc_mm_mem.wording import PROMPT_VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vtc_cli import VideoLM
    from vtc_cli.memory import Lesson, TrainingRequest

RULES, MODEL = "rules", "vlm"

SMALL = 1_000_000_000
"""Parameters below which a model is asked for little at a time."""

TEXT = {False: 2048, True: 256}
"""Tokens of evidence in words, by whether the model is small."""


@dataclass
class MMMem(VideoMemory):
    """Remember a video as clips, events and concepts, and answer from gist down to pixels.

    Lian et al., ACL 2026 (arXiv 2603.01455), rebuilt with deterministic rules in place of the trained manager. Built
    once, in the pass that watches the video; each question then looks only as deep as it takes to be sure.

    captions: describe each event in words when it is over (`event`), or never (`none`).
    describe: `full`: one long description of each event, steps and relations with it; `brief`: a few words about each
        of its clips, which small models manage; `auto`: brief for models below 1 B parameters.
    manager: what decides about clips: `rules`; `vlm`, the model by one token each, which costs a look per clip; or the
        folder of a manager that `vtc train manager` made.
    merge: lowest cosine with an event's centre that makes a clip part of it.
    same: cosine from which a clip shows nothing new.
    longest: seconds an event may span, still stretches apart.
    shortest: seconds below which an event takes whatever follows.
    frames: key frames shown for one description.
    tokens: length limit of a description.
    pictures: keep key frames as JPEG; without them every look decodes the video.
    last: deepest stage of a search: S0 glance, S1 concepts, S2 events, S3 the video itself.
    without: a stage that is left out, to see what it is worth.
    gate: entropy of the answers, in nats, at which a search is sure; 0.5 is four fifths against one.
    calls: looks at pictures per question.
    visual_tokens: of all looks of a question together.
    seconds: of a search; 0 for as long as it takes.
    text: tokens of evidence in words; 0 for 2048, or 256 for models below 1 B parameters, which more only distracts.
    both_orders: weigh the options in two orders.
    """

    captions: Literal["event", "none"] = "event"
    describe: Literal["auto", "full", "brief"] = "auto"
    manager: str = RULES
    merge: float = 0.8
    same: float = 0.98
    longest: float = 120.0
    shortest: float = SHORTEST_EVENT
    frames: int = 8
    tokens: int = 256
    pictures: bool = True
    last: Literal["S0", "S1", "S2", "S3"] = "S3"
    without: Literal["none", "S0", "S1", "S2", "S3"] = "none"
    gate: float = 0.5
    calls: int = 12
    visual_tokens: int = 16_384
    seconds: float = 0.0
    text: int = 0
    both_orders: bool = True

    def __post_init__(self) -> None:
        for name in ("merge", "same"):
            if not -1 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a cosine, from -1 to 1, not {getattr(self, name)}")
        if self.manager not in (RULES, MODEL):
            check_artefact(Path(self.manager).expanduser())
        if self.longest < 10:
            raise ValueError(f"longest must be at least 10 seconds, the length of a clip, not {self.longest:g}")
        if not 0 <= self.shortest <= self.longest:
            raise ValueError(f"shortest must be from 0 to longest ({self.longest:g}) seconds, not {self.shortest:g}")
        if not 1 <= self.frames <= 32:
            raise ValueError(f"frames must be from 1 to 32, not {self.frames}")
        for name, least in (("tokens", 1), ("calls", 1), ("visual_tokens", 1), ("text", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")
        if self.last == self.without == "S0":
            raise ValueError("last=S0 and without=S0 leave no stage")
        if self.gate < 0 or self.seconds < 0:
            raise ValueError("gate and seconds cannot be negative")

    def content(self) -> Mapping[str, Any]:
        """See `VideoMemory.content`."""
        named = (
            "captions",
            "describe",
            "manager",
            "merge",
            "same",
            "longest",
            "shortest",
            "frames",
            "tokens",
            "pictures",
        )
        plain = {name: getattr(self, name) for name in named}
        if self.manager not in (RULES, MODEL):
            plain["manager"] = f"trained:{artefact_digest(Path(self.manager).expanduser())}"
        return {**plain, "prompts": PROMPT_VERSION}

    def most(self, seconds: float) -> Mapping[str, int]:
        """See `VideoMemory.most`: a clip lasts `SHORTEST` at least, and an event as long as asked, but for the last.

        Where a model decides, every clip may be an event.
        """
        clips = math.ceil(seconds / SHORTEST)
        return {"clips": clips, "events": clips if self.manager != RULES else self._most_events(seconds, clips)}

    def _most_events(self, seconds: float, clips: int) -> int:
        # An event may end sooner where the next clip would make it longer than `longest`, and once where the dark that
        # a film begins with gives way.
        least = max(SHORTEST, min(self.shortest, self.longest - LONGEST))
        return min(clips, math.floor(seconds / least) + 2)

    def tunable(self) -> Mapping[str, tuple[Any, ...]]:
        """See `VideoMemory.tunable`."""
        return {
            "merge": (0.5, 0.6, 0.7, 0.8, 0.9, 0.95),
            "same": (0.9, 0.95, 0.98, 0.99, 0.999),
            "shortest": (2.0, 6.0, 10.0, 20.0),
            "longest": (30.0, 60.0, 120.0, 240.0),
            "tokens": (64, 128, 256),
        }

    def build(self, store: MemoryStore, narrator: Narrator) -> Builder:
        """See `VideoMemory.build`."""
        manager = Manager(self.merge, self.same, self.longest, self.shortest)
        # Whoever asks a stream while it goes on wants what is over described now, not with seven more.
        together = 1 if store.get("live") else TOGETHER
        closing = replace(self.closing(narrator), together=together)
        return Builder(
            store, narrator, manager, closing, pictures=self.pictures, decider=self._decider(store, narrator)
        )

    def closing(self, narrator: Narrator) -> Closing:
        """How events are closed and described with a narrator."""
        brief = self.describe == "brief" or (self.describe == "auto" and _small(narrator))
        return Closing(self.captions == "event", brief, self.frames, self.tokens)

    def _decider(self, store: MemoryStore, narrator: Narrator) -> Decider | None:
        if self.manager == RULES:
            return None
        if self.manager == MODEL:
            return Judge(store, narrator)
        from vtc_mm_mem.training.learnt import Learnt

        return Learnt.load(Path(self.manager).expanduser(), narrator)

    def train(self, lessons: Sequence[Lesson], model: VideoLM, narrator: Narrator, request: TrainingRequest) -> Path:
        """See `VideoMemory.train`: the manager, on text, by its reward in questions answered (`docs/memory.md`)."""
        from vtc_mm_mem.training.course import train_manager

        return train_manager(self, lessons, model, narrator, request)

    def recall(self, inquiry: Inquiry, using: Recall) -> Recollection:
        """See `VideoMemory.recall`."""
        limits = Limits(self.calls, self.visual_tokens, self.seconds)
        text = self.text or TEXT[_small(using.narrator)]
        how = Search(self.last, self.without, self.gate, text, self.both_orders, limits)
        return Ladder(inquiry, using, how).run()


def _small(narrator: Narrator) -> bool:
    """Whether a long schema is too much for it. A narrator that is no model of a known size is taken to manage."""
    return narrator.parameters is not None and narrator.parameters < SMALL
