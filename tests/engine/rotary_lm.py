"""The small model with keys that are rotated by one-dimensional positions, as LLaVA's or InternVL's decoders do it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tests.engine.small_lm import HIDDEN, KV_HEADS, WIDTH, SmallLM
from vtc_cli.models.contract import Span
from vtc_cli.models.rotary import Rotation


def angles(positions: Tensor) -> tuple[Tensor, Tensor]:
    turns = positions[0, ..., None].float() * torch.tensor([1.0, 0.1])
    return turns.cos(), turns.sin()


class RotaryLM(SmallLM):
    """shown: the largest position that any row was given."""

    shown = 0

    def rotation(self) -> Rotation:  # type: ignore[override]
        return Rotation(1, angles)

    def forward(self, span: Span, cache: Any, *, layers: object | None = None) -> Tensor:
        self.shown = max(self.shown, int(span.positions.max()))
        if self.record:
            self.spans.append(span)
        state, new = span.embeds, len(span)
        for layer, (project, back) in enumerate(zip(self._project, self._back, strict=True)):
            query, key, value = (state @ project).view(3, new, KV_HEADS, WIDTH).transpose(1, 2)
            query, key = (self.rotation().rotate(part, span.positions[:, None]) for part in (query, key))
            keys, held = cache.update(key[None], value[None], layer)
            scores = query @ keys[0].transpose(1, 2)
            hidden = torch.ones(new, new, dtype=torch.bool).triu(1)
            scores[:, :, scores.shape[-1] - new :].masked_fill_(hidden, float("-inf"))
            state = state + (scores.softmax(-1) @ held[0]).transpose(0, 1).reshape(new, -1) @ back
        return torch.nn.functional.layer_norm(state[-1], (HIDDEN,)) @ self._head.T
