"""The PyAV reader: streams any container libav knows, and finds single moments by keyframe."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, BinaryIO

from vtc_cli.errors import UsageError, VideoError
from vtc_cli.video.container import Opened, open_container
from vtc_cli.video.decoding import Clock, Trouble, clock_of, pictures, pictures_from
from vtc_cli.video.facts import Facts, facts_of
from vtc_cli.video.frame import ClipInfo, Damage, Frame
from vtc_cli.video.orientation import orientation_of, upright
from vtc_cli.video.sampling import ON_TIME, Pacer
from vtc_cli.video.source import Source
from vtc_cli.video.timecode import format_time

if TYPE_CHECKING:
    from av import VideoFrame

Timed = tuple[float, "VideoFrame"]

# Walking this far forward is never slower than a seek, which decodes from the keyframe before.
WALK_SECONDS = 0.5


class PyavClip:
    """A file, URL or pipe decoded by PyAV. A pipe can be watched once and not be looked back into.

    The first picture is decoded when the clip is opened: it fixes the clock and the orientation, and a source
    without one fails here. Raises VideoError.
    """

    damage: Damage | None = None

    def __init__(
        self,
        source: Source,
        digest: str | None = None,
        pipe: BinaryIO | None = None,
        on_close: Callable[[], None] | None = None,
    ):
        self._source = source
        self._on_close = on_close
        self._once: tuple[Opened, Iterator[VideoFrame], Trouble] | None = None
        self._closed = False
        self._jumped = False  # the container's clock was seen to be set back: seeking by it would mislead
        opened, trouble = open_container(source, pipe), Trouble()
        try:
            running = pictures(opened, trouble)
            first = next(running, None)
            if first is None:
                words = trouble.reason or "the picture track is empty"
                raise VideoError(
                    f"{source.name}: no picture could be decoded ({words})", "Is the file complete? Try another copy."
                )
            trouble.clear()  # a recording that starts between two keyframes is not damaged
            self.clock: Clock = clock_of(opened, first)
            orientation = orientation_of(first)
            self.facts: Facts = facts_of(opened, self.clock, first, orientation)
        except BaseException:
            opened.close()
            raise
        self.seekable = pipe is None and not (source.kind == "url" and self.facts.duration is None)
        if self.seekable:
            running.close()  # type: ignore[attr-defined]
            opened.close()
        else:
            self._once = (opened, _again(first, running), trouble)
        facts = self.facts
        self.info = ClipInfo(
            source=source.name,
            digest=digest,
            duration=facts.duration,
            size=facts.size,
            codec=facts.codec,
            fps=facts.fps,
            reader=f"pyav {version('av')}",
            times="assumed" if self.clock.assumed else "container",
            rotation=orientation.rotation,
            audio_tracks=len(facts.audio),
            subtitle_tracks=len(facts.subtitles),
        )

    @property
    def local(self) -> bool:
        """Is this a file on this machine?"""
        return self._source.kind == "file"

    @property
    def path(self) -> str:
        """Path or URL that is decoded."""
        return self._source.target

    def last_time(self) -> float:
        """Seconds of the last picture that can really be decoded, found by decoding the end of the file."""
        begin = self.facts.duration or 0.0
        opened = open_container(self._source)
        try:
            last = 0.0
            for last, _ in pictures_from(opened, self.clock, begin, Trouble()):  # noqa: B007
                pass
            return last
        finally:
            opened.close()

    def packet_times(self) -> list[float]:
        """Seconds of every picture in showing order, from the packets alone: the file is read, nothing decoded."""
        opened = open_container(self._source)
        try:
            stamps = sorted({p.pts for p in opened.container.demux(opened.track) if p.pts is not None})
        finally:
            opened.close()
        origin, tick = self.clock.ticks(0.0), self.clock.tick
        return [(stamp - origin) * tick.numerator / tick.denominator for stamp in stamps if stamp >= origin]

    def frames(self, fps: float, start: float = 0.0, end: float | None = None) -> Iterator[Frame]:
        """See `Clip.frames`. Only frames that are emitted are converted to RGB."""
        pacer = Pacer(fps, start, end, self.clock.slack)
        self._check_open()
        return self._watch(pacer)

    def _watch(self, pacer: Pacer) -> Iterator[Frame]:
        trouble = Trouble()
        self.damage = None
        with self._running(pacer.start, trouble) as (timed, trouble):
            reached, length = 0.0, 0.0
            harmed_at: float | None = None
            for time, picture in timed:
                if trouble.reason is not None and not trouble.ended:
                    harmed_at = reached if harmed_at is None else harmed_at
                    self._report(harmed_at, trouble, went_on=True)
                self._jumped = self._jumped or trouble.jumped
                if pacer.over(time):
                    return
                reached, length = time, self._length(picture)
                if pacer.wants(time):
                    yield Frame(time, upright(picture, self.facts.orientation))
            if trouble.reason is not None:
                harmed_at = reached if harmed_at is None else harmed_at
                self._report(harmed_at, trouble, went_on=harmed_at < reached)
            else:
                self.damage = self.cut_off(reached, length)

    def at(self, times: Sequence[float]) -> Iterator[Frame]:
        """See `Clip.at`. Times before the first frame give the first, times after the last give the last."""
        self._check_open()
        if any(not math.isfinite(time) for time in times):
            raise UsageError(f"{self._source.name}: times to look at must be finite numbers")
        if not self.seekable:
            raise VideoError(
                f"{self._source.name}: a stream cannot be read again, so no single moment can be looked up",
                "Save the stream to a file first.",
            )
        return self._look(list(times))

    def _look(self, times: list[float]) -> Iterator[Frame]:
        opened, trouble = open_container(self._source), Trouble()
        try:
            timed: Iterator[Timed] | None = None
            now: Timed | None = None
            ahead: Timed | None = None
            for time in times:
                if timed is None or now is None or time < now[0] - ON_TIME or self._far(opened, ahead, time):
                    trouble.clear()
                    timed = pictures_from(opened, self.clock, max(time, 0.0), trouble, self._jumped)
                    now, ahead = next(timed, None), next(timed, None)
                    if now is None:
                        raise VideoError(f"{self._source.name}: no picture could be decoded at {format_time(time)}")
                while ahead is not None and ahead[0] <= time + ON_TIME:
                    now, ahead = ahead, next(timed, None)
                yield Frame(now[0], upright(now[1], self.facts.orientation))
        finally:
            opened.close()

    def _far(self, opened: Opened, ahead: Timed | None, time: float) -> bool:
        """Is seeking cheaper than decoding on from `ahead`?"""
        if ahead is None or self.clock.assumed or time - ahead[0] <= WALK_SECONDS:
            return False
        entries = opened.track.index_entries
        if len(entries):
            keyframe = entries.search_timestamp(self.clock.ticks(time), backward=True)
            if keyframe >= 0:
                return bool(entries[keyframe].timestamp > self.clock.ticks(ahead[0]))
        return True

    def close(self) -> None:
        """See `Clip.close`."""
        self._closed = True
        once, self._once = self._once, None
        if once is not None:
            once[0].close()
        if self._on_close is not None:
            self._on_close()

    def _check_open(self) -> None:
        if self._closed:
            raise VideoError(f"{self._source.name}: this clip has been closed")

    @contextmanager
    def _running(self, start: float, trouble: Trouble) -> Iterator[tuple[Iterator[Timed], Trouble]]:
        """Timed pictures from `start`, closing what was opened for them."""
        if self.seekable:
            opened = open_container(self._source)
            try:
                yield pictures_from(opened, self.clock, start, trouble, self._jumped), trouble
            finally:
                opened.close()
            return
        once, self._once = self._once, None
        if once is None:
            raise VideoError(f"{self._source.name}: a stream can be watched only once", "Save it to a file first.")
        opened, running, trouble = once
        try:
            yield self.clock.timed(running, trouble), trouble
        finally:
            opened.close()

    def _length(self, picture: VideoFrame) -> float:
        """Seconds this picture stays on screen, as far as the container says."""
        return float(picture.duration * self.clock.tick) if picture.duration else self.clock.step

    def cut_off(self, reached: float, length: float | None = None) -> Damage | None:
        """Damage when pictures ended (at `reached`, on screen for `length`) much before the track's declared end."""
        facts = self.facts
        if not facts.proven or facts.duration is None:
            return None
        missing = facts.duration - (reached + (self.clock.step if length is None else length))
        if missing <= max(0.5, 0.02 * facts.duration):
            return None
        return Damage(reached, f"cut off; the file declares {format_time(facts.duration)}")

    def _report(self, time: float, trouble: Trouble, went_on: bool) -> None:
        after = f"{trouble.skipped} pictures skipped" if went_on else "nothing could be read after it"
        self.damage = Damage(time, f"{trouble.reason}; {after}")


def _again(first: VideoFrame, rest: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
    yield first
    yield from rest
