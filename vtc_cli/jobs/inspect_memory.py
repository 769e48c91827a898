"""A video's memory for its picture: the one that is there, or made now."""

from __future__ import annotations

from contextlib import closing

from vtc_cli.jobs.events import Events
from vtc_cli.jobs.recalling import MemoryRunner
from vtc_cli.jobs.settings import Settings
from vtc_cli.memory.showing import facts_of
from vtc_cli.memory.timeline import Timeline, timeline_of
from vtc_cli.report.units import count, size

COUNTED = ("clips", "frames", "events", "concepts", "mentions", "relations", "subtitles")


def memory_seen(source: str, settings: Settings, events: Events) -> tuple[Timeline, dict[str, str]]:
    """What a video's memory holds over time, and facts for the reader of the page.

    settings: with a method of the stage `memory`. Where there is no complete memory, it is made; a model is loaded for
    that only. Raises UsageError as `vtc ask --memory` does, VtcError.
    """
    runner = MemoryRunner(settings, events)
    with closing(runner.open(source)) as clip:
        found = runner.rememberer.find(clip) or runner.remember(clip)
    with closing(found.store) as store:
        facts, made = facts_of(store), store.get("settings", {})
        told = {
            "memory": f"{made.get('memory')}, {size(facts['bytes'])}, {'made now' if found.built else 'found'}",
            "made with": f"{made.get('model')}, {made.get('fps'):g} frames per second",
            "in it": ", ".join(f"{count(facts[name])} {name}" for name in COUNTED if facts[name]),
        }
        return timeline_of(store), told
