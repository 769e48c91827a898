"""Which clips, key frames and events come of which film."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from vtc_mm_mem import revisits
from vtc_mm_mem.builder import Builder
from vtc_mm_mem.events import Closing
from vtc_mm_mem.gate import Cutter
from vtc_mm_mem.manager import Manager

from tests.mm_mem.fakes import BLACK, Narration, built, moments, noisy, scenes, texture
from vtc_cli import VideoError
from vtc_cli.memory import ClipRow, CoverageRow, EventRow, FrameRow, MemoryStore, ProtoRow, RevisitRow

A, B, C = texture(1), texture(2), texture(3)
QUIET = Closing(words=False)


def pan() -> list[np.ndarray]:
    """A camera that turns slowly over a wide landscape: neighbours are alike, distant frames are not."""
    rng = np.random.default_rng(7)
    steps = rng.normal(0, 1, (130, 32, 32, 3)).cumsum(0)
    wide = np.stack([steps[place] for place in range(120)])
    wide = wide / np.abs(wide).max(axis=(1, 2, 3), keepdims=True)
    return [127 + 120 * picture for picture in wide]


def fade(count: int) -> list[np.ndarray]:
    return [A + (B - A) * place / (count - 1) for place in range(count)]


def summed(store: MemoryStore) -> Counter[str]:
    return Counter(
        "N" if clip.action == "ADD_NEW" else "M" if clip.action == "MERGE" else clip.action_reason
        for clip in store.rows(ClipRow)
    )


def check_partition(store: MemoryStore, duration: float) -> None:
    """Every second belongs to one event or to noise, and every clip has been decided about."""
    rows = store.rows(CoverageRow, order="t0")
    assert rows[0].t0 == 0.0
    assert rows[-1].t1 == pytest.approx(duration, abs=1e-3)
    assert all(one.t1 == other.t0 for one, other in pairwise(rows))
    assert sum(row.t1 - row.t0 for row in rows) == pytest.approx(duration, abs=1e-3)
    clips = store.rows(ClipRow, order="t0")
    assert all(one.t1 == other.t0 for one, other in pairwise(clips))
    for clip in clips:
        assert (clip.event_id is None) == (clip.action_reason == "noise")
    events = store.rows(EventRow, order="id")
    assert [event.t0 for event in events] == sorted(event.t0 for event in events)
    for event in events:
        plain = [clip for clip in clips if clip.event_id == event.id and clip.action != "DISCARD"]
        assert plain[-1].t1 - event.t0 <= 120 + 1e-6
        assert len(plain) + event.n_redundant == sum(clip.event_id == event.id for clip in clips)


@pytest.mark.parametrize(
    ("film", "clips", "keys", "events", "actions"),
    [
        ([A], 1, 1, 1, {"N": 1}),
        ([A, A], 1, 1, 1, {"N": 1}),
        (scenes((A, 600)), 60, 60, 1, {"N": 1, "redundant": 59}),
        ([texture(100 + place) for place in range(60)], 30, 60, 10, {"N": 10, "M": 20}),
        (scenes(*[(A, 3), (B, 3)] * 20), 40, 40, 1, {"N": 1, "M": 1, "redundant": 38}),
        (scenes((BLACK, 5), (A, 60)), 7, 7, 2, {"N": 2, "redundant": 5}),
        (scenes((A, 30), (BLACK, 3), (B, 30)), 7, 7, 2, {"N": 2, "noise": 1, "redundant": 4}),
        (scenes((BLACK, 60)), 6, 6, 1, {"N": 1, "redundant": 5}),
        (scenes(*[(texture(place), 15) for place in range(40)]), 80, 80, 40, {"N": 40, "redundant": 40}),
        (fade(60), 6, None, 1, {"N": 1, "M": 5}),
        (pan(), 12, None, 1, {"N": 1, "M": 11}),
    ],
    ids=["one", "two", "still", "cuts", "a-b", "black first", "black within", "black", "scenes", "fade", "pan"],
)
def test_films(tmp_path: Path, film, clips, keys, events, actions) -> None:
    film = list(film)
    cutter = Cutter()
    raw = [over for moment in moments(film) if (over := cutter.push(moment)) is not None]
    last = cutter.end(float(len(film)))
    candidates = [len(clip.key_frames()) for clip in [*raw, *([last] if last else [])]]
    with built(tmp_path / "i", film, closing=QUIET) as store:
        assert len(store.rows(ClipRow)) == len(candidates) == clips
        assert sum(candidates) == (keys or sum(candidates))
        assert len(store.rows(EventRow)) == events
        assert summed(store) == actions
        check_partition(store, len(film))


def test_noise_of_a_still_camera_is_one_event(tmp_path: Path) -> None:
    with built(tmp_path / "i", noisy(scenes((A, 300)), 4), closing=QUIET) as store:
        assert summed(store) == {"N": 1, "redundant": 29}
        assert len(store.rows(FrameRow)) <= 4  # of the one clip that was kept
        check_partition(store, 300)


def test_scenes_with_noise_end_where_they_end(tmp_path: Path) -> None:
    film = noisy(scenes(*[(texture(place), 15) for place in range(12)]), 3)
    with built(tmp_path / "i", film, closing=QUIET) as store:
        assert [event.t0 for event in store.rows(EventRow)] == [15.0 * place for place in range(12)]


def test_a_dark_beginning_is_marked_and_noise_is_no_event(tmp_path: Path) -> None:
    with built(tmp_path / "i", scenes((BLACK, 5), (A, 30), (BLACK, 3), (B, 30)), closing=QUIET) as store:
        assert [event.low_info for event in store.rows(EventRow)] == [True, False, False]
        noise = [(row.t0, row.t1) for row in store.rows(CoverageRow) if row.event_id is None]
        assert noise == [(35.0, 38.0)]


def test_both_sides_of_an_alternation_are_prototypes(tmp_path: Path) -> None:
    with built(tmp_path / "i", scenes(*[(A, 3), (B, 3)] * 20), closing=QUIET) as store:
        frames = {frame.id: frame.pts for frame in store.rows(FrameRow)}
        assert sorted(frames[proto.frame_id] for proto in store.rows(ProtoRow)) == [0.0, 3.0]


def test_the_end_of_a_fade_is_among_the_prototypes(tmp_path: Path) -> None:
    with built(tmp_path / "i", fade(60), closing=QUIET) as store:
        frames = {frame.id: frame.pts for frame in store.rows(FrameRow)}
        assert max(frames[proto.frame_id] for proto in store.rows(ProtoRow)) >= 50


def test_what_comes_again_is_linked(tmp_path: Path) -> None:
    with built(tmp_path / "i", scenes((A, 20), (B, 20), (A, 20), (C, 20)), closing=QUIET) as store:
        assert [(row.event_id, row.earlier_id) for row in store.rows(RevisitRow, order="event_id")] == [(3, 1)]


def test_the_earliest_of_those_alike_is_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revisits, "BLOCK", 2)  # whichever block of events it is in
    film = scenes((A, 20), (B, 20), (A, 20), (B, 20), (C, 20), (A, 20))
    with built(tmp_path / "i", film, closing=QUIET) as store:
        found = [(row.event_id, row.earlier_id, row.cos) for row in store.rows(RevisitRow, order="event_id")]
        assert found == [(3, 1, 1.0), (4, 2, 1.0), (6, 1, 1.0)]


@pytest.mark.parametrize(
    ("film", "clips", "events", "actions"),
    [
        (lambda: scenes((A, 3600)), 360, 1, {"N": 1, "redundant": 359}),
        (lambda: noisy(scenes(*[(texture(place), 15) for place in range(80)]), 3), 160, 80, {"N": 80, "redundant": 80}),
        (lambda: (texture(100 + place) for place in range(900)), 450, 150, {"N": 150, "M": 300}),
    ],
    ids=["still", "scenes", "cuts"],
)
def test_long_films(tmp_path: Path, film, clips, events, actions) -> None:
    """Cuts in every frame attain the bounds: a clip every two seconds, an event every six, and no frame is lost."""
    with built(tmp_path / "i", film(), closing=QUIET) as store:
        assert len(store.rows(ClipRow)) == clips
        assert len(store.rows(EventRow)) == events
        assert summed(store) == actions
        if clips == 450:
            assert store.one("SELECT COUNT(*) FROM frame") == (900,)
        check_partition(store, {360: 3600.0, 160: 1200.0, 450: 900.0}[clips])


def test_one_odd_frame_is_not_lost_among_its_neighbours(tmp_path: Path) -> None:
    with built(tmp_path / "i", scenes((A, 100), (B, 1), (A, 99)), closing=QUIET) as store:
        assert 100.0 in [frame.pts for frame in store.rows(FrameRow)]
        frames = {frame.id: frame.pts for frame in store.rows(FrameRow)}
        assert 100.0 in [frames[proto.frame_id] for proto in store.rows(ProtoRow)]
        assert len(store.rows(EventRow)) == 1


def test_no_frame_is_no_memory(tmp_path: Path) -> None:
    with MemoryStore.create(tmp_path / "i", {}) as store:
        builder = Builder(store, Narration(), Manager(), Closing())
        with pytest.raises(VideoError, match="no decodable frame"):
            builder.finish(0.0)


def test_clips_last_ten_seconds_at_any_rate(tmp_path: Path) -> None:
    with built(tmp_path / "i", scenes((A, 125)), fps=5.0, closing=QUIET) as store:
        assert [(clip.t0, clip.t1) for clip in store.rows(ClipRow)] == [(0.0, 10.0), (10.0, 20.0), (20.0, 25.0)]
        check_partition(store, 25.0)
