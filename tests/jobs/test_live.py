"""Watching without end: what is asked meanwhile, how fresh answers are, and that nothing grows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import pytest
import torch
from vtc_mm_mem.ladder import Ladder

from vtc_cli.errors import UsageError, VideoError
from vtc_cli.jobs.events import Events
from vtc_cli.jobs.live import LiveWatch, Pace
from vtc_cli.jobs.questions import Question
from vtc_cli.jobs.recalling import MemoryRunner
from vtc_cli.jobs.settings import Settings
from vtc_cli.memory import ClipRow, EventRow, MemoryStore
from vtc_cli.report.validation import problems
from vtc_cli.video.frame import ClipInfo, Damage, Frame

FAST = "mm-mem:tokens=4,captions=none,last=S1"


@dataclass
class Stream:
    """Scenes of 12 seconds, one frame a second, without an end unless `length` says so."""

    length: int | None = None
    still: bool = False
    damage: Damage | None = None

    def __post_init__(self) -> None:
        self.info = ClipInfo("stream", None, None, (64, 64), "none", 1.0, "test")

    def frames(self, fps: float, start: float = 0.0, end: float | None = None) -> Iterator[Frame]:
        for second in count() if self.length is None else range(self.length):
            seed = 0 if self.still else second // 12
            picture = torch.Generator().manual_seed(seed)
            yield Frame(float(second), torch.randint(0, 256, (3, 64, 64), generator=picture, dtype=torch.uint8))

    def at(self, times: Sequence[float]) -> Iterator[Frame]:
        raise AssertionError("a stream is not looked at again")

    def close(self) -> None:
        pass


class Told(Events):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def told(self, text: str) -> None:
        self.lines.append(text)

    warning = told


def watching(model, stream: Stream, *, every: float | None = None, events=None, method=(), keep=86_400.0, **settings):
    return LiveWatch(
        "stream",
        Settings(max_new_tokens=2, method=tuple(method), **settings),
        events,
        model,
        pace=Pace(speed=None, every=every, keep=keep, patience=1.0),
        standing=[Question("what now?")] if every is not None else [],
        opened=lambda: stream,
        live=False,
    )


def while_on(over: bool) -> bool:
    return not over


def nothing() -> None:
    return None


def test_standing_questions_are_asked_by_the_video_and_say_how_fresh(model) -> None:
    watch = watching(model, Stream(21), every=5.0)
    records = list(watch.run(nothing, while_on))
    assert [record["live"]["known"] for record in records] == [5.0, 10.0, 15.0, 20.0]
    assert [record["settings"]["at"] for record in records] == [5.0, 10.0, 15.0, 20.0]
    assert [record["reused"] for record in records] == [False, True, True, True]
    assert len({record["id"] for record in records}) == 4
    for record in records:
        assert problems(record) == []
        assert record["live"]["arrived"] >= record["live"]["known"]
        assert record["live"]["dropped"] == 0


def test_a_question_meanwhile_is_answered_from_what_was_seen_as_if_the_video_ended_there(model) -> None:
    def answer(length: int | None, when: float) -> dict:
        waiting = [Question("what?")]
        watch = watching(model, Stream(length))
        hear = lambda: waiting.pop() if waiting and watch.known == when else None  # noqa: E731
        return next(iter(watch.run(hear, lambda over: True)))

    live, ended = answer(None, 6.0), answer(7, 6.0)
    assert live["answer"] == ended["answer"]
    assert live["evidence"] == ended["evidence"]
    assert live["live"]["known"] == 6.0


def test_a_failed_and_an_interrupted_answer_do_not_stop_the_watching(model) -> None:
    class Impatient(Told):
        asked = 0

        def asking(self, question: Question) -> None:
            self.asked += 1
            if self.asked == 2:
                raise KeyboardInterrupt

    events = Impatient()
    watch = watching(model, Stream(12), every=3.0, events=events)
    waiting = [Question("far " * 3000)]
    records = list(watch.run(lambda: waiting.pop() if waiting else None, while_on))
    assert "reserved for a turn" in records[0]["error"]["message"]
    assert [record["live"]["known"] for record in records[1:]] == [6.0, 9.0]  # that at 3.0 was interrupted
    assert "the answer was interrupted" in events.lines
    assert watch.known == 11.0


def test_an_endless_stream_leaves_sizes_level(model) -> None:
    """The cache, the tables beside it and what waits; at two moments far apart."""
    watch = watching(model, Stream(), every=50.0, budget=_budget(300))
    sizes = []

    def stay(over: bool) -> bool:
        session = watch.session
        if watch.known in (200.0, 400.0) and session is not None:
            context = session._context
            sizes.append((session.kv_bytes, session.context, len(session._tail), len(session.meter.peaks)))
            assert len(context.times) <= context._forget_above <= 2048
        return watch.known is None or watch.known < 400

    records = list(watch.run(nothing, stay))
    assert len(records) == 8
    first, *_, last = sizes
    room = session_room(watch)
    assert max(first[1], last[1]) <= room
    assert last[0] <= first[0] * room / first[1]
    assert last[2:] == first[2:]
    assert records[-1]["evicted"]
    assert all(len(record["timeline"]["time"]) <= 64 for record in records)


@pytest.mark.parametrize("still", [False, True])
def test_the_memory_of_an_endless_stream_stays_level_on_disk(model, tmp_path, monkeypatch, still) -> None:
    monkeypatch.setenv("VTC_HOME", str(tmp_path))
    watch = watching(model, Stream(still=still), method=[FAST], keep=60.0)
    rows: list[tuple[int, int, int]] = []

    def stay(over: bool) -> bool:
        if watch.store is not None and watch.known is not None and watch.known >= 150:
            counts = [len(watch.store.rows(kind)) for kind in (ClipRow, EventRow)]
            pages = watch.store.one("PRAGMA page_count")
            rows.append((*counts, pages[0] if pages else 0))
        return watch.known is None or watch.known < 450

    assert list(watch.run(nothing, stay)) == []
    # An event goes as a whole: what is there goes up and down, and its highest is what must not rise.
    half = len(rows) // 2
    early, late = (tuple(map(max, zip(*part, strict=True))) for part in (rows[:half], rows[half:]))
    assert late[0] <= early[0] + 4
    assert late[1] <= early[1] + 2
    assert late[2] <= early[2] * 1.1
    assert late[0] <= (60 + 120 + 10) / 6 + 1
    assert late[2] * 4096 < 2**20


def test_a_memory_is_whole_while_it_is_written_and_answers(model, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("VTC_HOME", str(tmp_path))
    events = Told()
    watch = watching(model, Stream(41), every=20.0, method=[FAST], events=events)
    records = []
    for record in watch.run(nothing, while_on):
        records.append(record)
        assert watch.store is not None
        with MemoryStore.open(watch.store.path) as other:  # as another process would see it, at any moment
            assert other.one("PRAGMA integrity_check") == ("ok",)
            assert not other.complete
            assert other.one("SELECT MAX(t1) FROM coverage") == (record["live"]["remembered"],)
    assert [record["recall"]["at"] for record in records] == [20.0, 40.0]
    assert all(problems(record) == [] for record in records)
    assert 10.0 <= records[0]["live"]["remembered"] <= 20.0
    path = next(tmp_path.glob("live-*-stream/index.sqlite"))
    assert f"remembering into {path}" in events.lines
    with MemoryStore.open(path) as kept:
        assert kept.complete
        assert kept.one("SELECT MIN(t0), MAX(t1) FROM coverage") == (0.0, 41.0)


def test_the_newest_frame_is_known_though_its_unit_waits_for_another(model, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("VTC_HOME", str(tmp_path))
    newest, plain = [], MemoryRunner.reply

    def reply(self, *words, sampled, **more):
        newest.append(sampled(0.0, 100.0)[-1].time)
        return plain(self, *words, sampled=sampled, **more)

    monkeypatch.setattr(MemoryRunner, "reply", reply)
    watch = watching(model, Stream(9), every=1.0, method=[FAST])
    known = [record["live"]["known"] for record in watch.run(nothing, while_on)]
    assert newest == known == [float(second) for second in range(1, 9)]


def test_what_is_shown_now_is_looked_at(model, tmp_path, monkeypatch) -> None:
    """The clip that runs is in no row yet: its frames are those that were kept."""
    monkeypatch.setenv("VTC_HOME", str(tmp_path))
    seen, plain = [], Ladder.run

    def run(self):
        found = plain(self)
        seen.append(found.trace[-1].frames)
        return found

    monkeypatch.setattr(Ladder, "run", run)
    watch = watching(model, Stream(9), every=4.0, method=["mm-mem:tokens=4,captions=none,gate=0"])
    list(watch.run(nothing, while_on))
    assert [frames[0] for frames in seen] == [0.0, 0.0]
    assert [frames[-3:] for frames in seen] == [(2.0, 3.0, 4.0), (6.0, 7.0, 8.0)]


def test_a_question_before_the_first_clip_is_over(model, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("VTC_HOME", str(tmp_path))
    watch = watching(model, Stream(6), every=2.0, method=["mm-mem:tokens=4,captions=none"])
    records = list(watch.run(nothing, while_on))
    assert [record["error"] for record in records] == [None, None]
    assert [record["live"]["remembered"] for record in records] == [0.0, 0.0]


def test_a_source_that_fails_leaves_a_finished_memory(model, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("VTC_HOME", str(tmp_path))

    class Breaks(Stream):
        def frames(self, fps: float, start: float = 0.0, end: float | None = None) -> Iterator[Frame]:
            yield from super().frames(fps)
            raise VideoError("stream: broken")

    watch = watching(model, Breaks(13), method=[FAST])
    with pytest.raises(VideoError, match="broken"):
        list(watch.run(nothing, while_on))
    with MemoryStore.open(next(tmp_path.glob("live-*/index.sqlite"))) as kept:
        assert kept.complete


def test_a_source_without_a_frame_leaves_no_memory(model, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("VTC_HOME", str(tmp_path))

    class Fails(Stream):
        def frames(self, fps: float, start: float = 0.0, end: float | None = None) -> Iterator[Frame]:
            raise VideoError("stream: no picture")
            yield

    with pytest.raises(VideoError, match="no picture"):
        list(watching(model, Fails(), method=[FAST]).run(nothing, while_on))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": ("hiprune++",)}, "use `hiprune`"),
        ({"method": ("hiprune++", "mm-mem")}, "use `hiprune`"),
        ({"end": 5.0, "method": ("nothing-like-it",)}, "nothing-like-it"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_opened(model, options, said) -> None:
    with pytest.raises(UsageError) as raised:
        LiveWatch("stream", Settings(**options), None, model, opened=lambda: pytest.fail("opened"))
    assert said in f"{raised.value.message} {raised.value.hint}"


@pytest.mark.parametrize(("pace", "asked"), [({"every": 5.0}, False), ({}, True)])
def test_questions_and_their_interval_go_together(model, pace, asked) -> None:
    standing = [Question("what?")] if asked else []
    with pytest.raises(UsageError, match=r"how often|no question"):
        LiveWatch("stream", Settings(), None, model, pace=Pace(**pace), standing=standing)


@pytest.mark.parametrize("wrong", [{"every": 0.0}, {"keep": -1.0}, {"every": float("nan")}, {"speed": 0.0}])
def test_impossible_paces_are_refused(wrong) -> None:
    with pytest.raises(UsageError, match="must be above 0"):
        Pace(**wrong)


def session_room(watch: LiveWatch) -> int:
    """Entries that the cache may hold, its pinned beginning among them."""
    session = watch.session
    assert session is not None
    assert session.allowance is not None
    return session.allowance.entries + session._context.slab.pinned


def _budget(entries: int):
    from vtc_cli.jobs.amounts import parse_budget

    return parse_budget(str(entries))
