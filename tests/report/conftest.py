"""Files of results that several tests of the page read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.results import answer, compared, methods, write


@pytest.fixture
def compared_file(tmp_path: Path) -> Path:
    return write(tmp_path / "runs.jsonl", compared())


@pytest.fixture
def answered_file(tmp_path: Path) -> Path:
    thinned = methods(("pruner", "uniform", {"retain": "1/2"}))
    return write(
        tmp_path / "answers.jsonl",
        [answer("When?"), answer("Who?", reused=True), answer("When?", "at 1 s", **thinned)],
    )
