"""Several answers written side by side: one forward per token for all of them, where one each would be as dear.

Each question is put on top of its own video as always, so that only tokens of answers are computed together. What was
in view of each is then laid into one block, right-aligned, and columns left of an answer's first row are masked out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

from vtc_cli.engine.decode import Decoded, Sampler
from vtc_cli.models.contract import Cursor, VideoLM


@dataclass(frozen=True)
class Begun:
    """A question that was put, of whose answer nothing is written yet.

    rows: keys and values of each layer, [1, H, n, D], everything in view of the answer; writing it uses them up.
    logits: [vocab], of its first token. cursor: where its second row goes.
    """

    rows: list[tuple[Tensor, Tensor]]
    length: int
    logits: Tensor
    cursor: Cursor


class SideBySide(Cache):
    """The caches of several answers. room: rows that each of them may still get.

    Taken layer by layer out of what was begun, so that it is never there twice.
    """

    def __init__(self, begun: Sequence[Begun], room: int):
        layers: list[Any] = []
        for _ in range(len(begun[0].rows)):
            keys, values = zip(*(one.rows.pop(0) for one in begun), strict=True)
            layers.append(_Layer(keys, values, room))
        super().__init__(layers=layers)


class _Layer(CacheLayerMixin):
    """keys, values: [B, H, capacity, D], of which `held` columns are in use."""

    is_compileable = False
    is_sliding = False

    keys: Tensor
    values: Tensor

    def __init__(self, keys: Sequence[Tensor], values: Sequence[Tensor], room: int):
        super().__init__()
        self.held = max(part.shape[2] for part in keys)
        self.keys, self.values = (_block(parts, self.held, room) for parts in (keys, values))
        self.is_initialized = True

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """The block was taken at once."""

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append rows [B, H, q, D]; views of everything held."""
        end = self.held + key_states.shape[2]
        self.keys[:, :, self.held : end] = key_states
        self.values[:, :, self.held : end] = value_states
        self.held = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def get_seq_length(self) -> int:
        return self.held

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.held + int(query_length), 0

    def get_max_length(self) -> int:
        return int(self.keys.shape[2])


def _block(parts: Sequence[Tensor], held: int, room: int) -> Tensor:
    """[B, H, held + room, D] with each part ending at column `held`; zeros before it, which a mask hides."""
    _, heads, _, width = parts[0].shape
    block = parts[0].new_zeros((len(parts), heads, held + room, width))
    for number, part in enumerate(parts):
        block[number, :, held - part.shape[2] : held] = part[0]
    return block


@torch.no_grad()
def write_together(model: VideoLM, begun: Sequence[Begun], limit: int) -> list[Decoded]:
    """The likeliest answers of at most `limit` tokens, in order.

    The arithmetic is that of writing them one after another but for the order of sums inside a matrix product, which
    can change the last bit of a number. model: one that `writes_together`. Raises VtcError as `Sampler.pick` does.
    """
    pick, stop = Sampler().pick, model.stop_ids
    written: list[list[int]] = [[] for _ in begun]
    over: list[str | None] = [None for _ in begun]
    tokens = [pick(one.logits) for one in begun]
    cursors = [one.cursor for one in begun]
    cache = SideBySide(begun, limit)
    longest, device = max(one.length for one in begun), begun[0].logits.device
    seen = torch.zeros((len(begun), longest + limit), dtype=torch.int64, device=device)
    for number, one in enumerate(begun):
        seen[number, longest - one.length :] = 1
    for step in range(limit):
        for number, token in enumerate(tokens):
            if over[number] is None and token in stop:
                over[number] = "stop"
            elif over[number] is None:
                written[number].append(token)
                over[number] = "length" if len(written[number]) == limit else None
        if all(over):
            break
        # An answer that is over gets rows that nobody reads: the others need the same columns.
        spans = [model.continuation(cursor, [token]) for cursor, token in zip(cursors, tokens, strict=True)]
        cursors = [span.cursor for span in spans]
        logits = model.forward_together(spans, cache, seen[:, : longest + step + 1])
        tokens = [token if over[number] else pick(logits[number]) for number, token in enumerate(tokens)]
    return [Decoded(tuple(ids), "stop" if why == "stop" else "length") for ids, why in zip(written, over, strict=True)]
