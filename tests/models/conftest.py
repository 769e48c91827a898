"""Small random checkpoints for the whole folder, loaded once as our adapter and once as the library's class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.models.nemotron import Loaded as Nemotron
from tests.support.checkpoints import random_qwen3_vl
from tests.support.nemotron_checkpoints import random_nemotron_h_omni
from tests.support.torchvision_shim import declare_operators
from vtc_cli.models.load import load_model
from vtc_cli.models.qwen3_vl import Qwen3VL

declare_operators()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_qwen3_vl(tmp_path_factory.mktemp("checkpoint") / "random-qwen3-vl")


@pytest.fixture(scope="session")
def model(folder: Path) -> Qwen3VL:
    loaded = load_model(str(folder), device="cpu", dtype="float32")
    assert isinstance(loaded, Qwen3VL)
    return loaded


@pytest.fixture(scope="session")
def reference(folder: Path) -> Any:
    """The library's class, loaded without our code."""
    from transformers import Qwen3VLForConditionalGeneration

    return Qwen3VLForConditionalGeneration.from_pretrained(folder).eval()


@pytest.fixture(scope="session")
def nemotron(tmp_path_factory: pytest.TempPathFactory) -> Nemotron:
    return Nemotron(random_nemotron_h_omni(tmp_path_factory.mktemp("nemotron") / "model"))
