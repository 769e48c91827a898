"""A video-language model small enough to watch ten thousand units in a test: real attention over a real cache.

Two layers of one-head causal attention with fixed random projections and rotary-free keys, written out in full. It
obeys the whole contract, so a session cannot tell it from a family adapter; the numbers mean nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from vtc_cli.models.contract import Cursor, DecoderDims, Geometry, ModelInfo, Prepared, Span, TowerDims, Unit, VideoLM
from vtc_cli.video.frame import Frame

HIDDEN, VOCAB, LAYERS, KV_HEADS, WIDTH = 8, 260, 2, 2, 4
STOP = 257
PAD, TAG = 258, 259


class SmallLM(VideoLM):
    """Bytes are tokens. grid: of every unit. per_unit: frames of a unit. tag: rows of a unit's time tag.

    spans: every span that was forwarded, if `record`. library: attention runs through the library's table of attention
    functions, where it can be observed.
    """

    def __init__(
        self,
        grid: tuple[int, int] = (1, 2),
        per_unit: int = 1,
        tag: int = 1,
        context: int = 10_000,
        record: bool = False,
        library: bool = False,
    ):
        generator = torch.Generator().manual_seed(7)
        self.grid, self.tag, self.record, self.library = grid, tag, record, library
        self.spans: list[Span] = []
        self.encoded = 0
        self._table = torch.randn(VOCAB, HIDDEN, generator=generator)
        self._head = torch.nn.functional.normalize(torch.randn(VOCAB, HIDDEN, generator=generator))
        self._project = [torch.randn(3, HIDDEN, KV_HEADS * WIDTH, generator=generator) / 1.5 for _ in range(LAYERS)]
        self._back = [torch.randn(KV_HEADS * WIDTH, HIDDEN, generator=generator) for _ in range(LAYERS)]
        self.info = ModelInfo(
            name="small", name_reason="", family="small", revision=None, device="cpu", device_reason="",
            dtype="float32", dtype_reason="", attention="sdpa", parameters=0, weight_bytes=0, context=context,
            frames_per_unit=per_unit,
            tower=TowerDims(4, 8, 1, 8, 8, 1, HIDDEN), decoder=DecoderDims(
                LAYERS, HIDDEN, KV_HEADS, KV_HEADS, WIDTH, 8, VOCAB
            ),
            kv_bytes_per_token=2 * LAYERS * KV_HEADS * WIDTH * 4,
        )  # fmt: skip

    def geometry(self, size: tuple[int, int], pixels: int | None = None) -> Geometry:
        return Geometry((size[1], size[0]), self.grid, self.grid[0] * self.grid[1])

    def shrink(self, frame: Frame, geometry: Geometry) -> Frame:
        return frame

    def prepare(self, frames: Sequence[Frame], geometry: Geometry) -> Prepared:
        """One row per unit: a number that is different for different pictures."""
        size = self.info.frames_per_unit
        frames = [*frames, *[frames[-1]] * (-len(frames) % size)]
        pairs = [frames[first : first + size] for first in range(0, len(frames), size)]
        seeds = [sum(int(frame.image.sum()) * 31**place for place, frame in enumerate(pair)) for pair in pairs]
        return Prepared(tuple((pair[0].time, pair[-1].time) for pair in pairs), torch.tensor(seeds)[:, None])

    def encode(self, prepared: Prepared, geometry: Geometry, first: int = 0, capture: Sequence[int] = ()) -> list[Unit]:
        units = []
        for number, (span, seed) in enumerate(zip(prepared.spans, prepared.patches[:, 0].tolist(), strict=True)):
            generator = torch.Generator().manual_seed(seed % 2**31)
            count = self.grid[0] * self.grid[1]
            tokens = torch.randn(count, HIDDEN, generator=generator)
            scores = {layer: torch.rand(count, generator=generator) for layer in capture}
            units.append(Unit(first + number, span, tokens, self.grid, (tokens,), scores))
        self.encoded += len(units)
        return units

    def open(self, cursor: Cursor, system: str | None = None) -> Span:
        return self._text(cursor, list((system or "system").encode()))

    def place(self, cursor: Cursor, unit: Unit, keep: Tensor | None = None, merged: Tensor | None = None) -> Span:
        keep = torch.arange(len(unit.tokens)) if keep is None else keep
        values = unit.tokens[keep] if merged is None else merged
        tags = torch.full((self.tag,), TAG)
        patch = torch.cat([torch.full((self.tag,), -1), keep]).int()
        start, end = cursor.next + self.tag, cursor.next + self.tag + len(unit.tokens)
        return Span(
            ids=torch.cat([tags, torch.full((len(keep),), PAD)]),
            embeds=torch.cat([self._table[tags] + unit.span[0], values]),
            positions=torch.cat([torch.arange(cursor.next, start), start + keep])[None],
            unit=torch.full_like(patch, unit.index),
            patch=patch,
            cursor=Cursor(end),
            deep=tuple(level[keep] for level in unit.deep),
        )

    def question(self, cursor: Cursor, text: str, choices: Mapping[str, str] | None = None) -> Span:
        return self._text(cursor, list((text + "".join(choices or {})).encode()))

    def continuation(self, cursor: Cursor, ids: Sequence[int]) -> Span:
        return self._text(cursor, ids)

    def forward(self, span: Span, cache: Any, *, layers: object | None = None) -> Tensor:
        if self.record:
            self.spans.append(span)
        state = span.embeds + 0.1 * torch.sin(span.positions[0].float())[:, None]
        for level, values in enumerate(span.deep):
            assert len(values) == int(span.visual.sum()), level
        new = len(span)
        for layer, (project, back) in enumerate(zip(self._project, self._back, strict=True)):
            query, key, value = (state @ project).view(3, new, KV_HEADS, WIDTH).transpose(1, 2)
            keys, held = cache.update(key[None], value[None], layer)
            attended = self._attend(query, keys, held)
            state = state + attended.transpose(0, 1).reshape(new, -1) @ back
        # Fresh directions of one length: no token is the likeliest whatever was seen.
        return torch.nn.functional.layer_norm(state[-1], (HIDDEN,)) @ self._head.T

    def _attend(self, query: Tensor, keys: Tensor, held: Tensor) -> Tensor:
        """Causal attention [heads, new, D]. query: [heads, new, D]; keys, held: [1, heads, past + new, D]."""
        new, length = query.shape[1], keys.shape[2]
        later = torch.ones(new, length, dtype=torch.bool).triu(length - new + 1)
        if self.library:
            run, module = ALL_ATTENTION_FUNCTIONS["sdpa"], SimpleNamespace(is_causal=True)
            attended: Tensor = run(module, query[None], keys, held, ~later[None, None], scaling=1.0)[0]
            return attended[0].transpose(0, 1)
        scores = query @ keys[0].transpose(1, 2)
        return scores.masked_fill_(later, float("-inf")).softmax(-1) @ held[0]

    def rotation(self) -> None:
        return None

    def embed_query(self, text: str) -> Tensor:
        return self._table[list(text.encode())]

    def label_ids(self, labels: Sequence[str]) -> list[int]:
        return [label.encode()[0] for label in labels]

    def text(self, ids: Sequence[int]) -> str:
        return bytes(token for token in ids if token < 256).decode("utf-8", "replace")

    @property
    def stop_ids(self) -> frozenset[int]:
        return frozenset({STOP})

    def _text(self, cursor: Cursor, ids: Sequence[int]) -> Span:
        rows = torch.tensor(list(ids), dtype=torch.int64)
        none = torch.full((len(rows),), -1, dtype=torch.int32)
        end = cursor.next + len(rows)
        return Span(rows, self._table[rows], torch.arange(cursor.next, end)[None], none, none, Cursor(end))


def film(count: int, start: int = 0, gap: float = 1.0) -> list[Frame]:
    """Frames `start` to `start + count`, each with its own picture."""
    return [Frame(gap * number, picture(number)) for number in range(start, start + count)]


def picture(number: int) -> Tensor:
    """uint8 [3, 2, 2], different for every number below 2^24."""
    values = torch.tensor([number % 256, number // 256 % 256, number // 65_536 % 256], dtype=torch.uint8)
    return values[:, None, None].expand(3, 2, 2)
