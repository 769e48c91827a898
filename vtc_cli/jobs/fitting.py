"""Whether the chosen methods can run with a model and a video, told before the model is loaded where that is known."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from vtc_cli.errors import UsageError, VtcError
from vtc_cli.jobs.inventory import checkpoint_folder, find_facts
from vtc_cli.jobs.settings import Settings
from vtc_cli.jobs.setup import DEFAULT_CACHE
from vtc_cli.methods.registry import Chosen
from vtc_cli.methods.stages import CachePolicy, LayerPolicy, Method, TokenPruner
from vtc_cli.models.registry import cannot

if TYPE_CHECKING:
    from vtc_cli.models.contract import ModelInfo
    from vtc_cli.models.device import Placement
    from vtc_cli.models.sketch import Outline, Sketch


def place(settings: Settings, name_reason: str) -> tuple[Placement, int]:
    """Where and how the model of `settings` would be loaded, and how many parameters it has. Raises VtcError.

    An adapter on the Hub is left out, for nothing is downloaded.
    """
    from vtc_cli.models.device import available_memory
    from vtc_cli.models.lora import folder_of
    from vtc_cli.models.placing import pick_placement, with_dtype

    facts = find_facts(settings.model, settings.revision)
    placement = pick_placement(
        device=settings.device,
        dtype=settings.dtype,
        attention=settings.attention,
        quantize=settings.quantize,
        adapter=settings.adapter if settings.adapter and folder_of(settings.adapter) else None,
        device_map=settings.device_map,
        max_memory=settings.max_memory,
        compile=settings.compile,
        name_reason=name_reason,
    )
    return with_dtype(placement, facts.parameters, available_memory(placement.device)), facts.parameters


def draw(settings: Settings, name_reason: str) -> Sketch:
    """The model of `settings` without its weights. Raises VtcError."""
    from vtc_cli.models.sketch import sketch

    folder = checkpoint_folder(settings.model, settings.revision)
    placement, parameters = place(settings, name_reason)
    return sketch(folder, placement, settings.model, parameters)


class Unloaded:
    """A model's configuration, looked up once and only when something is to be checked against it.

    Both are None where it is not here or not readable: whoever loads the model says what is wrong with it.
    """

    def __init__(self, settings: Settings, name_reason: str):
        self._settings = settings
        self._name_reason = name_reason

    @cached_property
    def outline(self) -> Outline | None:
        """Its shape."""
        from vtc_cli.models.sketch import outline

        settings = self._settings
        try:
            folder = checkpoint_folder(settings.model, settings.revision)
            placement, parameters = place(settings, self._name_reason)
            return outline(folder, placement, settings.model, parameters)
        except VtcError:
            return None

    @cached_property
    def sketch(self) -> Sketch | None:
        """Its shape and its prompt."""
        try:
            return draw(self._settings, self._name_reason)
        except VtcError:
            return None


def depends_on_model(methods: Mapping[str, Chosen]) -> bool:
    """Whether any of the methods has options that one model may have and another not."""
    return any(
        chosen.stage == "pruner" or type(chosen.method).needs_on is not Method.needs_on for chosen in methods.values()
    )


def check_model(methods: Mapping[str, Chosen], info: ModelInfo) -> None:
    """Raise UsageError for options of a method that this model cannot have, and for methods that exclude each other."""
    from vtc_cli.engine.cache_needs import check_cache_policy
    from vtc_cli.engine.layering import layers_acted_at
    from vtc_cli.engine.prune import layers_of, needs_of

    thinning = methods.get("pruner") or methods.get("layers")
    for chosen in methods.values():
        method, name = chosen.method, chosen.name
        if isinstance(method, TokenPruner):
            layers_of(needs_of(method, info, name), info.tower, f"method `{name}`")
        elif isinstance(method, LayerPolicy):
            layers_acted_at(method, info, name)
        elif isinstance(method, CachePolicy):
            if (why := cannot(info.family, "cache")) and name != DEFAULT_CACHE:
                raise UsageError(
                    f"method `{name}` is a cache policy, and the {info.family} family runs none: {why}",
                    "leave it out; a pruner makes room",
                )
            other, called = (thinning.method, thinning.name) if thinning else (None, None)
            check_cache_policy(method, info, other, name, called)


def kept_per_unit(methods: Mapping[str, Chosen], tokens: int) -> int:
    """Visual rows of a unit that enter the language model, on average. Raises UsageError when the pruner refuses
    units of that size."""
    from vtc_cli.engine.prune import budget_of

    chosen = methods.get("pruner")
    if chosen is None:
        return tokens
    assert isinstance(chosen.method, TokenPruner)
    budget_of(chosen.method, tokens, chosen.name)
    return chosen.method.average(tokens)


def entries_per_unit(methods: Mapping[str, Chosen], visual: int, info: ModelInfo) -> list[int]:
    """Visual rows of a unit that each decoder layer runs and caches, of `visual` that enter the decoder."""
    chosen, layers = methods.get("layers"), info.decoder.layers
    if chosen is None:
        return [visual] * layers
    assert isinstance(chosen.method, LayerPolicy)
    return list(chosen.method.entries(visual, layers))
