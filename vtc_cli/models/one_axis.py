"""What families with ordinary rotary positions have in common: rows stand in one line, one number each.

A unit is one frame. Its rows take consecutive positions in raster order, and so do the words around it; kept rows stay
where they stand in the whole unit, and what follows does not move up. A family says how a unit is written (`around`),
what its tower sees (`look`) and how attention received by patches becomes attention received by tokens (`pooled`).
"""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from vtc_cli.errors import MachineError, UsageError
from vtc_cli.methods.stages import LayerPolicy
from vtc_cli.models.adapter import Adapter, check_kept, check_layers
from vtc_cli.models.checkpoint import Checkpoint
from vtc_cli.models.contract import Cursor, Geometry, Prepared, Span, Unit
from vtc_cli.models.layered import run_layers
from vtc_cli.models.prompt import Prompt, multiple_choice
from vtc_cli.models.shape import check_layer_types
from vtc_cli.models.towers import PictureTower

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


DECODERS = ("llama", "mistral", "qwen2", "qwen3", "qwen3_moe")
"""Text models whose layers are run here, by `model_type`."""


class OneAxis(Adapter):
    """A loaded model of a family with one position per row.

    PLACEHOLDER, MEDIA: the token its template writes for a video, and the kind of content that makes it do so.
    AFTER: words between the last unit and the rest of the template.
    """

    PLACEHOLDER: ClassVar[str] = "<video>"
    MEDIA: ClassVar[str] = "video"
    AFTER: ClassVar[str] = ""
    ENDS: ClassVar[tuple[str, ...]] = ("<|im_end|>", "<|endoftext|>")
    runs_layer_policies = True

    def __init__(self, checkpoint: Checkpoint):
        super().__init__(checkpoint)
        config = self.model.config
        # Every text model has functions of the same names beside its class.
        self._library: Any = sys.modules[type(self._decoder).__module__]
        self._pad = self.pad_token(config)
        self._newline: Tensor | None = getattr(self.model.model, "image_newline", None)
        self._tower = self.tower(self.model)

    @classmethod
    def check(cls, config: Any, name: str) -> None:
        cls.tower_dims(config)
        check_decoder(config, name)

    @classmethod
    def prompt(cls, tokenizer: PreTrainedTokenizerBase, folder: Path) -> Prompt:
        return Prompt(tokenizer, folder, cls.PLACEHOLDER, media=cls.MEDIA, after=cls.AFTER)

    @staticmethod
    def pad_token(config: Any) -> int:
        """The id that stands for visual rows."""
        return int(config.video_token_id)

    @staticmethod
    @abstractmethod
    def tower(model: Any) -> PictureTower:
        """The tower of a loaded model, up to the layer whose output is used."""

    @abstractmethod
    def look(self, patches: Tensor) -> Tensor:
        """[units, patches, width] out of the tower to [units, n, d] as the language model receives them."""

    @abstractmethod
    def pooled(self, received: Tensor) -> Tensor:
        """fp32 [units, patches] to [units, n]: the mean over the patches of a token."""

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
    def encode(self, prepared: Prepared, geometry: Geometry, first: int = 0, capture: Sequence[int] = ()) -> list[Unit]:
        if not len(prepared):
            return []
        check_layers(capture, self.info.tower.layers, self.info.name)
        with self._tower.received(capture) as received:
            tokens = self.look(self._tower(prepared.patches.to(self.model.dtype)))
        scores = {layer: self.pooled(values) for layer, values in received.items()}
        return [
            Unit(
                index=first + i,
                span=span,
                tokens=tokens[i],
                grid=geometry.grid,
                scores={layer: values[i] for layer, values in scores.items()},
            )
            for i, span in enumerate(prepared.spans)
        ]

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

    @torch.no_grad()
    def forward(self, span: Span, cache: object, *, layers: LayerPolicy | None = None) -> Tensor:
        # Always layer by layer: a whole text model hands positions to its attention, where gaps between them, which
        # evicted and pruned rows leave, would be taken for the borders of packed sequences.
        state = run_layers(self._decoder, span, cache, layers, self._queries)
        logits: Tensor = self.model.lm_head(state)
        return logits.float()

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

    def _queries(self, block: Any, hidden: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Rotated queries [heads, m, D] of rows [m, d] as they enter a layer."""
        attention = block.self_attn
        rows = attention.q_proj(block.input_layernorm(hidden[None])).unflatten(-1, (-1, attention.head_dim))
        norm = getattr(attention, "q_norm", None)
        query = (rows if norm is None else norm(rows)).transpose(1, 2)
        rotated: Tensor = self._library.apply_rotary_pos_emb(query, query, cos, sin)[0][0]
        return rotated


def check_decoder(config: Any, name: str) -> None:
    """Raise UsageError when the text model of `config` is of another kind, or does not attend to all that is cached."""
    text = config.text_config
    if text.model_type not in DECODERS:
        raise UsageError(
            f"{name} has a {text.model_type!r} text model; with this family, these run: {', '.join(DECODERS)}.",
            "Use a checkpoint of the family with one of them.",
        )
    check_layer_types(config, frozenset({"full_attention"}), name)
    if text.model_type == "mistral" and text.sliding_window:
        raise UsageError(
            f"{name} attends to the last {text.sliding_window:,} tokens only, so its cache cannot be bounded by this "
            "tool.",
            "Use a later checkpoint, whose sliding_window is null.",
        )
