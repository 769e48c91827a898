"""A checkpoint, a few clips, and `vtc` run inside this process or as its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.checkpoints import random_qwen3_vl
from tests.support.clips import cut_clip, write_clip
from vtc_cli.cli.main import run


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "random"
    random_qwen3_vl(folder)
    return folder


@pytest.fixture(scope="session")
def footage(tmp_path_factory) -> Path:
    """clip.mp4, other.mp4, and cut.mp4, which ends too early."""
    folder = tmp_path_factory.mktemp("footage")
    clip = write_clip(folder / "clip.mp4", seed=1)
    write_clip(folder / "other.mp4", seed=2)
    cut_clip(clip, folder / "cut.mp4")
    return folder


@pytest.fixture
def place(tmp_path, monkeypatch, checkpoint) -> Path:
    """An empty working folder; the random checkpoint is the default model; nothing of the user's is read."""
    for name in list(os.environ):
        if name.startswith("VTC_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("VTC_CONFIG", str(tmp_path / "none" / "config.toml"))
    monkeypatch.setenv("VTC_MODEL", str(checkpoint))
    monkeypatch.setenv("VTC_MAX_NEW_TOKENS", "4")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def vtc(place, capsys) -> Callable[..., Result]:
    """`vtc` inside this process: quick, as torch is imported once."""

    def call(*arguments: object) -> Result:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture
def film(footage, place, monkeypatch) -> Path:
    """clip.mp4, where memories are kept in the folder `home`."""
    monkeypatch.setenv("VTC_HOME", str(place / "home"))
    return footage / "clip.mp4"


@pytest.fixture
def say(vtc, monkeypatch) -> Callable[..., Result]:
    """`vtc` with text on its standard input."""

    def call(text: str | bytes, *arguments: object) -> Result:
        data = text if isinstance(text, bytes) else text.encode()
        monkeypatch.setattr(
            sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", errors="surrogateescape")
        )
        return vtc(*arguments)

    return call


@pytest.fixture
def command(place) -> Callable[[Sequence[object]], list[str]]:
    """The words that start `vtc` as its own process."""
    start = [sys.executable, "-c", "from vtc_cli.cli.main import main; main()"]
    return lambda arguments: [*start, *map(str, arguments)]


@pytest.fixture
def process(command) -> Callable[..., Result]:
    """`vtc` as its own process, to the end."""

    def call(*arguments: object, **options) -> Result:
        done = subprocess.run(command(arguments), capture_output=True, timeout=120, **options)
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    return call
