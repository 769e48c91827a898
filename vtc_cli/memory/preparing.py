"""What a memory holds before the first frame: words that will be said, each known from when it is said."""

from __future__ import annotations

from collections.abc import Sequence

from vtc_cli.memory.contract import Narrator
from vtc_cli.memory.rows import Passage, SubtitleRow
from vtc_cli.memory.store import MemoryStore
from vtc_cli.memory.subtitles import Subtitle


def prepare(store: MemoryStore, narrator: Narrator, subtitles: Sequence[Subtitle], where: str | None = None) -> None:
    """Write the subtitles and the narrator's space into an empty store, in one transaction. where: they come from."""
    with store.transaction():
        for number, item in enumerate(subtitles, 1):
            store.add(SubtitleRow(number, item.t0, item.t1, item.text))
            vector = narrator.embed(item.text)
            store.add(Passage(number, "subtitle", number, item.t0, item.t1, item.t0, item.text, vector))
        store.set("subtitles", where)
        store.set("embedder", narrator.embedder)
