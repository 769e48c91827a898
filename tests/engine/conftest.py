"""One small random checkpoint for the folder, loaded through the adapter and as the library's own class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.checkpoints import random_qwen3_vl
from vtc_cli import VideoLM, load_model


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_qwen3_vl(tmp_path_factory.mktemp("checkpoint") / "random-qwen3-vl")


@pytest.fixture(scope="session")
def model(folder: Path) -> VideoLM:
    return load_model(str(folder), device="cpu", dtype="float32")


@pytest.fixture(scope="session")
def reference(folder: Path) -> Any:
    from transformers import Qwen3VLForConditionalGeneration

    return Qwen3VLForConditionalGeneration.from_pretrained(folder).eval()
