"""The arithmetic of a run before it happens: frames, tokens, cache, compute, memory. Nothing is decoded or loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from vtc_cli.errors import MachineError
from vtc_cli.jobs.fitting import check_model, draw, entries_per_unit, kept_per_unit
from vtc_cli.jobs.foreseen import Rows, foresee
from vtc_cli.jobs.questions import Question
from vtc_cli.jobs.request import Request
from vtc_cli.jobs.settings import Settings
from vtc_cli.jobs.setup import default_chunk, frames_ahead, methods_of, resolve_model, turn_room
from vtc_cli.jobs.split import Split, split_budget
from vtc_cli.jobs.watched import method_facts
from vtc_cli.methods.stages import CachePolicy
from vtc_cli.models.device import AS_ASKED
from vtc_cli.report.facts import MethodFacts
from vtc_cli.video.sampling import SamplingPlan, plan_sampling

if TYPE_CHECKING:
    from vtc_cli.engine.budget import Allowance
    from vtc_cli.methods.registry import Chosen
    from vtc_cli.models.contract import Geometry, ModelInfo
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
class Memory:
    """Bytes expected at the peak on the device that runs, beside the interpreter and its libraries. working:
    activations of one step, from the widths alone: an estimate. elsewhere: weights on other devices and on disk."""

    weights: int
    cache: int
    frames: int
    working: int
    elsewhere: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return self.weights + self.cache + self.frames + self.working


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
    free, notes = _free(drawn)
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
    memory = _memory(
        plan, settings, drawn, geometry, max(around) + kept, allowance, prefix, turn_room(question, settings)
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


def _memory(
    plan: VideoPlan,
    settings: Settings,
    drawn: Sketch,
    geometry: Geometry,
    rows: int,
    allowance: Allowance,
    prefix: int,
    turn: int,
) -> Memory:
    (height, width), size, info = geometry.size, plan.probe.size, drawn.info
    chunk = settings.chunk or default_chunk(info.device)
    step = chunk * info.frames_per_unit
    each = info.weight_bytes // info.parameters if info.parameters else 4
    patches, new = chunk * geometry.patches, chunk * rows
    tower, decoder = info.tower, info.decoder
    # The widest moment of a layer: input, residual, queries, keys, values, output, and the hidden width of the MLP.
    seeing = patches * (6 * tower.hidden + 2 * tower.intermediate + tower.patch_inputs) * each
    reading = new * (6 * decoder.hidden + 3 * decoder.intermediate) * each + decoder.vocab * 4
    slots = prefix + allowance.entries + turn
    return Memory(
        weights=drawn.weights[info.device],
        cache=slots * info.kv_bytes_per_token + decoder.state_bytes,
        # Pictures wait at the model's size; only the one being decoded is as large as the video's.
        frames=((step + frames_ahead(step, geometry.size) + 1) * height * width + size[0] * size[1]) * 3,
        working=max(seeing, reading),
        elsewhere={place: amount for place, amount in drawn.weights.items() if place != info.device},
    )


def _free(drawn: Sketch) -> tuple[dict[str, int], tuple[str, ...]]:
    """Bytes free on each device that keeps entries once the weights are there, and a note for each they do not fit.

    Such a device counts as if they were not there, so that there is a plan for when there is room.
    """
    from vtc_cli.engine.budget import free_bytes
    from vtc_cli.report.units import size

    found, notes = {}, []
    for place in dict.fromkeys(drawn.info.kv_devices or (drawn.info.device,)):
        free, taken = free_bytes(place), drawn.weights.get(place, 0)
        found[place] = free - taken if taken < free else free
        if taken >= free:
            notes.append(f"weights take {size(taken)}, and {size(free)} are free on {place}: a run would be refused now")
    return found, tuple(notes)
