"""What the Qwen-VL families have in common: pictures through the tower, rows into the decoder, words around the video.

A family says how a unit is written (`around`) and where its rows stand (`positions`). Positions are ours, never
inferred: text advances by one on all three axes, and what follows a video comes after everything in it.
"""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from vtc_cli.methods.stages import LayerPolicy
from vtc_cli.models.adapter import Adapter, Seen, check_kept
from vtc_cli.models.checkpoint import Checkpoint
from vtc_cli.models.contract import Cursor, Geometry, Prepared, Span, TowerDims, Unit
from vtc_cli.models.layered import run_layers
from vtc_cli.models.patch_projection import PatchProjection
from vtc_cli.models.preprocess import Preprocessor
from vtc_cli.models.prompt import multiple_choice
from vtc_cli.models.received import received_attention
from vtc_cli.models.shape import check_layer_types, check_sizes, qwen_tower


class Qwen(Adapter):
    """A loaded Qwen-VL of some generation.

    LAYER_TYPES: kinds of decoder layer it runs.
    """

    LAYER_TYPES: ClassVar[frozenset[str]] = frozenset({"full_attention"})
    ENDS: ClassVar[tuple[str, ...]] = ("<|im_end|>", "<|endoftext|>")
    runs_layer_policies = True

    def __init__(self, checkpoint: Checkpoint):
        super().__init__(checkpoint)
        model, config = self.model, self.model.config
        # Every generation has functions of the same names beside its class.
        self._library: Any = sys.modules[type(self._decoder).__module__]
        self._tower = self.tower(model)
        self._start, self._end, self._pad = self.marks(config)

    @staticmethod
    def tower(model: Any) -> Any:
        """The vision tower of a loaded model."""
        tower = model.model.visual
        tower.patch_embed.proj = PatchProjection(tower.patch_embed.proj)
        return tower

    @staticmethod
    def marks(config: Any) -> tuple[int, int, int]:
        """Ids of the markers before and after visual rows, and of what stands for those rows."""
        return config.vision_start_token_id, config.vision_end_token_id, config.video_token_id

    @classmethod
    def check(cls, config: Any, name: str) -> None:
        check_layer_types(config, cls.LAYER_TYPES, name)

    @classmethod
    def check_pictures(cls, config: Any, preprocessor: Preprocessor, name: str) -> None:
        check_sizes(config, preprocessor, name)

    @classmethod
    def tower_dims(cls, config: Any) -> TowerDims:
        return qwen_tower(config.vision_config)

    @classmethod
    def frames_per_unit(cls, config: Any) -> int:
        return int(config.vision_config.temporal_patch_size)

    def run_tower(self, prepared: Prepared, geometry: Geometry, capture: Sequence[int]) -> Seen:
        units, (rows, columns), merge = len(prepared), geometry.grid, self.preprocessor.merge
        # One row per unit: the tower attends within a row's frames, so units stay independent of each other.
        grid = torch.tensor([[1, rows * merge, columns * merge]], device=self._device).expand(units, 3)
        with received_attention(
            self._tower.blocks,
            capture,
            units=units,
            merge=merge,
            rotate=self._library.apply_rotary_pos_emb_vision,
            order=self._order(grid) if capture else None,
        ) as received:
            output = self._tower(prepared.patches.to(self._tower.dtype), grid_thw=grid, return_dict=True)
        tokens = output.pooler_output.unflatten(0, (units, -1))
        deep = [level.unflatten(0, (units, -1)) for level in getattr(output, "deepstack_features", None) or ()]
        return Seen(tokens, received, deep)

    def _order(self, grid: Tensor) -> Tensor | None:
        """Where each token stands in the tower's own order, for towers that sort their patches; see
        `received_attention`."""
        return None

    @torch.no_grad()
    def open(self, cursor: Cursor, system: str | None = None) -> Span:
        span = self._text(cursor, self._prompt.opening(system))
        return replace(span, cursor=Cursor(span.cursor.next, video=span.cursor.next))

    @abstractmethod
    def around(self, unit: Unit) -> tuple[list[int], list[int]]:
        """Token ids before and after the visual rows of a unit."""

    @abstractmethod
    def positions(self, cursor: Cursor, unit: Unit, before: int, patch: Tensor) -> tuple[Tensor, Cursor]:
        """int64 [3, n] of a unit's visual rows at the raster indices `patch`, and where text goes after them.

        before: text rows written since `cursor` for this unit.
        """

    @torch.no_grad()
    def place(self, cursor: Cursor, unit: Unit, keep: Tensor | None = None, merged: Tensor | None = None) -> Span:
        rows, columns = unit.grid
        device = self._device
        patch = torch.arange(rows * columns, device=device) if keep is None else keep.to(device)
        if keep is not None:
            check_kept(patch, unit, merged)
        head, tail = self.around(unit)
        seen = slice(len(head), len(head) + len(patch))
        ids = torch.tensor([*head, *[self._pad] * len(patch), *tail], dtype=torch.int64, device=device)
        embeds = self._embed(ids)
        embeds[seen] = (unit.tokens[patch] if merged is None else merged).to(embeds)

        # The kept rows sit where they sit in the whole unit, and what follows does not move up.
        places, after = self.positions(cursor, unit, len(head), patch)
        positions = torch.empty(3, len(ids), dtype=torch.int64, device=device)
        positions[:, : seen.start] = torch.arange(cursor.next, cursor.next + len(head), device=device)
        positions[:, seen] = places
        positions[:, seen.stop :] = torch.arange(after.next, after.next + len(tail), device=device)

        raster = torch.full((len(ids),), -1, dtype=torch.int32, device=device)
        raster[seen] = patch.to(torch.int32)
        return Span(
            ids=ids,
            embeds=embeds,
            positions=positions,
            unit=torch.full_like(raster, unit.index),
            patch=raster,
            cursor=replace(after, next=after.next + len(tail), units=cursor.units + 1),
            deep=tuple(level[patch].to(embeds) for level in unit.deep),
        )

    @torch.no_grad()
    def question(self, cursor: Cursor, text: str, choices: Mapping[str, str] | None = None) -> Span:
        words = text if choices is None else multiple_choice(text, choices)
        span = self._text(cursor, self._prompt.closing(words))
        return replace(span, cursor=Cursor(span.cursor.next))

    @torch.no_grad()
    def continuation(self, cursor: Cursor, ids: Sequence[int]) -> Span:
        return self._text(cursor, ids)

    @torch.no_grad()
    def forward(self, span: Span, cache: object, *, layers: LayerPolicy | None = None) -> Tensor:
        if layers is not None:
            state = run_layers(self._decoder, span, cache, layers)
            routed: Tensor = self.model.lm_head(state)
            return routed.float()
        deep = list(span.deep)
        stacked = {"visual_pos_masks": span.visual[None], "deepstack_visual_embeds": deep} if deep else {}
        # No attention mask, ever: causality against the cache is derived from its lengths, and a mask of the chunk's
        # length would hide the newest keys.
        output = self._decoder(
            inputs_embeds=span.embeds[None],
            position_ids=span.positions[:, None],
            past_key_values=cache,
            use_cache=True,
            **stacked,
        )
        logits: Tensor = self.model.lm_head(output.last_hidden_state[0, -1])
        return logits.float()

    def _text(self, cursor: Cursor, ids: Sequence[int]) -> Span:
        """Plain text rows, one position each on all axes."""
        device = self._device
        rows = torch.tensor(list(ids), dtype=torch.int64, device=device)
        none = torch.full((len(rows),), -1, dtype=torch.int32, device=device)
        last = cursor.next + len(rows)
        return Span(
            ids=rows,
            embeds=self._embed(rows),
            positions=torch.arange(cursor.next, last, device=device).expand(3, -1),
            unit=none,
            patch=none,
            cursor=replace(cursor, next=last),
        )
