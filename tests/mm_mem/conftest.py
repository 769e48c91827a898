"""The command line's fixtures, with a home for memories of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import checkpoint, command, footage, place, process, vtc  # noqa: F401


@pytest.fixture
def home(place, monkeypatch) -> Path:  # noqa: F811
    monkeypatch.setenv("VTC_HOME", str(place / "home"))
    return place / "home"


@pytest.fixture
def clip(footage, place, home) -> Path:  # noqa: F811
    return Path(shutil.copy(footage / "clip.mp4", place / "film.mp4"))
