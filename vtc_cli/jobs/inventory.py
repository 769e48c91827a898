"""What is on this machine: models known by name, cached or local, without loading or downloading any."""

from __future__ import annotations

import difflib
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from vtc_cli.errors import MachineError, UsageError, VtcError
from vtc_cli.models.catalog import PUBLISHED, RECOMMENDED, TINY_FOLDER, ModelFacts, catalog, facts_of
from vtc_cli.models.recognise import WHOLE
from vtc_cli.models.registry import FAMILIES, GENERIC, TINY, Family, family_named, no_checkpoint


def model_rows() -> list[dict[str, Any]]:
    """Every model known by name, with where it is (`bundled`, `cached` or `on the Hub`) and whether it `fits` here."""
    return [{**_counted(facts).as_json(), "where": _where(facts.id), "fits": _fit(facts)} for facts in catalog()]


def known_by_name() -> set[str]:
    """Hub ids whose cost is known without their files."""
    return {facts.id for facts in (*RECOMMENDED, *PUBLISHED)}


def family_rows() -> list[dict[str, Any]]:
    """The architectures that run, and the stages whose methods run on them."""
    return [_family_row(family) for family in (*FAMILIES, GENERIC)]


def family_row(name: str) -> dict[str, Any] | None:
    """The architecture of that name, or of that `model_type`; None when there is none."""
    family = family_named(name)
    return None if family is None else _family_row(family)


def _family_row(family: Family) -> dict[str, Any]:
    return {**asdict(family), "stages": list(family.stages)}


def refused_rows() -> dict[str, str]:
    """Types that have no family because they cannot run, and why."""
    return dict(WHOLE)


def model_row(name: str) -> dict[str, Any]:
    """One model: known by name, a local folder, or a Hub id whose files are in the cache.

    Raises UsageError for a name nobody knows, MachineError for one that is not on this machine.
    """
    facts = find_facts(name)
    return {**_counted(facts).as_json(), "where": _where(name), "fits": _fit(facts)}


def _counted(facts: ModelFacts) -> ModelFacts:
    """The same facts with `tokens_per_frame`, where the files that tell it are here."""
    if facts.tokens_per_frame is not None:
        return facts
    if facts.id == TINY:  # without the model library, which takes seconds to import
        from vtc_cli.models.preprocess import Preprocessor

        settings = Preprocessor.read(TINY_FOLDER)
        return replace(facts, tokens_per_frame=settings.geometry(_FRAME).tokens / settings.temporal)
    from vtc_cli.models.device import Placement
    from vtc_cli.models.sketch import outline

    try:
        drawn = outline(checkpoint_folder(facts.id), Placement("cpu", "", "float32", ""), facts.id, facts.parameters)
        tokens = drawn.geometry(_FRAME).tokens / drawn.info.frames_per_unit
    except VtcError:
        return facts
    return replace(facts, tokens_per_frame=round(tokens, 2))


_FRAME = (1280, 720)


def _fit(facts: ModelFacts) -> dict[str, Any]:
    """device: that `auto` takes. dtype: the one in which the model fits its free memory now, None where none does.
    needs: bytes, in that or in the smallest one: weights, a cache of 16,384 tokens, room to work."""
    from vtc_cli.models.auto import needed_bytes
    from vtc_cli.models.device import available_memory, pick_device, pick_dtype

    device, _ = pick_device()
    free = available_memory(device)
    usual, _ = pick_dtype("auto", device, facts.parameters, free)
    for dtype in (usual, "bfloat16"):
        if (needs := needed_bytes(facts, dtype)) <= free:
            return {"device": device, "dtype": dtype, "needs": needs}
    return {"device": device, "dtype": None, "needs": needs}


def find_facts(name: str, revision: str | None = None) -> ModelFacts:
    """Facts about a model without loading it; the same errors as `model_row`."""
    if not name.strip():
        raise UsageError("the name of the model is empty", "`vtc models` lists what runs")
    if name == TINY:
        return facts_of(TINY_FOLDER, TINY)
    if why := WHOLE.get(name):
        raise MachineError(f"{name} does not run: {why}", "`vtc models` lists what runs")
    for facts in (*RECOMMENDED, *PUBLISHED):
        if facts.id == name:
            return facts
    folder = checkpoint_folder(name, revision)
    return facts_of(folder, name)


def checkpoint_folder(name: str, revision: str | None = None) -> Path:
    """The folder that holds a model's files on this machine. Never touches the network. Raises as `model_row`."""
    if name == TINY:
        return TINY_FOLDER
    if os.path.isdir(folder := os.path.expanduser(name)):
        return Path(folder)
    if cached := cached_folder(name, revision):
        return cached
    if wrong := no_checkpoint(name):
        raise UsageError(*wrong)
    known = [TINY, *(facts.id for facts in (*RECOMMENDED, *PUBLISHED)), *(family.name for family in FAMILIES)]
    others = [other for other in known if other != name]
    close = [other for other in others if other.startswith(name)]
    close += difflib.get_close_matches(name, others, n=1, cutoff=0.8)
    if "/" not in name or name.startswith((".", "/", "~")):
        raise UsageError(
            f"there is no model {name!r}: no folder of that name, and not a Hub id",
            f"did you mean {close[0]!r}?" if close else "`vtc models` lists what runs",
        )
    fetch = f"`vtc models pull {name}`, or --model {TINY}"
    raise MachineError(
        f"the configuration of {name} is not on this machine",
        f"did you mean {close[0]!r}?" if close and name not in known else fetch,
    )


def cached_folder(name: str, revision: str | None = None) -> Path | None:
    """The snapshot of a Hub id in the local cache, None when its configuration is not there."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, "config.json", revision=revision)
    except HFValidationError:
        return None
    return Path(found).parent if isinstance(found, str) else None


def _where(name: str) -> str:
    if name == TINY:
        return "bundled"
    if os.path.isdir(os.path.expanduser(name)):
        return "local folder"
    return "cached" if cached_folder(name) else "on the Hub"
