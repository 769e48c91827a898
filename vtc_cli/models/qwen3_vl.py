"""The Qwen3-VL family: time tags as text, interleaved M-RoPE, DeepStack.

A video is written as `<|vision_start|>`, then per unit (two frames) `<12.3 seconds><|vision_start|>` its visual rows
`<|vision_end|>`, then `<|vision_end|>`: the template's own pair of markers stays around the per-unit pairs, as the
library's processor has written it since transformers 5.10.

Positions are ours, never inferred: text advances by one on all three axes; a unit starting at p has its row i, column
j at (p, p + i, p + j), and what follows starts at p + max(rows, columns).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vtc_cli.methods.stages import LayerPolicy
from vtc_cli.models.adapter import Adapter, check_kept, check_layers
from vtc_cli.models.checkpoint import Checkpoint
from vtc_cli.models.contract import Cursor, Geometry, Prepared, Span, Unit
from vtc_cli.models.device import Placement
from vtc_cli.models.layered import run_layers
from vtc_cli.models.patch_projection import PatchProjection
from vtc_cli.models.prompt import multiple_choice, time_tag
from vtc_cli.models.received import received_attention
from vtc_cli.models.shape import check_sizes, info_of


class Qwen3VL(Adapter):
    """A loaded Qwen3-VL. checkpoint: its model is a `Qwen3VLForConditionalGeneration`."""

    ENDS = ("<|im_end|>", "<|endoftext|>")
    runs_layer_policies = True

    def __init__(self, checkpoint: Checkpoint):
        super().__init__(checkpoint, checkpoint.model.model.language_model)
        model, config = self.model, self.model.config
        self._tower = model.model.visual
        self._tower.patch_embed.proj = PatchProjection(self._tower.patch_embed.proj)
        self._start, self._end, self._pad = (
            config.vision_start_token_id,
            config.vision_end_token_id,
            config.video_token_id,
        )
        self.info = info_of(
            config,
            checkpoint.placement,
            name=checkpoint.name,
            family="qwen3-vl",
            revision=checkpoint.revision,
            parameters=checkpoint.parameters,
            weight_bytes=checkpoint.weight_bytes,
        )

    @classmethod
    def load(
        cls,
        folder: Path,
        placement: Placement,
        *,
        name: str,
        revision: str | None = None,
        trust_remote_code: bool = False,
    ) -> Qwen3VL:
        """From a checkpoint folder. Raises MachineError when it is not whole or contradicts itself."""
        checkpoint = Checkpoint.read(
            folder,
            placement,
            "Qwen3VLForConditionalGeneration",
            name=name,
            revision=revision,
            trust_remote_code=trust_remote_code,
        )
        check_sizes(checkpoint.model.config, checkpoint.preprocessor, name)
        return cls(checkpoint)

    @torch.no_grad()
    def encode(self, prepared: Prepared, geometry: Geometry, first: int = 0, capture: Sequence[int] = ()) -> list[Unit]:
        from transformers.models.qwen3_vl.modeling_qwen3_vl import apply_rotary_pos_emb_vision

        units = len(prepared)
        if not units:
            return []
        blocks = self._tower.blocks
        check_layers(capture, len(blocks), self.info.name)
        rows, columns = geometry.grid
        merge = self.preprocessor.merge
        # One row per unit: the tower attends within a row's frames, so units stay independent of each other.
        grid = torch.tensor([[1, rows * merge, columns * merge]], device=self._device).expand(units, 3)
        with received_attention(
            blocks, capture, units=units, merge=merge, rotate=apply_rotary_pos_emb_vision
        ) as received:
            output = self._tower(prepared.patches.to(self._tower.dtype), grid_thw=grid, return_dict=True)
        tokens = output.pooler_output.unflatten(0, (units, -1))
        deep = [level.unflatten(0, (units, -1)) for level in output.deepstack_features]
        return [
            Unit(
                index=first + i,
                span=span,
                tokens=tokens[i],
                grid=geometry.grid,
                deep=tuple(level[i] for level in deep),
                scores={layer: values[i] for layer, values in received.items()},
            )
            for i, span in enumerate(prepared.spans)
        ]

    @torch.no_grad()
    def open(self, cursor: Cursor, system: str | None = None) -> Span:
        span = self._text(cursor, self._prompt.opening(system))
        return replace(span, cursor=Cursor(span.cursor.next, video=span.cursor.next))

    @torch.no_grad()
    def place(self, cursor: Cursor, unit: Unit, keep: Tensor | None = None, merged: Tensor | None = None) -> Span:
        rows, columns = unit.grid
        device = self._device
        patch = torch.arange(rows * columns, device=device) if keep is None else keep.to(device)
        if keep is not None:
            check_kept(patch, unit, merged)
        tag = [*self._prompt.plain(time_tag(*unit.span)), self._start]
        before, kept = len(tag), len(patch)
        ids = torch.tensor([*tag, *[self._pad] * kept, self._end], device=device)
        embeds = self._embed(ids)
        values = unit.tokens[patch] if merged is None else merged
        embeds[before : before + kept] = values.to(embeds)

        # The kept rows sit where they sit in the whole unit, and what follows does not move up.
        start = cursor.next + before
        positions = torch.empty(3, len(ids), dtype=torch.int64, device=device)
        positions[:, :before] = torch.arange(cursor.next, start, device=device)
        positions[0, before:-1] = start
        positions[1, before:-1] = start + patch // columns
        positions[2, before:-1] = start + patch % columns
        after = start + max(rows, columns)
        positions[:, -1] = after

        raster = torch.full((len(ids),), -1, dtype=torch.int32, device=device)
        raster[before : before + kept] = patch.to(torch.int32)
        return Span(
            ids=ids,
            embeds=embeds,
            positions=positions,
            unit=torch.full_like(raster, unit.index),
            patch=raster,
            cursor=Cursor(after + 1, video=cursor.video, units=cursor.units + 1),
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
            state = run_layers(self._decoder, span, cache, layers, _queries)
            routed: Tensor = self.model.lm_head(state)
            return routed.float()
        visual = span.visual
        deep = list(span.deep)
        # No attention mask, ever: causality against the cache is derived from its lengths, and a mask of the chunk's
        # length would hide the newest keys.
        output = self._decoder(
            inputs_embeds=span.embeds[None],
            position_ids=span.positions[:, None],
            past_key_values=cache,
            use_cache=True,
            visual_pos_masks=visual[None] if deep else None,
            deepstack_visual_embeds=deep or None,
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
            cursor=Cursor(last, video=cursor.video, units=cursor.units),
            deep=(),
        )


def _queries(block: Any, hidden: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotated queries [heads, m, D] of rows [m, d] as they enter a layer."""
    from transformers.models.qwen3_vl.modeling_qwen3_vl import apply_rotary_pos_emb

    attention = block.self_attn
    rows = attention.q_proj(block.input_layernorm(hidden[None]))
    query = attention.q_norm(rows.unflatten(-1, (-1, attention.head_dim))).transpose(1, 2)
    rotated: Tensor = apply_rotary_pos_emb(query, query, cos, sin)[0][0]
    return rotated
