"""Labels for the words of a question that name something: all that the film shows of it.

"When does the red star appear?" is answered once; asked at the word `star` where it is, which way it moves, when it
comes, for how long and what can be read meanwhile, the decoder learns to find what is named from every question,
however it is worded. The read-out is thrown away.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vtc_cli.train.clock import BLANK, DIGITS, Spans, digits_of, shows
from vtc_cli.train.story import TEXTS, UNREAD
from vtc_cli.train.world import Film
from vtc_cli.train.world.attributes import ninth
from vtc_cli.train.world.film import Caption, Scene, Thing
from vtc_cli.train.world.palette import COLOURS, MOTIONS, SHAPES, WORDS

UNKNOWN = -100  # of what a film shows more than once, or not at all
MOST = 15  # units; what is there for longer is there for as long
# What is asked of every mention -> its classes; `came` is asked digit by digit.
ASKED = {"there": 2, "length": MOST + 1, "motion": len(MOTIONS), "ninth": 9, "read": UNREAD + 1, "came": BLANK + 1}
NAMES = (*list(ASKED)[:-1], *["came"] * DIGITS)  # of every field
FIELDS = len(NAMES)
_NAMED = re.compile(
    rf"\b(?:(?P<colour>{'|'.join(COLOURS)}) )?(?P<shape>{'|'.join(SHAPES)})\b"
    rf"|\b(?P<kind>digit|word)(?: (?P<text>\d|{'|'.join(WORDS)}))?\b"
)


@dataclass(frozen=True)
class Told:
    """What a film tells those who see it at `times` ((first, last) frame of each unit) under `tags`, both seconds."""

    film: Film
    times: Spans
    tags: Spans

    def mentions(self, question: str) -> list[tuple[int, tuple[int, ...]]]:
        """(index of the last character, FIELDS labels) of everything that a question names."""
        return [(found.end() - 1, self._facts(found)) for found in _NAMED.finditer(question)]

    def _facts(self, found: re.Match[str]) -> tuple[int, ...]:
        if found["kind"]:
            shown = [
                caption
                for caption in self.film.captions
                if caption.kind == found["kind"] and found["text"] in (None, caption.text)
            ]
            return self._labels(len(shown), shown[0] if len(shown) == 1 else None)
        showings = [
            (scene, thing)
            for scene in self.film.scenes
            for thing in scene.things
            if thing.shape == found["shape"] and found["colour"] in (None, thing.colour)
        ]
        return self._labels(len(showings), *showings[0] if len(showings) == 1 else (None,))

    def _labels(self, showings: int, what: Scene | Caption | None, thing: Thing | None = None) -> tuple[int, ...]:
        units = [] if what is None else [u for u, pair in enumerate(self.times) if shows(pair, what.start, what.end)]
        if not units:
            return (int(showings > 0), *[UNKNOWN] * (FIELDS - 1))
        came = digits_of(sum(self.tags[units[0]]) / 2)
        motion = ninth_of = UNKNOWN
        caption = what if isinstance(what, Caption) else None
        if isinstance(what, Scene) and thing is not None:
            motion = list(MOTIONS).index(thing.motion)
            found = ninth(self.film, what, thing)
            ninth_of = UNKNOWN if found is None else found
            if what.caption and any(shows(pair, what.caption.start, what.caption.end) for pair in self.times):
                caption = what.caption
        read = TEXTS.index(caption.text) if caption else UNREAD
        return (1, min(len(units), MOST), motion, ninth_of, read, *came)


class Mentions(nn.Module):
    """Linear read-out of everything that is asked of a mention from rows [n, width]."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.sizes = [ASKED[name] for name in NAMES]
        self.read = nn.Linear(width, sum(self.sizes))

    def forward(self, rows: Tensor) -> Sequence[Tensor]:
        """Logits of every field, [n, classes] each."""
        found: Sequence[Tensor] = self.read(self.norm(rows.float())).split(self.sizes, dim=-1)
        return found


def mention_loss(mentions: Mentions, rows: Tensor, truth: Tensor) -> tuple[Tensor, Mapping[str, float]]:
    """Sum over what is asked of its mean cross-entropy, and how often each is right. truth: int64 [n, FIELDS]."""
    total = torch.zeros((), device=rows.device)
    right: dict[str, list[float]] = {}
    for name, logits, target in zip(NAMES, mentions(rows), truth.unbind(1), strict=True):
        known = target != UNKNOWN
        share = 1 / DIGITS if name == "came" else 1.0
        missed = F.cross_entropy(logits, target, ignore_index=UNKNOWN, reduction="sum")
        total = total + share * missed / known.sum().clamp(min=1)
        if known.any():
            right.setdefault(name, []).append((logits.argmax(-1) == target)[known].float().mean().item())
    return total, {f"named {name}": sum(found) / len(found) for name, found in right.items()}
