"""One microscopic training run, made by the command itself."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from vtc_cli.cli.main import run as vtc
from vtc_cli.train import tokenizer


@pytest.fixture(scope="package")
def quick_tokenizer():
    """Tokenizers are learnt from a tenth of the text: as good for tests, ten times as fast."""
    original = tokenizer.corpus
    tokenizer.corpus = partial(original, films=250)
    yield
    tokenizer.corpus = original


@pytest.fixture(scope="package")
def trained_folder(tmp_path_factory, quick_tokenizer) -> Path:
    """The folder of a finished run of `vtc train tiny --microscopic`."""
    folder = tmp_path_factory.mktemp("run")
    assert vtc(["train", "tiny", "--microscopic", "--quiet", "--folder", str(folder)]) == 0
    return folder
