"""A memory in a folder that cannot be written: where it is complete, there is nothing to write."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from vtc_cli.jobs.remembering import Remembered, Rememberer
from vtc_cli.jobs.settings import Settings
from vtc_cli.jobs.snapshots import has_snapshot
from vtc_cli.memory.leftover import found_at
from vtc_cli.memory.place import path_of
from vtc_cli.memory.subtitles import find_subtitles
from vtc_cli.video.frame import Clip

if TYPE_CHECKING:
    from collections.abc import Callable

    from vtc_cli.memory.narrator import ModelNarrator
    from vtc_cli.models.contract import VideoLM


def complete_there(
    rememberer: Rememberer,
    clip: Clip,
    looking: Callable[[], tuple[VideoLM, ModelNarrator]],
    snapshot: Settings | None,
) -> Remembered | None:
    """The memory of a video that is complete, so that remembering would leave it as it is; None where it would write.

    looking: loads the model, which is done for a complete memory only. snapshot: what its snapshot must have been
    watched with; None where none is asked for. Raises UsageError when the memory was made differently.
    """
    source = clip.info.source
    store = found_at(path_of(clip.info))
    if store is None:
        return None
    with ExitStack() as undo:
        undo.callback(store.close)
        if not store.complete:
            return None
        model, narrator = looking()
        subtitles, _ = find_subtitles(source, rememberer.settings.subs)
        wanted = rememberer.content(clip.info, model, narrator, subtitles)
        hint = "ask for the same, or set VTC_HOME to a folder that can be written"
        rememberer.compare(source, store.get("settings", {}), wanted, hint)
        if snapshot is not None and not has_snapshot(store, model, snapshot):
            return None
        undo.pop_all()
    return Remembered(store, built=False)
