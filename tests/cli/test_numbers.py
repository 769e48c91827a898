"""A model that computes no numbers: one line that says whose, exit code 2, whatever the method."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

BROKEN = "visual.blocks.1.attn.qkv.bias"  # of the tower: its rows and all that follows are no numbers


@pytest.fixture(scope="module")
def damaged(checkpoint: Path, tmp_path_factory: Any) -> Path:
    """The random checkpoint with one weight of its tower that is not a number."""
    folder: Path = tmp_path_factory.mktemp("models") / "damaged"
    shutil.copytree(checkpoint, folder)
    for file in folder.glob("*.safetensors"):
        weights = load_file(file)
        for name in weights:
            if name.endswith(BROKEN):
                weights[name][0] = float("nan")
        save_file(weights, file, metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize(
    ("spec", "whose"),
    [
        ("hiprune", "the attention scores of vision layer"),
        ("hiprune++", "the attention scores of vision layer"),
        ("visionzip", "the attention of vision layer"),
        ("divprune", "the rows of unit"),
        ("cdpruner", "the rows of unit"),
        ("dycoke", "the rows of unit"),
        ("evs", "the rows of unit"),
        ("fastv:layer=1", "the attention scores of layer"),
        ("infinipot-v:budget=120", "the value norms"),
        ("keydiff:budget=120", "the keys of layer"),
        ("snapkv:budget=120", "the attention of the question in layer"),
        ("uniform", "the model's scores of the next token"),
        ("window", "the model's scores of the next token"),
    ],
)
def test_values_that_are_not_numbers_end_in_one_line(
    vtc: Any, footage: Path, damaged: Path, spec: str, whose: str
) -> None:
    result = vtc("ask", footage / "clip.mp4", "what?", "--model", damaged, "-m", spec, "--fps", "5")
    assert (result.code, result.out) == (2, "")
    error, hint = [line for line in result.err.splitlines() if not line.startswith("warning:")]
    assert error.startswith("error: ")
    assert whose in error
    assert error.endswith("are infinite or not numbers")
    assert "try --dtype float32" in hint
