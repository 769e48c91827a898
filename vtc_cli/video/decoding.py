"""From packets to trustworthy pictures with times: damage, the container's clock, seeking."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import av

from vtc_cli.video.container import Opened, reason
from vtc_cli.video.sampling import ON_TIME

if TYPE_CHECKING:
    from av import VideoFrame

HEALED = 300
JUMP = 1.0
COARSEST_ROUNDING = 0.0005  # seconds: half of Matroska's millisecond


@dataclass
class Trouble:
    """What went wrong while decoding: the first reason, and how many pictures could not be trusted after it.

    ended: the container could not be read further. jumped: its clock went back, and was carried on.
    """

    reason: str | None = None
    skipped: int = 0
    ended: bool = False
    jumped: bool = False

    def note(self, words: str) -> None:
        self.reason = self.reason or words
        self.skipped += 1

    def clear(self) -> None:
        self.reason, self.skipped, self.ended, self.jumped = None, 0, False, False


def pictures(opened: Opened, trouble: Trouble) -> Iterator[VideoFrame]:
    """Decoded pictures in showing order, from where the container stands; damaged ones are left out.

    After a packet that cannot be decoded, what follows is built on what is missing, so pictures are skipped until
    the next intact keyframe, or for `HEALED` pictures: streams refreshed piecemeal have no keyframes. A container
    that cannot be read further ends the iteration, after the pictures the decoder still holds. libav's errors are
    not raised: `trouble` tells.
    """
    suspect = 0  # pictures still not to be trusted
    packets = opened.container.demux(opened.track)
    packet = None
    while not trouble.ended:
        decoded: list[VideoFrame] = []
        try:
            packet = next(packets)
        except (StopIteration, av.error.EOFError):
            return
        except (av.error.FFmpegError, OSError) as error:
            trouble.note(reason(error))
            trouble.ended = True
            decoded = _flush(opened)
        else:
            try:
                decoded = packet.decode()
            except av.error.EOFError:
                return
            except (av.error.FFmpegError, OSError) as error:
                trouble.note(reason(error))
                suspect = HEALED
                continue
        for picture in decoded:
            if picture.is_corrupt:
                trouble.note("damaged picture")
                suspect = HEALED
            elif suspect and not picture.key_frame:
                trouble.skipped += 1
                suspect -= 1
            else:
                suspect = 0
                yield picture


def _flush(opened: Opened) -> list[VideoFrame]:
    try:
        return list(opened.track.decode(None))
    except (av.error.FFmpegError, OSError):
        return []


@dataclass(frozen=True)
class Clock:
    """Seconds from the first picture.

    origin: the first picture's container time in ticks of `tick` seconds, None when pictures carry no time and
    `step` seconds per picture are assumed.
    """

    origin: int | None
    tick: Fraction
    step: float

    @property
    def assumed(self) -> bool:
        return self.origin is None

    @property
    def slack(self) -> float:
        """Rounding of this clock, for `Pacer`: half a tick, but no more than Matroska's (coarser ones are exact)."""
        return min(max(float(self.tick) / 2, ON_TIME), COARSEST_ROUNDING) + ON_TIME

    def ticks(self, time: float) -> int:
        """Container time of a moment in the clip."""
        return (self.origin or 0) + round(time / self.tick)

    def timed(self, source: Iterator[VideoFrame], trouble: Trouble) -> Iterator[tuple[float, VideoFrame]]:
        """Pictures with their times, from the clip's first picture where times are assumed.

        A picture without a time is placed one step after the one before it. A clock that goes back by more than
        `JUMP` seconds has been set anew (recordings joined end to end, a camera restarted): it is carried on from
        the picture before, or sampling would wait for it to catch up and lose what is shown meanwhile.
        """
        last, carried = -self.step, 0.0
        for number, picture in enumerate(source):
            stamp = picture.pts if picture.pts is not None else picture.dts
            if self.origin is None:
                time = number * self.step
            elif stamp is None:
                time = last + self.step
            else:
                time = (stamp - self.origin) * self.tick.numerator / self.tick.denominator + carried
                if time < last - JUMP:
                    trouble.jumped = True
                    carried += last + self.step - time
                    time = last + self.step
            last = time
            yield time, picture


def clock_of(opened: Opened, first: VideoFrame) -> Clock:
    """The clock of a container whose first picture is `first`."""
    track = opened.track
    rate = track.codec_context.framerate or track.guessed_rate or track.average_rate
    step = float(1 / rate) if rate else 1 / 25  # 25: what libav assumes for a raw stream that declares nothing
    tick = first.time_base or track.time_base or Fraction(1, 1000)
    return Clock(first.pts if first.pts is not None else first.dts, tick, step)


def pictures_from(
    opened: Opened, clock: Clock, time: float, trouble: Trouble, linear: bool = False
) -> Iterator[tuple[float, VideoFrame]]:
    """Timed pictures in order, the first of them at or before `time` (or the clip's first).

    Seeks to the keyframe before `time`; containers without an index may land late, then it goes back further.
    `linear`, and where times are assumed: everything is decoded from the start, there is nothing to seek by.
    """
    back = 0.0
    while not (linear or clock.assumed) and time - back > 0:
        if not _seek(opened, clock.ticks(time - back)):
            break
        found = clock.timed(pictures(opened, trouble), trouble)
        first = next(found, None)
        if first is not None and first[0] <= time + ON_TIME:
            yield first
            yield from found
            return
        trouble.clear()
        back = max(1.0, back * 4)
    opened.rewind()
    yield from clock.timed(pictures(opened, trouble), trouble)


def _seek(opened: Opened, ticks: int) -> bool:
    try:
        opened.container.seek(ticks, stream=opened.track, backward=True)
    except (av.error.FFmpegError, OSError):
        return False
    return True
