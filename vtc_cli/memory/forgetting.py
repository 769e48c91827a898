"""Letting go of the oldest part of a memory, so that one of a stream without end stays level on disk."""

from __future__ import annotations

from vtc_cli.memory.store import MemoryStore


def forget_before(store: MemoryStore, time: float) -> int:
    """Remove events that were over before `time` (seconds), with all that belongs to them, and stretches of noise.

    An event goes as a whole or not at all, and the newest stays; of that, clips that showed nothing new go, as a still
    scene may last for ever. The file keeps its size and fills the room again.
    Returns how many events went. The key `forgotten` of `meta` then says until when nothing is known.
    """
    gone = (
        "SELECT id FROM event WHERE t1 <= ? AND status NOT IN ('open', 'closing') AND id < (SELECT MAX(id) FROM event)"
    )
    with store.transaction():
        events = [row[0] for row in store.all(f"{gone} ORDER BY id", (time,))]
        for event in events:
            clips = "SELECT id FROM clip WHERE event_id = ?"
            store.run("DELETE FROM event_proto WHERE event_id = ?", (event,))
            store.run(f"DELETE FROM frame WHERE clip_id IN ({clips})", (event,))
            store.run("DELETE FROM clip WHERE event_id = ?", (event,))
            store.run("DELETE FROM coverage WHERE event_id = ?", (event,))
            store.run("DELETE FROM event WHERE id = ?", (event,))  # its mentions, relations and passages go along
        store.run("DELETE FROM clip WHERE action = 'DISCARD' AND event_id IS NOT NULL AND t1 <= ?", (time,))
        noise = "event_id IS NULL AND t1 <= ?"
        store.run(f"DELETE FROM frame WHERE clip_id IN (SELECT id FROM clip WHERE {noise})", (time,))
        store.run(f"DELETE FROM clip WHERE {noise}", (time,))
        store.run(f"DELETE FROM coverage WHERE {noise}", (time,))
        first = store.one("SELECT MIN(t0) FROM coverage")
        if first is not None and first[0]:
            store.set("forgotten", first[0])
    return len(events)
