"""What a cache policy asks for: whether it can be had with a model and beside the other methods."""

from __future__ import annotations

from vtc_cli.engine.prune import needs_of
from vtc_cli.errors import UsageError
from vtc_cli.methods.stages import CachePolicy, Method
from vtc_cli.models.contract import ModelInfo, VideoLM
from vtc_cli.models.rotary import Rotation

QUESTION = "question:"
_KNOWN = {"unrotated", "slots", "whole"}


def check_cache_policy(
    policy: CachePolicy, info: ModelInfo, thinning: Method | None, name: str | None = None, other: str | None = None
) -> frozenset[str]:
    """What `policy` needs on a model. thinning: a method that takes rows out of units before they are in the cache, if
    any. name, other: what the user calls the two.

    Raises UsageError when it has options that this model cannot have, asks for something that a cache policy cannot be
    given, or for whole units beside `thinning`.
    """
    called = f"method `{name}`" if name else type(policy).__name__
    needs = needs_of(policy, info, name)
    for need in sorted(needs - _KNOWN):
        if not need.startswith(QUESTION):
            raise UsageError(f"{called} needs `{need}`, which a cache policy cannot be given", "use another policy")
    if "whole" in needs and thinning is not None:
        beside = f"`{other}`" if other else type(thinning).__name__
        raise UsageError(
            f"{called} needs units with all their rows, as it is set, and {beside} takes rows out of them",
            f"leave {beside} out, or choose other options: `vtc methods {name}`" if name else f"leave {beside} out",
        )
    return needs


def rotation_for(policy: CachePolicy | None, model: VideoLM, layered: bool) -> tuple[Rotation | None, bool]:
    """How keys are rotated, if the policy needs to know, and whether entries may be numbered by slot.

    They may not where a picture's rows share positions (M-RoPE), nor where layers hold different numbers of entries, or
    some of them only the last ones.
    """
    needs = needs_of(policy, model.info) if policy else frozenset()
    if not needs & {"unrotated", "slots"}:
        return None, False
    rotation = model.rotation()
    numbering = "slots" in needs and rotation is not None and rotation.axes == 1 and not layered
    numbering = numbering and not model.info.decoder.windows
    return (rotation if numbering or "unrotated" in needs else None), numbering
