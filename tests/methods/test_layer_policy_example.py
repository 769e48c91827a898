"""The layer policy that the guide to plugins shows, run as it stands."""

from __future__ import annotations

import importlib.util
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.test_layers import check_books, frames
from tests.support.checkpoints import random_qwen3_vl
from vtc_cli import Session, UsageError, VideoLM, load_model

FOLDER = Path(__file__).parents[2] / "docs" / "examples" / "vtc-withdraw"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> VideoLM:
    folder = random_qwen3_vl(tmp_path_factory.mktemp("checkpoint") / "deep", layers=4)
    return load_model(str(folder), device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def withdraw() -> Any:
    """The class that the example's entry point names."""
    point = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]["entry-points"]["vtc.methods"]["withdraw"]
    module_name, _, name = point.partition(":")
    spec = importlib.util.spec_from_file_location(module_name, FOLDER / f"{module_name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


def test_rows_leave_where_it_says(model: VideoLM, withdraw: Any) -> None:
    lengths = []
    for chunk in (1, 4):
        session = Session(model, layers=withdraw(last=3, retain=0.25), budget=120, chunk=chunk, pixels=64 * 96)
        session.watch(frames(21))
        check_books(session)
        slab = session._context.slab
        rows = session.meter.routed["prefill"].rows
        assert rows[0] == rows[1] == rows[2] == slab.pinned + session.meter.counts["rows"]
        assert rows[0] - rows[3] == 10 * (24 - 6)
        assert session.ask("what moves?", max_new_tokens=3).ids == session.ask("what moves?", max_new_tokens=3).ids
        lengths.append(slab.lengths)
    assert lengths[0] == lengths[1]
    assert withdraw(last=3, retain=0.25).entries(24, 4) == [24, 24, 24, 6]


def test_what_it_refuses_is_a_usage_error(model: VideoLM, withdraw: Any) -> None:
    with pytest.raises(ValueError, match="below last"):
        withdraw(first=3, last=3)
    with pytest.raises(UsageError, match="last must be below 4"):
        Session(model, layers=withdraw(last=4))
