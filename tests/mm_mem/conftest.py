"""The command line's fixtures, with a home for memories of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import checkpoint, command, footage, place, process, vtc  # noqa: F401
from tests.mm_mem.fakes import moments, scenes, texture
from tests.support.checkpoints import random_qwen3_vl
from vtc_cli.memory import Inquiry
from vtc_cli.memory.lessons import KeptMoments, Lesson
from vtc_cli.models import load_model


@pytest.fixture
def home(place, monkeypatch) -> Path:  # noqa: F811
    monkeypatch.setenv("VTC_HOME", str(place / "home"))
    return place / "home"


@pytest.fixture
def clip(footage, place, home) -> Path:  # noqa: F811
    return Path(shutil.copy(footage / "clip.mp4", place / "film.mp4"))


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("models") / "random"
    random_qwen3_vl(path)
    return path


@pytest.fixture
def model(weights):
    return load_model(str(weights), device="cpu")


@pytest.fixture
def lesson():
    """Thirty seconds of signs; two questions whose moment is known and one about the whole."""
    kept = KeptMoments()
    for moment in moments(scenes(*[(texture(number), 8) for number in (1, 2, 3, 4)])):
        kept.take(moment)
    choices = {"A": "sign1", "B": "sign99"}
    exam = tuple((Inquiry(f"is sign{number} there?", choices), "A") for number in (1, 3, 1))
    yield Lesson("film", "digest", 32.0, kept, exam, about=((0.0, 8.0), (16.0, 24.0), None))
    kept.close()
