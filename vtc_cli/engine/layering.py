"""Running a layer policy inside forwards, and holding it to what it promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from vtc_cli.engine.prune import needs_of
from vtc_cli.engine.slab import Slab
from vtc_cli.errors import UsageError, VtcError
from vtc_cli.methods.stages import LayerPolicy, LayerRows, Route
from vtc_cli.models.contract import DecoderDims, ModelInfo, VideoLM
from vtc_cli.models.registry import cannot

Kind = Literal["prefill", "question", "decode"]


class Layering:
    """A layer policy and a model that runs it.

    Raises UsageError at once when the family cannot run layer policies, or the policy does not fit the model.
    """

    def __init__(self, policy: LayerPolicy, model: VideoLM):
        self.policy = policy
        self._acts = layers_acted_at(policy, model.info)
        if not model.runs_layer_policies:
            raise UsageError(
                f"the {model.info.family} family does not run layer policies, so not {type(policy).__name__}",
                "leave out the layer policy, or prune tokens before the decoder instead",
            )
        self._dims = model.info.decoder
        policy.reset()

    def over(self, slab: Slab, kind: Kind) -> Pass:
        """What a model is given for one forward over `slab`."""
        return Pass(self.policy, self._acts, self._dims, slab, kind)


def layers_acted_at(policy: LayerPolicy, info: ModelInfo, name: str | None = None) -> frozenset[int]:
    """The layers of a model where a policy acts. name: what the user calls it.

    Raises UsageError when it has options that this model cannot have, acts where there is no layer, or needs something
    that a layer policy cannot be given.
    """
    called = f"method `{name}`" if name else type(policy).__name__
    needs = needs_of(policy, info, name)
    if needs:
        raise UsageError(f"{called} needs `{min(needs)}`, which a layer policy cannot be given")
    if why := cannot(info.family, "layers"):
        raise UsageError(
            f"{called} is a layer policy, and the {info.family} family runs none: {why}",
            "leave it out, or prune tokens before the decoder instead",
        )
    layers = info.decoder.layers
    acts = frozenset(policy.acts_at(layers))
    beyond = sorted(acts - set(range(layers)))
    if beyond:
        raise UsageError(f"{called} acts at layer {beyond[0]}, and {info.name} has layers 0 to {layers - 1}")
    return acts


class Pass(LayerPolicy):
    """A policy during one forward: its routes are checked, each layer's cache is told which rows are coming.

    ran: rows that ran through each layer. flops: what the policy computed for its own ends.
    """

    def __init__(self, policy: LayerPolicy, acts: frozenset[int], dims: DecoderDims, slab: Slab, kind: Kind):
        self.ran = [0] * dims.layers
        self.flops = 0
        self._policy, self._acts, self._dims, self._slab, self._kind = policy, acts, dims, slab, kind

    def acts_at(self, layers: int) -> range:
        return range(layers)

    def enter(self, rows: LayerRows) -> Route:
        """The policy's route, checked. Raises VtcError when it breaks its contract."""
        if rows.layer not in self._acts:
            return Route()
        name = f"{type(self._policy).__name__} at layer {rows.layer}"
        try:
            route = self._policy.enter(replace(rows, kind=self._kind, attention=self._counted(rows)))
        except VtcError:
            raise
        except ValueError as error:
            raise VtcError(f"{name}: {error}: this is a bug in the method") from error
        problem = check_route(route, rows)
        if problem:
            raise VtcError(f"{name} {problem}: this is a bug in the method")
        self.flops += route.flops
        return route

    @contextmanager
    def around(self, rows: LayerRows) -> Iterator[None]:
        self.ran[rows.layer] = len(rows.unit)
        self._slab.blocks[rows.layer].labels = rows.unit, rows.patch, rows.positions
        inner: AbstractContextManager[None] | None = None
        if rows.layer in self._acts:
            inner = self._policy.around(replace(rows, kind=self._kind))
        if inner is None:
            yield
            return
        with inner:
            yield

    def _counted(self, rows: LayerRows) -> Callable[[Tensor], Tensor]:
        dims = self._dims

        def attention(asking: Tensor) -> Tensor:
            paid = rows.attention(asking)
            entries = self._slab.blocks[rows.layer - 1].held
            self.flops += 2 * len(asking) * dims.heads * dims.head_dim * (dims.hidden + entries)
            return paid

        return attention


def check_route(route: Route, rows: LayerRows) -> str | None:
    """How `route` breaks the contract of a layer policy, None if it does not."""
    text = rows.patch < 0
    count = len(text)
    if route.stay is not None:
        problem = _check_choice(route.stay, count, text)
        if problem:
            return f"lets rows leave wrongly: {problem}"
        text, count = text[route.stay], len(route.stay)
    if route.hidden is not None:
        if route.hidden.shape != (count, rows.hidden.shape[1]):
            return f"gives states of {list(route.hidden.shape)}, not [{count}, {rows.hidden.shape[1]}]"
        if not bool(torch.isfinite(route.hidden).all()):
            return "gives states that are not numbers"
    if route.through is not None:
        problem = _check_choice(route.through, count, text)
        if problem:
            return f"lets rows pass the layer by wrongly: {problem}"
        count = len(route.through)
    if route.gate is not None and route.gate.shape != (count,):
        return f"gives a gate of {list(route.gate.shape)}, not [{count}]"
    return None


def _check_choice(chosen: Tensor, count: int, text: Tensor) -> str | None:
    if chosen.dtype != torch.int64 or chosen.ndim != 1:
        return f"indices are {chosen.dtype} {list(chosen.shape)}, not int64 [k]"
    ascending = bool((chosen[1:] > chosen[:-1]).all())
    if not ascending or (len(chosen) and (int(chosen[0]) < 0 or int(chosen[-1]) >= count)):
        return f"indices are not ascending, unique and below {count}"
    if int(text[chosen].sum()) != int(text.sum()):
        return "text rows must stay and run through every layer"
    return None
