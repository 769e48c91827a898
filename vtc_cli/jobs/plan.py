"""The arithmetic of a run before it happens: frames, tokens, cache, compute, memory. Nothing is decoded or loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from vtc_cli.errors import MachineError
from vtc_cli.jobs.fitting import check_model, draw, entries_per_unit, kept_per_unit
from vtc_cli.jobs.foreseen import Rows, foresee
from vtc_cli.jobs.questions import Question
from vtc_cli.jobs.request import Request
from vtc_cli.jobs.room import Memory, free_for_cache, memory_of
from vtc_cli.jobs.settings import Settings
from vtc_cli.jobs.setup import default_chunk, methods_of, resolve_model, turn_room
from vtc_cli.jobs.split import Split, split_budget
from vtc_cli.jobs.watched import method_facts
from vtc_cli.methods.stages import CachePolicy
from vtc_cli.models.device import AS_ASKED
from vtc_cli.report.facts import MethodFacts
from vtc_cli.video.sampling import SamplingPlan, plan_sampling

if TYPE_CHECKING:
    from vtc_cli.methods.registry import Chosen
    from vtc_cli.models.contract import ModelInfo
    from vtc_cli.models.sketch import Sketch
    from vtc_cli.video.probing import Probe


@dataclass(frozen=True)
class Tokens:
    """Rows of one video. units: attention segments; size: (width, height) after resizing.

    per_unit, kept_per_unit: visual rows before and after pruning. video: all rows of the video with time tags and
    markers. prefix, question: rows before the video and of the longest question.
    """

    units: int
    size: tuple[int, int]
    grid: tuple[int, int]
    per_unit: int
    kept_per_unit: int
    visual_in: int
    visual_kept: int
    video: int
    prefix: int
    question: int


@dataclass(frozen=True)
class CachePlan:
    """budget_entries: after the prefix, of any layer. evicted: entries per layer the budget will drop; compactions: how
    often. bytes: of everything held at the most, prefix and one turn included. split: how one budget is spent on tokens
    per unit and on units, None where none was given."""

    policy: str
    budget_entries: int
    reason: str
    bytes_per_token: int
    bytes: int
    evicted: int
    compactions: int
    split: Split | None = None


@dataclass(frozen=True)
class Compute:
    """Analytic FLOPs, causal attention. question: one, up to its first token; token: each one after."""

    vision: int
    prefill: int
    question: int
    token: int


@dataclass(frozen=True)
class VideoPlan:
    """What watching one video would take. The parts after `sampling` are None, with a note, where they are unknown."""

    probe: Probe
    sampling: SamplingPlan
    model: ModelInfo | None = None
    tokens: Tokens | None = None
    cache: CachePlan | None = None
    flops: Compute | None = None
    memory: Memory | None = None
    methods: tuple[MethodFacts, ...] = ()
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values; bytes, seconds, FLOP."""
        parts = {name: getattr(self, name) for name in ("sampling", "tokens", "cache", "flops", "memory")}
        plain: dict[str, Any] = {name: None if part is None else asdict(part) for name, part in parts.items()}
        if self.memory is not None:
            plain["memory"]["total"] = self.memory.total
        model = None
        if self.model is not None:
            names = (
                "name",
                "name_reason",
                "family",
                "device",
                "device_reason",
                "dtype",
                "dtype_reason",
                "parameters",
                "weight_bytes",
            )
            model = {name: getattr(self.model, name) for name in names}
        return {
            "video": self.probe.as_dict(),
            "model": model,
            "methods": [asdict(method) for method in self.methods],
            **plain,
            "notes": list(self.notes),
        }


def plan_request(request: Request, settings: Settings) -> Iterator[VideoPlan]:
    """The plan of every video of a request. Raises VtcError at the first that cannot be planned."""
    settings, reason = resolve_model(settings)
    for source in request.sources:
        yield plan_video(source, settings, request.questions, name_reason=reason)


