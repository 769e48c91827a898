"""What GLM-4.1V and GLM-4.6V, which share their classes, do differently: how the time of a unit is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models.families import spans_of
from tests.models.reference import encode, frames_of
from tests.support.checkpoints import random_pixels
from tests.support.glm_checkpoints import random_glm4v
from vtc_cli import VideoLM, load_model
from vtc_cli.models.qwen import Qwen


@pytest.mark.parametrize(
    ("processor", "words"),
    [("Glm4vProcessor", ["0", "1", "2", "3"]), ("Glm46VProcessor", [f"{n}.0 seconds" for n in range(4)])],
)
def test_times_are_written_as_the_checkpoints_processor_writes_them(
    tmp_path: Path, processor: str, words: list[str]
) -> None:
    folder = random_glm4v(tmp_path / "model", vision_depth=2, processor=processor)
    model: VideoLM = load_model(str(folder), device="cpu", dtype="float32")
    assert isinstance(model, Qwen)
    # Clocks of containers fall short of whole seconds by less than a frame is long.
    frames = frames_of(random_pixels(8, 32, 32), 0.4999999, 0.0)
    units = encode(model, frames, model.geometry((32, 32), 32 * 32))
    written = [model.text(span.ids[~span.visual].tolist()) for span in spans_of(model, units)[1:-1]]
    assert written == words
    plain = [model.around_unit(model._prompt, *unit.span) for unit in units]
    assert plain == [int((~span.visual).sum()) for span in spans_of(model, units)[1:-1]]
