"""Snapshots of what a model had in view after watching: made when a video is indexed, looked into when it is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vtc_cli.errors import UsageError
from vtc_cli.jobs.amounts import parse_budget
from vtc_cli.jobs.settings import Settings
from vtc_cli.jobs.setup import methods_of
from vtc_cli.memory.lock import writing
from vtc_cli.memory.snapshot import load_snapshot, save_snapshot, snapshot_of
from vtc_cli.memory.store import MemoryStore
from vtc_cli.methods.registry import Chosen
from vtc_cli.methods.stages import CachePolicy

if TYPE_CHECKING:
    from vtc_cli.engine.session import Session
    from vtc_cli.memory.narrator import SessionLook
    from vtc_cli.models.contract import VideoLM

ENTRIES = 6144
"""Of a layer, where no budget is asked for: what fits a device may be far more than belongs on a disk."""


def bounded(settings: Settings) -> Settings:
    """The settings to watch with for a snapshot: within `ENTRIES` where neither they nor the cache policy say."""
    policy = methods_of(settings, question_known=False)["cache"].method
    asked = settings.budget is not None or (isinstance(policy, CachePolicy) and policy.asked_budget)
    return settings if asked else replace(settings, budget=parse_budget(str(ENTRIES)))


def check_snapshot(model: VideoLM, methods: Mapping[str, Chosen]) -> None:
    """Raise UsageError, before a video is watched, where what is in view cannot be kept."""
    from vtc_cli.engine.kept import check_keepable

    check_keepable(model.info, "layers" in methods)


def watching(settings: Settings) -> dict[str, Any]:
    """What of the settings of watching decides what is in view, and is not the memory's own affair."""
    plain = settings.as_dict()
    return {"method": sorted(spec for spec in settings.method if spec.strip() != "none"), "budget": plain["budget"]}


def has_snapshot(store: MemoryStore, model: VideoLM, settings: Settings) -> bool:
    """Whether there is one of this model, watched with these settings, and whole."""
    from vtc_cli.memory.narrator import model_key

    row = snapshot_of(store)
    if row is None or row.model_key != model_key(model):
        return False
    try:
        return bool(load_snapshot(store)[1] == watching(settings))
    except UsageError:
        return False


def keep_snapshot(store: MemoryStore, model: VideoLM, settings: Settings, watched: Callable[[], Session]) -> None:
    """Put the cache of `watched()` beside a complete memory, unless it is there. store: open for reading.

    Raises MachineError where it cannot be written.
    """
    from vtc_cli.memory.narrator import model_key

    if has_snapshot(store, model, settings):
        return
    kept = watched().keep()
    with writing(store.path.parent), MemoryStore.open(store.path, write=True) as writable:
        save_snapshot(
            writable,
            kept,
            time=store.reaches or 0.0,
            model=model_key(model),
            watching=watching(settings),
        )
        writable.run("PRAGMA wal_checkpoint(TRUNCATE)")


def stored_look(store: MemoryStore, model: VideoLM, settings: Settings, turn: int) -> tuple[SessionLook | None, str]:
    """The look of a snapshot that goes with the model and with what the settings ask for; else why there is none,
    empty where none was made. turn: entries of room for a question and its answer."""
    from vtc_cli.engine.session import Session
    from vtc_cli.memory.narrator import SessionLook, model_key

    row = snapshot_of(store)
    if row is None:
        return None, ""
    if row.model_key != model_key(model):
        return None, f"the snapshot is of {row.model_key} and was not used"
    try:
        kept, how = load_snapshot(store)
        asked, usual = watching(settings), watching(Settings())
        other = [name for name, value in asked.items() if value != usual[name] and value != how.get(name)]
        if other:
            return None, f"the snapshot was watched with another {other[0]} ({how.get(other[0])}) and was not used"
        session = Session.of(model, kept, max_turn=turn)
    except UsageError as error:
        return None, f"{error}; it was not used"
    return SessionLook(session, f"from the snapshot of the cache, {kept.entries:,} entries"), ""
