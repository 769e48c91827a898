"""Taking in a video: moments become clips, clips become events; one transaction each, resumed where they left off."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from vtc_cli import VideoError
from vtc_cli.memory import (
    ClipRow,
    CoverageRow,
    EventRow,
    FrameRow,
    MemoryStore,
    Moment,
    Narrator,
    Resume,
    SubtitleRow,
    encode_jpeg,
)
from vtc_mm_mem.events import Closer, Closing
from vtc_mm_mem.gate import Cutter, Glimpse, RawClip, low_information
from vtc_mm_mem.judging import Decider, Sight
from vtc_mm_mem.manager import Candidate, Manager, Newest


class Builder:
    """See `MemoryBuilder`. pictures: keep key frames as JPEG. decider: what decides about clips; None for the rules."""

    def __init__(
        self,
        store: MemoryStore,
        narrator: Narrator,
        manager: Manager,
        closing: Closing,
        *,
        pictures: bool = True,
        decider: Decider | None = None,
    ):
        self._store = store
        self._manager = manager
        self._closer = Closer(store, narrator, closing)
        self._pictures = pictures
        self._decider = decider
        self._cutter = Cutter()
        self._last: float | None = None
        self.resume: Resume | None = None
        progress = store.get("progress")
        if progress is not None:
            self._go_on(progress)

    def take(self, moment: Moment) -> None:
        """See `MemoryBuilder.take`."""
        over = self._cutter.push(moment)
        if over is not None:
            assert self._last is not None
            self._commit(over, over.t1, {"again": moment.began, "done": self._last, "cutter": self._cutter.mark})
        self._last = moment.time

    def finish(self, duration: float) -> None:
        """See `MemoryBuilder.finish`."""
        running = self._cutter.end(max(duration, (self._last or 0.0) + 1e-3))
        if running is not None:
            self._commit(running, None, None)
        elif self._manager.newest is None:
            raise VideoError(
                "no decodable frame: there is nothing to remember", "`vtc probe` shows what is in the file"
            )
        self._closer.close_all(over=True)

    def _go_on(self, progress: Mapping[str, Any]) -> None:
        self._manager.restore(progress["manager"])
        place = progress["place"]
        if place is None:  # the video had ended; only descriptions may be missing
            self.resume = Resume(math.inf, math.inf)
        else:
            self.resume = Resume(place["again"], place["done"])
            self._cutter = Cutter.at(place["cutter"])
            self._last = place["done"]
        self._closer.close_all(over=place is None)

    def _commit(self, raw: RawClip, seen: float | None, place: dict[str, Any] | None) -> None:
        """One clip and what follows from it. seen: its end, None where the video's end made it."""
        store, manager, keys = self._store, self._manager, raw.key_frames()
        said = store.rows(SubtitleRow, "t0 < ? AND t1 > ?", (raw.t1, raw.t0), "t0, id")
        text = " ".join(row.text for row in said) or None
        low = low_information(keys)
        new_words = any(row.t0 >= raw.t0 for row in said)
        views = tuple(key.moment.vector for key in keys)
        clip = Candidate(raw.t0, raw.t1, raw.cut, low, new_words, raw.vector(), views)
        judge = None
        if self._decider is not None:
            judge = partial(self._decided, clip=clip, keys=keys, text=text, tau=manager.tau())
        before, decision = manager.newest, manager.decide(clip, judge)
        with store.transaction():
            event = None if decision.reason == "noise" else before.id if before is not None else None
            if decision.action == "ADD_NEW":
                event = store.next_id(EventRow)
                if before is not None:
                    closed = "UPDATE event SET closed_at = ?, status = 'closing' WHERE id = ?"
                    store.run(closed, (raw.t1 if seen is not None else None, before.id))
                store.add(EventRow(event, raw.t0, raw.t1, None, None, None, low, 0, "open", None))
                manager.add(event, clip)
            elif decision.action == "MERGE":
                manager.merge_in(clip)
            elif event is not None:
                manager.extend(clip)
            if event is not None and decision.action != "ADD_NEW":
                redundant = decision.action == "DISCARD"
                store.run(
                    "UPDATE event SET t1 = ?, n_redundant = n_redundant + ? WHERE id = ?", (raw.t1, redundant, event)
                )
            number = self._add_clip(raw, clip, decision, text, event, seen)
            if decision.action != "DISCARD":
                self._add_frames(number, keys)
            self._cover(raw, event)
            if place is None:
                store.run("UPDATE event SET status = 'closing' WHERE status = 'open'")
            store.set("progress", {"manager": manager.state(), "place": place})
            store.set("progress_pts", raw.t1)
        self._closer.close_all(over=place is None)

    def _decided(
        self, event: Newest, clip: Candidate, keys: Sequence[Glimpse], text: str | None, tau: float
    ) -> str | None:
        assert self._decider is not None
        count = self._store.one("SELECT COUNT(*) FROM clip WHERE event_id = ?", (event.id,))
        return self._decider.decide(Sight(event, count[0] if count else 0, clip, keys, text, tau))

    def _add_clip(
        self, raw: RawClip, clip: Candidate, decision: Any, text: str | None, event: int | None, seen: float | None
    ) -> int:
        number = self._store.next_id(ClipRow)
        spread = max(item.spread for item in raw.key_frames())
        row = ClipRow(
            id=number,
            t0=raw.t0,
            t1=raw.t1,
            cut=raw.cut,
            luma_std=round(spread, 3),
            n_frames=len(raw.glimpses),
            text=text,
            action=decision.action,
            action_reason=decision.reason,
            tau=round(decision.tau, 6),
            event_id=event,
            seen=seen,
            emb=clip.vector,
        )
        self._store.add(row)
        return number

    def _add_frames(self, clip: int, keys: list[Any]) -> None:
        for key in keys:
            height, width = key.moment.image.shape[-2:]
            jpeg = encode_jpeg(key.moment.image) if self._pictures else None
            number = self._store.next_id(FrameRow)
            self._store.add(
                FrameRow(number, clip, key.time, round(key.diff, 4), width, height, jpeg, key.moment.vector)
            )

    def _cover(self, raw: RawClip, event: int | None) -> None:
        """Give the clip's time to its event, or to noise: the last stretch grows, or a new one begins."""
        last = self._store.rows(CoverageRow, "", (), "t0 DESC LIMIT 1")
        if last and last[0].event_id == event and last[0].t1 == raw.t0:
            self._store.run("UPDATE coverage SET t1 = ? WHERE t0 = ?", (raw.t1, last[0].t0))
        else:
            self._store.add(CoverageRow(raw.t0, raw.t1, event))
