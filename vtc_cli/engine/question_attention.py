"""Where a known question looks in the cache, for policies that keep what it looks at.

The question is forwarded on top of the video, as it would be if it were asked now, and taken off again. Of its last
rows, the weights of every layer are recomputed with the model's own queries and keys: softmax over everything a row
sees, prefix and question included, so that a weight means what it means to the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from vtc_cli.engine.cache_needs import QUESTION
from vtc_cli.engine.evidence import UNSUPPORTED, observing, shares
from vtc_cli.engine.prune import needs_of, question_unknown
from vtc_cli.engine.slab import Mark, Slab
from vtc_cli.errors import UsageError
from vtc_cli.methods.stages import CachePolicy
from vtc_cli.models.contract import Cursor, Span, VideoLM


class QuestionAttention:
    """The question a cache policy looks at. rows: how many of its last rows count."""

    def __init__(self, model: VideoLM, question: str, rows: int):
        self._model = model
        self._question = question
        self._rows = rows

    @classmethod
    def of(
        cls, policy: CachePolicy | None, model: VideoLM, question: str | None, room: int
    ) -> QuestionAttention | None:
        """What `policy` asks for with the need `question:<rows>`, None if it does not.

        room: cache entries kept free for a question. Raises UsageError when the question is not known, when it does not
        fit the room, or when the need names no number of rows.
        """
        needs = [need for need in needs_of(policy, model.info) if need.startswith(QUESTION)] if policy else []
        if policy is None or not needs:
            return None
        name, rows = type(policy).__name__, needs[0].removeprefix(QUESTION)
        if not rows.isdecimal() or not int(rows):
            raise UsageError(f"{name} needs `{needs[0]}`, which names no number of rows")
        if question is None:
            raise question_unknown(policy, name)
        length = len(model.question(Cursor(), question))
        if length > room:
            raise UsageError(
                f"{name} looks at the question, which takes {length:,} entries, and {room:,} are reserved for a turn",
                "shorten the question, or give the session a larger max_turn",
            )
        return cls(model, question, int(rows))

    def read(
        self,
        slab: Slab,
        cursor: Cursor,
        forward: Callable[[Span], object],
        passing: AbstractContextManager[Mark],
    ) -> list[Tensor]:
        """fp32 [H, n] for each layer: the mean attention of the question's last rows to its evictable entries.

        cursor: where the question would go. forward: appends it. passing: undoes on exit what is forwarded within.
        Raises UsageError when the model's attention cannot be read.
        """
        seen = _Weights(slab, self._rows)
        with passing, observing(seen.observe, self._model.info.attention):
            forward(self._model.question(cursor, self._question))
        return seen.weights()


class _Weights:
    """Gathers the weights of a forward's last `rows` rows over `slab`, layer by layer."""

    def __init__(self, slab: Slab, rows: int):
        self._slab = slab
        self._rows = rows
        self._held = slab.lengths
        self._found: dict[int, list[Tensor]] = {}

    def observe(self, query: Tensor, key: Tensor, options: Mapping[str, Any]) -> None:
        """Add one layer. query: [1, heads, q, D]; key: the slab's view [1, H, held, D]."""
        layer = self._slab.owner(key)
        if layer is None or any(options.get(name) is not None for name in UNSUPPORTED):
            return
        number = self._slab.blocks.index(layer)
        _, heads, length, width = key.shape
        rows = min(self._rows, query.shape[2])
        asking = query[0, :, -rows:].unflatten(0, (heads, -1)).flatten(1, 2)  # a key head's query heads, row by row
        scaling = options.get("scaling")
        scores = (asking @ key[0].transpose(-1, -2)).float() * (width**-0.5 if scaling is None else scaling)
        later = torch.ones(rows, rows, dtype=torch.bool, device=key.device).triu(1)
        scores = scores.unflatten(1, (-1, rows))
        scores[..., length - rows :].masked_fill_(later, -torch.inf)
        paid = shares(scores, options).mean((1, 2))[:, self._slab.pinned : self._held[number]]
        self._found.setdefault(number, []).append(paid)

    def weights(self) -> list[Tensor]:
        """One tensor per layer with entries: the mean over the layers that read them, which are one in most decoders.

        Raises UsageError when a layer was missed."""
        missed = [number for number in range(len(self._held)) if number not in self._found]
        if missed:
            raise UsageError(
                f"the attention of decoder layer {missed[0]} cannot be read with this model, so not what a question "
                "looks at",
                "choose a cache policy that does not look at the question, such as -m keydiff",
            )
        return [torch.stack(self._found[number]).mean(0) for number in range(len(self._held))]
