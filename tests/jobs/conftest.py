"""One loaded model and one clip for the jobs that need them."""

from __future__ import annotations

import pytest

from tests.support.checkpoints import random_qwen3_vl
from tests.support.clips import cut_clip, write_clip


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    from vtc_cli.models import load_model

    folder = tmp_path_factory.mktemp("model")
    random_qwen3_vl(folder)
    return load_model(str(folder), device="cpu")


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", seed=4)


@pytest.fixture(scope="session")
def damaged(clip):
    return cut_clip(clip, clip.with_name("cut.mp4"))
