"""Answering questions about one video with a model that is already loaded, for those who call vtc from Python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from vtc_cli.jobs.events import Events
from vtc_cli.jobs.questions import Question
from vtc_cli.jobs.run import Record, Runner
from vtc_cli.jobs.settings import Settings

if TYPE_CHECKING:
    from vtc_cli.models.contract import VideoLM


def answer_video(
    model: VideoLM, source: str, questions: Sequence[Question], settings: Settings, events: Events | None = None
) -> Iterator[Record]:
    """Records of all questions about one video, watched once. Raises VtcError when it cannot be read.

    model: as `load_model` returns it. The record of each answer has the schema `vtc.answer/1`.
    """
    runner = Runner(replace(settings, model=model.info.name), events, model=model)
    clip = runner.open(source)
    try:
        yield from runner.answer(clip, questions)
    finally:
        clip.close()
