"""Batched forwards over a Qwen3-VL's own weights, for training.

The library's tower loops over segments and its decoder builds masks for every call; at these widths that
overhead, not arithmetic, is the cost. In training every unit of a batch has the same grid and every
sequence the same layout, so attention is one batched product. Numerically the same model (tested).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Past = Sequence[tuple[Tensor, Tensor]]  # keys and values [B, kv_heads, P, width] of every layer


@dataclass(frozen=True)
class Blocks:
    """The two block functions, plain or compiled."""

    tower: Any
    decoder: Any

    @staticmethod
    def choose(compiled: bool) -> Blocks:
        """Compiled blocks fuse what is not a matrix product: about twice as fast here, after a minute to compile.

        The decoder's sequence lengths differ from batch to batch, so its code is made for any length; with and without
        a past, gradients, one film and several, it is a dozen variants.
        """
        if not compiled:
            return Blocks(tower_block, decoder_block)
        torch._dynamo.config.recompile_limit = 32
        return Blocks(torch.compile(tower_block), torch.compile(decoder_block, dynamic=True))


def _linear(layer: Any, x: Tensor) -> Tensor:
    bias = None if layer.bias is None else layer.bias.to(x.dtype)
    return F.linear(x, layer.weight.to(x.dtype), bias)


def _layer_norm(layer: Any, x: Tensor) -> Tensor:
    return F.layer_norm(x, layer.normalized_shape, layer.weight.to(x.dtype), layer.bias.to(x.dtype), layer.eps)


def _rms_norm(layer: Any, x: Tensor) -> Tensor:
    return F.rms_norm(x, (x.shape[-1],), layer.weight.to(x.dtype), layer.variance_epsilon)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


def patch_rows(frames: Tensor, patch: int, merge: int) -> Tensor:
    """Pixels to patch rows in merge order. frames: [B, 2, 3, H, W] -> [B, patches, 3 * 2 * patch * patch]."""
    batch, pair, channels, height, width = frames.shape
    rows, columns = height // (patch * merge), width // (patch * merge)
    x = frames.reshape(batch, pair, channels, rows, merge, patch, columns, merge, patch)
    x = x.permute(0, 3, 6, 4, 7, 2, 1, 5, 8)
    return x.reshape(batch, rows * columns * merge * merge, channels * pair * patch * patch)


def patch_places(grid: tuple[int, int], merge: int) -> Tensor:
    """Row and column of every patch in merge order: int64 [2, patches]. grid: (rows, columns) of tokens."""
    rows, columns = grid
    row = torch.arange(rows)[:, None, None, None] * merge + torch.arange(merge)[None, None, :, None]
    column = torch.arange(columns)[None, :, None, None] * merge + torch.arange(merge)[None, None, None, :]
    shape = (rows, columns, merge, merge)
    return torch.stack([row.expand(shape).reshape(-1), column.expand(shape).reshape(-1)])


def _place_embedding(table: Tensor, places: Tensor, extent: tuple[int, int]) -> Tensor:
    """Bilinear look-up, corners aligned, of a square learned grid: [patches, D]. extent: patches (down, across)."""
    side = int(table.shape[0] ** 0.5)
    parts = []
    for axis in (0, 1):
        at = places[axis].float() * (side - 1) / max(extent[axis] - 1, 1)
        low = at.floor().long().clamp(max=side - 1)
        parts.append((low, (low + 1).clamp(max=side - 1), (at - low)[:, None]))
    (r0, r1, fr), (c0, c1, fc) = parts
    top = table[r0 * side + c0] * (1 - fc) + table[r0 * side + c1] * fc
    bottom = table[r1 * side + c0] * (1 - fc) + table[r1 * side + c1] * fc
    return top * (1 - fr) + bottom * fr


def see(tower: Any, rows: Tensor, grid: tuple[int, int], blocks: Blocks) -> tuple[Tensor, list[Tensor]]:
    """The vision tower on whole units: tokens [B, n, d] and DeepStack rows, each [B, n, d].

    rows: [B, patches, inputs] normalised pixels in the working dtype.
    """
    config, dtype, batch = tower.config, rows.dtype, rows.shape[0]
    merge = config.spatial_merge_size
    places = patch_places(grid, merge).to(rows.device)
    weight = tower.patch_embed.proj.weight.flatten(1).to(dtype)
    x = F.linear(rows, weight, tower.patch_embed.proj.bias.to(dtype))
    extent = (grid[0] * merge, grid[1] * merge)
    x = x + _place_embedding(tower.pos_embed.weight, places, extent).to(dtype)
    cos, sin = (part.to(dtype) for part in tower.rotary_pos_emb(x, places.mT.contiguous()))
    deep = []
    for index, layer in enumerate(tower.blocks):
        x = blocks.tower(layer, x, cos, sin, config.num_heads)
        if index in config.deepstack_visual_indexes:
            merger = tower.deepstack_merger_list[list(config.deepstack_visual_indexes).index(index)]
            deep.append(_merge(merger, x, batch))
    return _merge(tower.merger, x, batch), deep


def tower_block(layer: Any, x: Tensor, cos: Tensor, sin: Tensor, heads: int) -> Tensor:
    """One vision block on [B, T, D]; written-out attention, which beats the fused kernel at T = 256 on a CPU."""
    batch, length, width = x.shape
    attention = layer.attn
    qkv = _linear(attention.qkv, _layer_norm(layer.norm1, x)).view(batch, length, 3, heads, width // heads)
    q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
    q, k = _rotate(q, cos, sin), _rotate(k, cos, sin)
    weights = ((q * attention.scaling) @ k.mT).softmax(-1)
    x = x + _linear(attention.proj, (weights @ v).transpose(1, 2).reshape(batch, length, width))
    mlp = layer.mlp
    return x + _linear(mlp.linear_fc2, mlp.act_fn(_linear(mlp.linear_fc1, _layer_norm(layer.norm2, x))))


def _merge(merger: Any, x: Tensor, batch: int) -> Tensor:
    if merger.use_postshuffle_norm:
        x = _layer_norm(merger.norm, x.reshape(batch, -1, merger.hidden_size))
    else:
        x = _layer_norm(merger.norm, x).reshape(batch, -1, merger.hidden_size)
    return _linear(merger.linear_fc2, F.gelu(_linear(merger.linear_fc1, x)))


def read(
    decoder: Any,
    embeds: Tensor,
    positions: Tensor,
    mask: Tensor,
    visual: Tensor,
    deep: Sequence[Tensor],
    blocks: Blocks,
    taps: Sequence[int] = (),
    past: Past = (),
) -> tuple[Tensor, list[Tensor], Past]:
    """The decoder on sequences of one layout: hidden states [B, L, d] after the final norm, and after as many layers as
    each of `taps` says; and what has been read by now.

    embeds: [B, L, d]; positions: int64 [3, B, L]; mask: [B, 1, 1, L, P + L] added to the logits; visual: int64 [m]
    columns of `embeds` that hold visual rows; deep: [B, m, d] each, added after the first layers; past: of P columns
    read before.
    """
    x, tapped, kept = embeds, {}, []
    cos, sin = (part[:, None] for part in decoder.rotary_emb(x, positions))
    config = decoder.config
    for index, layer in enumerate(decoder.layers):
        before = past[index] if past else None
        x, *cached = blocks.decoder(
            layer, x, cos, sin, mask, config.num_attention_heads, config.num_key_value_heads, before
        )
        kept.append((cached[0], cached[1]))
        if index < len(deep):
            x = x.index_add(1, visual, deep[index])
        if index + 1 in taps:
            tapped[index + 1] = x
    return _rms_norm(decoder.norm, x), [tapped[tap] for tap in taps], kept


@torch.no_grad()
def remember(
    decoder: Any,
    embeds: Tensor,
    positions: Tensor,
    visual: Tensor,
    deep: Sequence[Tensor],
    blocks: Blocks,
    chunk: int = 1024,
) -> Past:
    """What `read` keeps of a long beginning that nothing is learnt from, `chunk` columns at a time.

    Shapes are those of `read`. Nothing is kept for a backward pass, and no mask is larger than a chunk by what is read.
    """
    past: Past = ()
    for begin in range(0, embeds.shape[1], chunk):
        end = min(begin + chunk, embeds.shape[1])
        mask = embeds.new_full((end - begin, end), float("-inf")).triu(begin + 1)[None, None, None]
        held = (visual >= begin) & (visual < end)
        rows = [level[:, held] for level in deep]
        part = embeds[:, begin:end], positions[..., begin:end], mask, visual[held] - begin, rows
        past = read(decoder, *part, blocks, past=past)[2]
    return past


def decoder_block(
    layer: Any,
    x: Tensor,
    cos: Tensor,
    sin: Tensor,
    mask: Tensor,
    heads: int,
    kv_heads: int,
    past: tuple[Tensor, Tensor] | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """One decoder layer on [B, L, d]; grouped query attention written out, the groups folded into the rows.

    past: keys and values [B, kv_heads, P, width] of columns read before. Returns those of P + L columns as well.
    """
    batch, length, _ = x.shape
    attention = layer.self_attn
    width, group = attention.head_dim, heads // kv_heads
    h = _rms_norm(layer.input_layernorm, x)
    q = _rms_norm(attention.q_norm, _linear(attention.q_proj, h).view(batch, length, heads, width)).transpose(1, 2)
    k = _rms_norm(attention.k_norm, _linear(attention.k_proj, h).view(batch, length, kv_heads, width)).transpose(1, 2)
    v = _linear(attention.v_proj, h).view(batch, length, kv_heads, width).transpose(1, 2)
    q, k = _rotate(q, cos, sin), _rotate(k, cos, sin)
    if past is not None:
        k, v = torch.cat([past[0], k], dim=2), torch.cat([past[1], v], dim=2)
    q = (q * attention.scaling).reshape(batch, kv_heads, group, length, width)
    weights = (q @ k[:, :, None].mT + mask).softmax(-1)
    out = (weights @ v[:, :, None]).reshape(batch, heads, length, width)
    x = x + _linear(attention.o_proj, out.transpose(1, 2).reshape(batch, length, heads * width))
    h = _rms_norm(layer.post_attention_layernorm, x)
    mlp = layer.mlp
    return x + _linear(mlp.down_proj, F.silu(_linear(mlp.gate_proj, h)) * _linear(mlp.up_proj, h)), k, v
