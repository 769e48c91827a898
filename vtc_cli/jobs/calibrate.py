"""Letting a method find the options that suit a model: pictures, the model, the method's own procedure."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vtc_cli.errors import UsageError, VideoError
from vtc_cli.methods.registry import find
from vtc_cli.methods.stages import Calibration, Method

if TYPE_CHECKING:
    from vtc_cli.video.frame import Frame

PER_FILM = 8  # moments of one drawn film
HEIGHT = 384  # of drawn pictures, pixels


@dataclass(frozen=True)
class Calibrated:
    """What a method found out about a model. spec: the method with those options, as `-m` takes it."""

    method: str
    model: str
    source: str
    found: Calibration

    @property
    def spec(self) -> str:
        options = ",".join(f"{key}={value}" for key, value in self.found.options.items())
        return f"{self.method}:{options}" if options else self.method

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        rows = [dict(zip(self.found.columns, row, strict=True)) for row in self.found.rows]
        return {
            "method": self.method,
            "model": self.model,
            "pictures": self.source,
            "options": dict(self.found.options),
            "use": self.spec,
            "measured": rows,
            "notes": list(self.found.notes),
        }


def calibrate(
    name: str, model: str, videos: Sequence[str] = (), pictures: int = 64, device: str = "auto", dtype: str = "auto"
) -> Calibrated:
    """Run the calibration of the method `name` on `model`.

    videos: files to take still pictures from, spread over each, at most one a second; none stands for films drawn for
    the purpose (of the part of the procedural world that training uses, never of the held-out one).
    pictures: how many, in all. Raises UsageError for a method without a calibration before anything is loaded, and
    VtcError where a video or the model cannot be read.
    """
    from vtc_cli.models import load_model

    cls = find(name).load()
    if cls.calibrate.__func__ is Method.calibrate.__func__:  # type: ignore[attr-defined]
        raise UsageError(f"method `{name}` has nothing to calibrate", "`vtc methods` lists the others")
    if pictures < 1:
        raise UsageError(f"pictures must be at least 1, not {pictures}")
    clips = _taken(videos, pictures) if videos else _drawn(pictures)
    loaded = load_model(model, device=device, dtype=dtype)
    # A unit of one picture, repeated: nothing moves in it.
    stills = [[frame for frame in clip for _ in range(loaded.info.frames_per_unit)] for clip in clips]
    try:
        found = cls.calibrate(loaded, stills)
    except ValueError as error:
        raise UsageError(f"method `{name}` cannot be calibrated on {loaded.info.name}: {error}") from error
    count = sum(map(len, clips))
    kind = "video" if videos else "drawn film"
    shown = f"{count} picture{'s' * (count > 1)} of {len(clips)} {kind}{'s' * (len(clips) > 1)}"
    return Calibrated(name, loaded.info.name, shown, found)


def _taken(videos: Sequence[str], pictures: int) -> list[list[Frame]]:
    from vtc_cli.video import open_clip
    from vtc_cli.video.sampling import plan_sampling

    clips = []
    for video in videos:
        with closing(open_clip(video)) as clip:
            plan = plan_sampling(clip.info, max_frames=-(-pictures // len(videos)))
            clips.append(list(plan.frames_of(clip)))
        if not clips[-1]:
            raise VideoError(f"{video}: not one frame could be read")
    return clips


def _drawn(pictures: int) -> list[list[Frame]]:
    import torch

    from vtc_cli.train.world import frame_at, make_film
    from vtc_cli.video.frame import Frame

    clips = []
    for seed in range(-(-pictures // PER_FILM)):
        film = make_film(seed, split="train")
        count = min(PER_FILM, pictures - seed * PER_FILM)
        times = [film.duration * (index + 0.5) / count for index in range(count)]
        size = (HEIGHT, round(HEIGHT * film.aspect))
        images = [torch.from_numpy(frame_at(film, time, size)).permute(2, 0, 1).contiguous() for time in times]
        clips.append([Frame(time, image) for time, image in zip(times, images, strict=True)])
    return clips
