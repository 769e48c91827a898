"""What a run is made of before it starts: methods, the model that `auto` means, sizes of its steps."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vtc_cli.engine.budget import one_budget
from vtc_cli.errors import UsageError
from vtc_cli.jobs.settings import Settings
from vtc_cli.methods.registry import Chosen, choose, choose_all
from vtc_cli.methods.stages import CachePolicy
from vtc_cli.models.device import AS_ASKED
from vtc_cli.models.registry import AUTO

if TYPE_CHECKING:
    from vtc_cli.models.contract import VideoLM

DEFAULT_CACHE = "window"
DEFAULT_MEMORY = "mm-mem"
STAGES = ("pruner", "layers", "cache")
QUESTION_ROOM = 1024  # cache entries kept free for a question, besides those of its answer
AHEAD_BYTES = 128 * 2**20  # of pictures that may wait for the model


def methods_of(settings: Settings, *, question_known: bool = True) -> dict[str, Chosen]:
    """The methods to run, by stage, the default cache policy among them. Raises UsageError.

    question_known: whether questions are there before the video is watched; where they come later, a method that
    looks at them is refused.
    """
    chosen = choose_all(settings.method)
    for stage, method in chosen.items():
        if stage == "memory":
            raise UsageError(
                f"method `{method.name}` is a memory, and this command does not answer from one",
                "`vtc ask --memory` does, and `vtc index` makes it",
            )
        if stage not in STAGES:
            raise UsageError(
                f"method `{method.name}` fills the stage `{stage}`, which answering does not run yet",
                f"choose methods of the stages {', '.join(STAGES[:-1])} and {STAGES[-1]}",
            )
        if not question_known and method.method.by_question():
            from vtc_cli.engine.prune import question_unknown

            raise question_unknown(method.method, f"method `{method.name}`")
    if "cache" not in chosen:
        chosen["cache"] = choose(DEFAULT_CACHE)
    policy = chosen["cache"].method
    if settings.budget is not None and isinstance(policy, CachePolicy):
        one_budget(settings.budget.amount, policy.asked_budget)
    return chosen


def from_memory(settings: Settings) -> bool:
    """Whether questions are to be answered from a memory: a method of that stage is chosen."""
    return "memory" in choose_all(settings.method)


def with_memory(settings: Settings, *, wanted: bool, evidence: bool, plan: bool) -> Settings:
    """The same settings with a memory chosen, if one is `wanted` and none is.

    Raises UsageError for what only goes with a memory (`at`, `subs`, `evidence`) and what does not (`plan`).
    """
    chosen = from_memory(settings)
    if plan and (wanted or chosen):
        raise UsageError("--dry-run plans what is watched for one question, not a memory", "leave --memory out")
    needing = [("--at", settings.at is not None), ("--subs", settings.subs is not None), ("--evidence", evidence)]
    for flag, given in needing:
        if given and not (wanted or chosen):
            raise UsageError(f"{flag} goes with a memory", "add --memory")
    if wanted and not chosen:
        return replace(settings, method=(*settings.method, DEFAULT_MEMORY))
    return settings


def split_memory(settings: Settings) -> tuple[Chosen, Settings]:
    """The memory that is chosen, the default one if none is, and the settings of what watches beside it.

    Raises UsageError for methods that do not exist or exclude each other.
    """
    specs = list(settings.method)
    chosen = choose_all(specs)
    memory = chosen.get("memory")
    if memory is None:
        return choose(DEFAULT_MEMORY), settings
    rest = tuple(spec for spec in specs if spec.strip() == "none" or choose(spec).stage != "memory")
    return memory, replace(settings, method=rest)


def resolve_model(settings: Settings, reason: str = AS_ASKED) -> tuple[Settings, str]:
    """The same settings with the model that `auto` stands for on this machine, and why; `reason` when it is not `auto`.

    Raises MachineError when none fits.
    """
    if settings.model != AUTO or settings.revision is not None:
        return settings, reason
    from vtc_cli.models.auto import choose_here

    choice = choose_here(settings.device, settings.dtype)
    return replace(settings, model=choice.id), choice.reason


def load_for(settings: Settings, name_reason: str) -> VideoLM:
    """The model of `settings`, loaded as they say. name_reason: why this model. Raises MachineError, UsageError."""
    from vtc_cli.models import load_model

    return load_model(
        settings.model,
        revision=settings.revision,
        device=settings.device,
        dtype=settings.dtype,
        attention=settings.attention,
        trust_remote_code=settings.trust_remote_code,
        quantize=settings.quantize,
        adapter=settings.adapter,
        device_map=settings.device_map,
        max_memory=settings.max_memory,
        compile=settings.compile,
        name_reason=name_reason,
    )


def turn_room(question: int, settings: Settings) -> int:
    """Cache entries kept free for a turn. question: rows of the longest question that will be asked."""
    return max(QUESTION_ROOM, question) + settings.max_new_tokens


def default_chunk(device: str) -> int:
    """Units per forward. Answers do not depend on it; an accelerator needs more of them to be busy."""
    return 4 if device.startswith("cpu") else 8


def frames_ahead(wanted: int, size: tuple[int, int]) -> int:
    """How many frames may wait: what one step takes, within `AHEAD_BYTES`. size: of a waiting picture, pixels."""
    return max(2, min(wanted, AHEAD_BYTES // (3 * size[0] * size[1] or 1)))
