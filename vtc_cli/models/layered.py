"""A decoder run layer by layer, so that rows may leave the sequence, or pass layers by, between them.

The arithmetic is the library's own: the same modules in the same order on the same values, so a policy that changes
nothing gives the same bits. What differs is that every layer has a mask of its own, made from its own cache's length,
since layers after one where rows left hold fewer entries than those before it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.masking_utils import create_causal_mask

from vtc_cli.methods.stages import LayerPolicy, LayerRows, Route
from vtc_cli.models.contract import Span

Query = Callable[[Any, Tensor, Tensor, Tensor], Tensor]
"""(layer, rows [m, d] as they entered it, cos, sin) -> rotated queries [heads, m, D]."""


@dataclass(frozen=True)
class _Ran:
    """One layer after it ran. hidden: [1, m, d], what went in; index: int64 [m], which rows of the span they were."""

    block: nn.Module
    hidden: Tensor
    index: Tensor
    cos: Tensor
    sin: Tensor
    cache: Any
    number: int


def run_layers(decoder: Any, span: Span, cache: Any, policy: LayerPolicy | None) -> Tensor:
    """Append `span` to `cache` under `policy`; the state [d] of the last row still there, after the final norm.

    decoder: a transformers text model with `layers`, `rotary_emb`, `norm` and `config`, whose attention is causal over
    everything cached.
    All rows leaving, which only a span without text can suffer, gives a state that is not a number.
    """
    blocks, query = decoder.layers, _queries_of(decoder)
    hidden = span.embeds[None]
    axes = span.positions  # [1, n] is a batch of one already
    cos, sin = decoder.rotary_emb(hidden, axes[:, None] if len(axes) > 1 else axes)
    index = torch.arange(len(span), device=hidden.device)
    ordinal = span.visual.cumsum(0) - 1  # of a visual row among the visual rows, as DeepStack levels are stored
    acts = frozenset(policy.acts_at(len(blocks)) if policy else ())
    masks: dict[tuple[object, ...], Any] = {}
    before: _Ran | None = None
    for number, block in enumerate(blocks):
        route = Route()
        if policy and number in acts:
            route = policy.enter(_rows(span, number, len(blocks), block, hidden, index, before, query))
        if route.stay is not None:
            index, hidden = index[route.stay], hidden[:, route.stay]
        if route.hidden is not None:
            hidden = route.hidden[None].to(hidden)
        part, at = hidden, index
        if route.through is not None:
            part, at = hidden[:, route.through], index[route.through]
        angles = (cos, sin) if len(at) == len(span) else (cos[:, at], sin[:, at])
        before = _Ran(block, part, at, *angles, cache, number)
        if len(at):
            running = _rows(span, number, len(blocks), block, part, at, None, query)
            with policy.around(running) if policy and number in acts else nullcontext():
                output = block(
                    part,
                    attention_mask=_mask(decoder.config, part, cache, number, masks),
                    position_ids=None,
                    past_key_values=cache,
                    position_embeddings=angles,
                )
            if route.gate is not None:
                output = part + route.gate.to(output)[None, :, None] * (output - part)
            hidden = output if route.through is None else hidden.index_copy(1, route.through, output)
        if number < len(span.deep):
            seen = span.visual[index]
            hidden = hidden.clone()
            hidden[:, seen] = hidden[:, seen] + span.deep[number][ordinal[index[seen]]].to(hidden)
    if not len(index):
        return hidden.new_full((hidden.shape[-1],), float("nan"))
    last: Tensor = decoder.norm(hidden)[0, -1]
    return last


def _queries_of(decoder: Any) -> Query:
    """How the layers of a text model make queries."""
    library: Any = sys.modules[type(decoder).__module__]  # every text model has functions of the same names there

    def queries(block: Any, hidden: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        attention = block.self_attn
        rows = attention.q_proj(block.input_layernorm(hidden[None])).unflatten(-1, (-1, attention.head_dim))
        norm = getattr(attention, "q_norm", None)
        query = (rows if norm is None else norm(rows)).transpose(1, 2)
        rotated: Tensor = library.apply_rotary_pos_emb(query, query, cos, sin)[0][0]
        return rotated

    return queries


def _mask(config: Any, part: Tensor, cache: Any, number: int, made: dict[tuple[object, ...], Any]) -> Any:
    """The causal mask of a layer over its own cache; layers of equal lengths share one."""
    rows = part.shape[1]
    size = (rows, cache.get_mask_sizes(rows, number), cache.get_query_offset(number))
    if size not in made:
        # No positions: with gaps in them the library would see packed sequences.
        made[size] = create_causal_mask(
            config=config, inputs_embeds=part, attention_mask=None, past_key_values=cache, layer_idx=number
        )
    return made[size]


def _rows(
    span: Span,
    number: int,
    layers: int,
    block: nn.Module,
    hidden: Tensor,
    index: Tensor,
    before: _Ran | None,
    query: Query,
) -> LayerRows:
    def attention(rows: Tensor) -> Tensor:
        if before is None:
            raise ValueError(f"layer {number} has no layer before it whose attention could be read")
        return _received(before, index, rows, query)

    return LayerRows(
        layer=number,
        layers=layers,
        block=block,
        hidden=hidden[0],
        positions=span.positions[:, index],
        unit=span.unit[index],
        patch=span.patch[index],
        attention=attention,
    )


def _received(before: _Ran, index: Tensor, rows: Tensor, query: Query) -> Tensor:
    """fp32 [heads, q, n]: what the n rows `index` of the span received in a layer from `rows` of them."""
    ran, asking = before.index, index[rows]
    place = torch.searchsorted(ran, asking)
    if not len(ran) or not bool((ran[place.clamp(max=len(ran) - 1)] == asking).all()):
        raise ValueError("a row that did not run through the layer before paid no attention in it")
    held = before.cache.get_mask_sizes(0, before.number)[0]
    keys = before.cache.layers[before.number].keys[0, :, :held]
    angles = (part[:, place].to(keys.device) for part in (before.cos, before.sin))  # the layer may be on another GPU
    queries = query(before.block, before.hidden[0, place], *angles)
    heads, count, width = queries.shape
    attention: Any = before.block.self_attn
    scores = (queries.reshape(keys.shape[0], -1, width) @ keys.transpose(-1, -2)).float() * attention.scaling
    first = held - len(ran)
    later = (torch.arange(held, device=index.device) > (first + place)[:, None]).to(keys.device)
    weights = scores.view(heads, count, held).masked_fill(later, float("-inf")).softmax(-1).to(index.device)
    found = torch.searchsorted(ran, index).clamp(max=len(ran) - 1)
    return weights[:, :, first + found] * (ran[found] == index)