def plan_video(
    source: str,
    settings: Settings,
    questions: tuple[Question, ...] = (),
    *,
    model_optional: bool = False,
    name_reason: str = AS_ASKED,
) -> VideoPlan:
    """The plan of one video.

    questions: the longest counts; none stands for one of ten words. model_optional: leave the model's part out,
    with a note, when its configuration is not on this machine, instead of raising MachineError. name_reason: why this
    model, where it is not the user's choice. Raises VtcError.
    """
    from vtc_cli.video.open import open_clip
    from vtc_cli.video.probing import probe_clip

    chosen = methods_of(settings)
    clip = open_clip(source, settings.reader)
    try:
        seen, info = probe_clip(clip), clip.info
        sampling = plan_sampling(info, settings.fps, settings.max_frames, settings.start, settings.end)
    finally:
        clip.close()
    plan = VideoPlan(seen, sampling)
    if sampling.frames is None:
        return replace(plan, notes=("the length is unknown, so tokens and memory cannot be predicted",))
    try:
        settings, name_reason = resolve_model(settings, name_reason)
        drawn = draw(settings, name_reason)
    except MachineError as error:
        if not model_optional:
            raise
        return replace(
            plan, notes=(f"no prediction for a model: {error.message}", *([error.hint] if error.hint else []))
        )
    return _complete(plan, drawn, settings, chosen, questions or (Question("what " * 10),))


def _complete(
    plan: VideoPlan, drawn: Sketch, settings: Settings, chosen: dict[str, Chosen], questions: tuple[Question, ...]
) -> VideoPlan:
    from vtc_cli.engine.budget import allow
    from vtc_cli.report import flops
    from vtc_cli.report.flops import Forwards

    info, frames = drawn.info, plan.sampling.frames or 0
    geometry = drawn.geometry(plan.probe.size, settings.pixels)
    check_model(chosen, info)
    chosen, split = split_budget(chosen, settings, drawn, plan.probe.size, plan.sampling)
    kept = kept_per_unit(chosen, geometry.tokens)
    units = -(-frames // info.frames_per_unit)
    around = [drawn.around_unit(*_span(plan.sampling, info, index)) for index in range(units)]
    rows = Rows.of(around, kept, entries_per_unit(chosen, kept, info))
    prefix = drawn.prefix(settings.system)
    question = max(drawn.question(item.text, item.choices) for item in questions)
    policy = chosen["cache"].method
    assert isinstance(policy, CachePolicy)
    free, notes = free_for_cache(drawn)
    allowance = allow(
        info,
        prefix=prefix,
        turn=turn_room(question, settings),
        unit=rows.whole(0),
        asked=_asked(settings, chosen),
        units=units,
        most=policy.most_units(),
        free=free,
    )
    tokens = Tokens(
        units=units,
        size=(geometry.size[1], geometry.size[0]),
        grid=geometry.grid,
        per_unit=geometry.tokens,
        kept_per_unit=kept,
        visual_in=units * geometry.tokens,
        visual_kept=units * kept,
        video=sum(around) + units * kept,
        prefix=prefix,
        question=question,
    )
    chunk = settings.chunk or default_chunk(info.device)
    seen = foresee(rows, prefix, allowance.entries, policy, chunk, question)
    each = info.kv_bytes_per_token
    cache = CachePlan(
        policy=chosen["cache"].name,
        budget_entries=allowance.entries,
        reason=allowance.reason,
        bytes_per_token=each,
        bytes=seen.entries(question + settings.max_new_tokens) * each // info.decoder.layers,
        evicted=seen.evicted,
        compactions=seen.compactions,
        split=split,
    )
    vision = Forwards(rows=units * geometry.patches, square=units * geometry.patches**2)
    compute = Compute(
        vision=flops.tower(info.tower, vision),
        prefill=flops.decoder(info.decoder, seen.work),
        question=flops.decoder(info.decoder, seen.forward(question)),
        token=flops.decoder(info.decoder, seen.forward(1, question)),
    )
    memory = memory_of(
        plan.probe.size, settings, drawn, geometry, max(around) + kept, allowance, prefix, turn_room(question, settings)
    )
    methods = tuple(method_facts(chosen, info))
    return replace(
        plan, model=info, tokens=tokens, cache=cache, flops=compute, memory=memory, methods=methods, notes=notes
    )


def _span(sampling: SamplingPlan, info: ModelInfo, index: int) -> tuple[float, float]:
    first = sampling.start + index * info.frames_per_unit / sampling.fps
    return first, first + (info.frames_per_unit - 1) / sampling.fps


def _asked(settings: Settings, chosen: dict[str, Chosen]) -> int | None:
    if settings.budget is not None:
        return settings.budget.amount
    return chosen["cache"].method.asked_budget or None  # type: ignore[attr-defined]
