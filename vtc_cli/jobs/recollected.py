"""The record of an answer that was found in a memory, and the pictures it rests on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtc_cli.errors import UsageError
from vtc_cli.jobs.questions import Question
from vtc_cli.memory.contract import Interval, Recollection, Step
from vtc_cli.report.facts import Asked, Evidence, MethodFacts, Outcome, Seconds

if TYPE_CHECKING:
    from vtc_cli.models.contract import ModelInfo
    from vtc_cli.video.frame import ClipInfo, Damage, Frame

Record = dict[str, Any]
MOMENTS = 3  # of evidence, as with other answers


@dataclass(frozen=True)
class Circumstances:
    """What the record says beside the answer.

    memory: the name of the memory's folder. at: answered as of this moment. built: the memory was made in this run.
    decoded: frames for which the video was read again. notes: of the memory itself.
    """

    video: str
    question: Question
    settings: Mapping[str, Any]
    clip: ClipInfo | None
    damage: Damage | None
    model: ModelInfo
    methods: Sequence[MethodFacts]
    memory: str
    at: float | None
    built: bool
    decoded: int
    seconds: Seconds
    notes: Sequence[str] = ()


def recalled_record(recalled: Recollection, about: Circumstances) -> Record:
    """The record `vtc.answer/1` of an answer from a memory."""
    from vtc_cli.report.record import build_record

    question = about.question
    given = question.choices is not None
    outcome = Outcome(
        recalled.answer,
        recalled.posterior.shares if given else None,
        "choices" if given else "stop",
        [Evidence((item.t0 + item.t1) / 2) for item in recalled.intervals[:MOMENTS]],
        (*about.notes, *recalled.notes),
    )
    return build_record(
        video=about.video,
        asked=Asked(question.text, question.choices, question.id),
        settings=about.settings,
        clip=about.clip,
        model=about.model,
        methods=about.methods,
        outcome=outcome,
        damage=about.damage,
        seconds=about.seconds,
        reused=not about.built,
        recall={
            "memory": about.memory,
            "at": about.at,
            "built": about.built,
            **_recalled(recalled),
            "decoded": about.decoded,
        },
    )


def save_frames(
    look: Callable[[Sequence[float]], Iterator[Frame]],
    intervals: Sequence[tuple[float, float]],
    folder: Path,
    stem: str,
) -> list[Path]:
    """Frames of the first intervals as JPEG files, at the video's own size: three of each. Returns their paths.

    look: times -> the frames on screen then (`Clip.at`). stem: how their names begin, made safe for a file name.
    Raises UsageError where the folder cannot be written.
    """
    from vtc_cli.memory.jpeg import encode_jpeg

    stem = re.sub(r"[^\w.-]+", "_", stem) or "video"
    times = [
        round(t0 + share * (t1 - t0), 3)
        for t0, t1 in intervals[:MOMENTS]
        for share in ((0.0, 0.5, 0.95) if t1 > t0 else (0.0,))
    ]
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for frame, at in zip(look(times), times, strict=True):
            path = folder / f"{stem}-{at:09.3f}s.jpg"
            path.write_bytes(encode_jpeg(frame.image))
            written.append(path)
    except OSError as error:
        raise UsageError(
            f"cannot write the evidence to {folder}: {error.strerror or error}", "name another folder"
        ) from None
    return written


def _recalled(found: Recollection) -> dict[str, Any]:
    belief = found.posterior
    return {
        "stage": found.stage,
        "stopped": found.stopped,
        "confidence": round(belief.shares[belief.best] if found.confidence is None else found.confidence, 6),
        "entropy": round(belief.entropy, 6),
        "coverage": round(belief.coverage, 6),
        "supported": found.supported,
        "intervals": [_interval(item) for item in found.intervals],
        "trace": [_step(step) for step in found.trace],
        "calls": found.calls,
        "visual_tokens": found.visual_tokens,
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "stage": step.stage,
        "entropy": round(step.posterior.entropy, 6),
        "coverage": round(step.posterior.coverage, 6),
        "answers": dict(step.answers),
        "posterior": {label: round(share, 6) for label, share in step.posterior.shares.items()},
        "text": step.text,
        "frames": [round(time, 3) for time in step.frames],
        "intervals": [_interval(item) for item in step.intervals],
        "calls": step.calls,
        "visual_tokens": step.visual_tokens,
        "note": step.note,
    }


def _interval(item: Interval) -> dict[str, Any]:
    facts = asdict(item)
    return {**facts, "t0": round(item.t0, 3), "t1": round(item.t1, 3)}
