"""How a film and many questions about it share one sequence.

Every question sees the film and itself, not the other questions, and sits at the positions it would have if it
were the only one, so the film is paid for once. Questions follow each other without padding; only the ends of a
batch's sequences are padded, by less than a question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vtc_cli.models.prompt import time_tag
from vtc_cli.train.mention import FIELDS
from vtc_cli.train.unshown import Missing

VIDEO_ENDS = "<|vision_end|>"
UNLEARNT = -100  # target of a token that nothing is learnt from


@dataclass(frozen=True)
class Layout:
    """What every sequence of a batch begins with.

    ids: int64 [P]; positions: int64 [3, P]; visual: int64 [m], where visual rows go; cursor: next position.
    """

    ids: Tensor
    positions: Tensor
    visual: Tensor
    cursor: int

    def to(self, device: torch.device) -> Layout:
        """The same layout on a device."""
        return Layout(self.ids.to(device), self.positions.to(device), self.visual.to(device), self.cursor)


def layout(tokenizer: Any, times: list[tuple[float, float]], grid: tuple[int, int], skip: int) -> Layout:
    """The prompt up to the question.

    times: (first, last) seconds of each unit. skip: positions left out after the prefix, as eviction leaves them.
    """
    ids: list[int] = []
    columns: list[Tensor] = []
    visual: list[int] = []
    cursor = 0

    def write(text: str) -> None:
        nonlocal cursor
        tokens = tokenizer.encode(text).ids
        ids.extend(tokens)
        columns.append((cursor + torch.arange(len(tokens))).expand(3, -1))
        cursor += len(tokens)

    rows, across = grid
    cells = torch.arange(rows * across)
    pad = tokenizer.token_to_id("<|video_pad|>")
    write("<|im_start|>user\n<|vision_start|>")
    cursor += skip
    for tag in times:
        write(f"{time_tag(*tag)}<|vision_start|>")
        visual.extend(range(len(ids), len(ids) + len(cells)))
        ids.extend([pad] * len(cells))
        columns.append(cursor + torch.stack([torch.zeros_like(cells), cells // across, cells % across]))
        cursor += max(grid)
        write("<|vision_end|>")
    return Layout(torch.tensor(ids), torch.cat(columns, dim=1), torch.tensor(visual), cursor)


def after(tokenizer: Any, start: Layout, text: str) -> Layout:
    """The same beginning with words behind the video that every question comes after."""
    ids = torch.tensor(tokenizer.encode(f"{VIDEO_ENDS}{text}").ids)
    positions = (start.cursor + torch.arange(len(ids))).expand(3, -1)
    whole = torch.cat([start.ids, ids]), torch.cat([start.positions, positions], dim=1)
    return Layout(*whole, start.visual, start.cursor + len(ids))


@dataclass(frozen=True)
class Exchange:
    """A question and its answer as token ids.

    kind: index of its skill. unjudged: (index into the answer, token) of guesses that nothing is learnt from.
    mentions: (index into `asked`, labels of `train.mention`) of what the question names.
    """

    asked: Sequence[int]
    answer: Sequence[int]
    kind: int
    unjudged: Sequence[tuple[int, int]] = ()
    mentions: Sequence[tuple[int, tuple[int, ...]]] = ()

    def __len__(self) -> int:
        return len(self.asked) + len(self.answer) - 1  # the answer's last token is only ever a target


def exchange(
    tokenizer: Any,
    question: str,
    answer: str,
    kind: int,
    missing: Missing | None = None,
    mentions: Sequence[tuple[int, tuple[int, ...]]] = (),
    before: str = VIDEO_ENDS,
) -> Exchange:
    """What follows the film when a question is asked and answered, as the chat template writes it.

    mentions: (index of a character of the question, labels) of what it names. before: what stands before the question;
    nothing where words come `after` the video.
    """
    asked = tokenizer.encode(f"{before}{question}<|im_end|>\n<|im_start|>assistant\n")
    said = tokenizer.encode(f"{answer}<|im_end|>").ids
    named = [(asked.char_to_token(len(before) + at), labels) for at, labels in mentions]
    return Exchange(asked.ids, said, kind, missing.of(question, said) if missing else (), named)


def pack(films: Sequence[Sequence[Exchange]]) -> Mapping[str, Tensor]:
    """The questions of every film behind each other.

    Returns int64 [B, S] each: `ids`; `offset`, positions after the film; `slot`, which question of the film (-1 where
    padded); `targets` (UNLEARNT where nothing is learnt). And `kind` [B, Q], -1 where a film has fewer questions;
    `unjudged` [n, 3], the film, position and token of guesses that nothing is learnt from;
    `mentions` [n, 2 + FIELDS], the film, position and labels of what questions name.
    """
    longest = max(sum(len(item) for item in exchanges) for exchanges in films)
    most = max(len(exchanges) for exchanges in films)
    shape = (len(films), longest)
    ids, offset = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
    slot, targets = torch.full(shape, -1), torch.full(shape, UNLEARNT)
    kind = torch.full((len(films), most), -1)
    unjudged: list[tuple[int, int, int]] = []
    mentions: list[tuple[int, ...]] = []
    for film, exchanges in enumerate(films):
        at = 0
        for index, item in enumerate(exchanges):
            whole, end = [*item.asked, *item.answer], at + len(item)
            ids[film, at:end] = torch.tensor(whole[:-1])
            offset[film, at:end] = torch.arange(len(item))
            slot[film, at:end] = index
            first = at + len(item.asked) - 1
            targets[film, first:end] = torch.tensor(item.answer)
            unjudged += [(film, first + place, token) for place, token in item.unjudged]
            mentions += [(film, at + place, *labels) for place, labels in item.mentions]
            kind[film, index] = item.kind
            at = end
    never = torch.tensor(unjudged, dtype=torch.long).reshape(-1, 3)
    named = torch.tensor(mentions, dtype=torch.long).reshape(-1, 2 + FIELDS)
    return {
        "ids": ids,
        "offset": offset,
        "slot": slot,
        "targets": targets,
        "kind": kind,
        "unjudged": never,
        "mentions": named,
    }


def visible(prefix: int, slot: Tensor, dtype: torch.dtype, known: int = 0) -> Tensor:
    """Additive mask [B, 1, 1, L - known, L]: causal, and questions blind to each other.

    prefix: columns before the questions; slot: int64 [B, S] of `pack`; known: columns that have been read before.
    """
    batch, asked = slot.shape
    total = prefix + asked
    ones = torch.ones(total - known, total, dtype=torch.bool, device=slot.device)
    allowed = ones.tril(known).repeat(batch, 1, 1)
    allowed[:, prefix - known :, prefix:] &= slot[:, :, None] == slot[:, None, :]
    mask = torch.zeros(allowed.shape, dtype=dtype, device=slot.device)
    return mask.masked_fill_(~allowed, float("-inf"))[:, None, None]
