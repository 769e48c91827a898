"""Help, completion and wrong words: quick, plain, and without the heavy libraries."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from vtc_cli import __version__

COMMANDS = (
    *("ask", "index", "memory", "demo", "bench", "report", "inspect", "probe", "models", "methods", "doctor", "config"),
    *("world", "train"),
)
HEAVY = (
    *("torch", "transformers", "torchao", "av", "numpy", "huggingface_hub", "rich", "decord"),
    *("matplotlib", "jinja2", "PIL", "pyarrow"),
)

LOADED = f"""
import sys
from vtc_cli.cli.main import run
code = run(sys.argv[1:])
print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)
sys.exit(code)
"""


def loaded(*arguments: str, **variables: str) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **variables},
    )
    return done.stdout, done.stderr


@pytest.mark.parametrize("arguments", [("--help",), (), *((name, "--help") for name in COMMANDS), ("config",)])
def test_help_imports_nothing_heavy(place, arguments):
    out, err = loaded(*arguments)
    assert out
    assert err.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("vtc ", "ask"),
        ("vtc ask --method u", "uniform"),
        ("vtc ask --model t", "tiny"),
        ("vtc ask --reader p", "pyav"),
        ("vtc methods win", "window"),
    ],
)
def test_completion_reads_metadata_only(place, words, expected):
    script = LOADED.replace("code = run(sys.argv[1:])", "import atexit; atexit.register(lambda: print(sorted("
        f"set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)); run([])")  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={
            **os.environ,
            "_VTC_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
        },
    )
    assert expected in done.stdout.split()
    assert done.stderr.splitlines()[-1] == "[]"


def test_the_version_is_the_packages(vtc):
    assert vtc("--version").out == f"vtc {__version__}\n"


def test_without_a_command_there_is_help(vtc):
    bare = vtc()
    assert bare.code == 0
    assert bare.out == vtc("--help").out
    assert all(name in bare.out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_come_before_options(vtc, name):
    shown = vtc(name, "--help").out
    assert 0 < shown.index("Examples:") < shown.index("--help")
    assert f"vtc {name}" in shown[shown.index("Examples:") :]


@pytest.mark.parametrize(
    ("words", "close"),
    [
        (["aks", "v.mp4", "q"], "'ask'"),
        (["ask", "v.mp4", "q", "--max-frame", "3"], "--max-frames"),
        (["ask", "v.mp4", "q", "-m", "unifrom"], "uniform"),
        (["ask", "v.mp4", "q", "-m", "uniform:retian=1/2"], "retain"),
        (["ask", "v.mp4", "q", "--reader", "pyva"], "pyav"),
        (["methods", "windwo"], "window"),
        (["models", "tinny"], "tiny"),
    ],
)
def test_a_wrong_word_brings_the_close_one(vtc, footage, words, close):
    words = [str(footage / "clip.mp4") if word == "v.mp4" else word for word in words]
    result = vtc(*words)
    assert result.code == 2
    assert result.out == ""
    assert close in result.err
    assert len(result.err.splitlines()) == 2
    assert "Traceback" not in result.err
