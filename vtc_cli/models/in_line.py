"""Rows that stand in one line, one position each: what families with ordinary rotary positions share.

A unit is one frame. Its rows take consecutive positions in raster order, and so do the words around it; kept rows stay
where they stand in the whole unit, and what follows does not move up. A family says how a unit is written (`around`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from vtc_cli.errors import MachineError
from vtc_cli.models.adapter import Adapter, check_kept
from vtc_cli.models.checkpoint import Checkpoint
from vtc_cli.models.contract import Cursor, Span, Unit
from vtc_cli.models.prompt import Prompt, multiple_choice

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class InLine(Adapter):
    """A loaded model of a family with one position per row.

    PLACEHOLDER, MEDIA: the token its template writes for a video, and the kind of content that makes it do so.
    AFTER: words between the last unit and the rest of the template.
    """

    PLACEHOLDER: ClassVar[str] = "<video>"
    MEDIA: ClassVar[str] = "video"
    AFTER: ClassVar[str] = ""
    ENDS: ClassVar[tuple[str, ...]] = ("<|im_end|>", "<|endoftext|>")

    def __init__(self, checkpoint: Checkpoint):
        super().__init__(checkpoint)
        self._pad = self.pad_token(self.model.config)
        self._newline: Tensor | None = getattr(getattr(self.model, "model", None), "image_newline", None)

    @classmethod
    def prompt(cls, tokenizer: PreTrainedTokenizerBase, folder: Path) -> Prompt:
        return Prompt(tokenizer, folder, cls.PLACEHOLDER, media=cls.MEDIA, after=cls.AFTER)

    @staticmethod
    def pad_token(config: Any) -> int:
        """The id that stands for visual rows."""
        return int(config.video_token_id)

    def token(self, name: str) -> int:
        """The id of a control token. Raises MachineError when the tokenizer has none of that name."""
        vocabulary = self.tokenizer.get_added_vocab()
        if name not in vocabulary:
            raise MachineError(
                f"the tokenizer of {self.info.name} has no token {name}, which marks pictures in this family.",
                "Download the checkpoint again, with its tokenizer files.",
            )
        return vocabulary[name]

    def around(self, unit: Unit, first: bool) -> tuple[list[int], list[int]]:
        """Token ids before and after the visual rows of a unit. first: no unit stands before it."""
        return [], []

    @torch.no_grad()
    def open(self, cursor: Cursor, system: str | None = None) -> Span:
        span = self._rows(cursor, self._prompt.opening(system))
        return replace(span, cursor=Cursor(span.cursor.next, video=span.cursor.next))

    @torch.no_grad()
    def place(self, cursor: Cursor, unit: Unit, keep: Tensor | None = None, merged: Tensor | None = None) -> Span:
        count, device = unit.grid[0] * unit.grid[1], self._device
        patch = torch.arange(count, device=device) if keep is None else keep.to(device)
        if keep is not None:
            check_kept(patch, unit, merged)
        head, tail = self.around(unit, first=not cursor.units)
        before = self._rows(cursor, head)
        start = before.cursor.next
        after = self._rows(replace(cursor, next=start + count), tail)
        values = unit.tokens[patch] if merged is None else merged
        seen = Span(
            ids=torch.full_like(patch, self._pad),
            embeds=values.to(before.embeds),
            positions=(start + patch)[None],
            unit=torch.full_like(patch, unit.index, dtype=torch.int32),
            patch=patch.to(torch.int32),
            cursor=after.cursor,
        )
        span = Span.join([before, seen, after])
        return replace(
            span,
            unit=torch.full_like(span.unit, unit.index),
            cursor=replace(after.cursor, units=cursor.units + 1),
        )

    @torch.no_grad()
    def question(self, cursor: Cursor, text: str, choices: Mapping[str, str] | None = None) -> Span:
        words = text if choices is None else multiple_choice(text, choices)
        span = self._rows(cursor, self._prompt.closing(words))
        return replace(span, cursor=Cursor(span.cursor.next))

    @torch.no_grad()
    def continuation(self, cursor: Cursor, ids: Sequence[int]) -> Span:
        return self._rows(cursor, ids)

    def _rows(self, cursor: Cursor, ids: Sequence[int]) -> Span:
        """Rows that are not visual, one position each. A placeholder among them is the newline row."""
        device = self._device
        rows = torch.tensor(list(ids), dtype=torch.int64, device=device)
        embeds = self._embed(rows)
        if self._newline is not None:
            embeds[rows == self._pad] = self._newline.to(embeds)
        none = torch.full((len(rows),), -1, dtype=torch.int32, device=device)
        last = cursor.next + len(rows)
        return Span(
            ids=rows,
            embeds=embeds,
            positions=torch.arange(cursor.next, last, device=device)[None],
            unit=none,
            patch=none,
            cursor=replace(cursor, next=last),
        )
