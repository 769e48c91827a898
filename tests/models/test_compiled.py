"""Compiled parts of a model: what is compiled, that answers stay the same, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.models.test_spread import logits_of
from tests.support.checkpoints import random_pixels
from tests.support.picture_checkpoints import random_smolvlm
from tests.support.qwen_checkpoints import BUILDERS
from vtc_cli import Frame, Session, UsageError, load_model
from vtc_cli.errors import MachineError
from vtc_cli.models import compiled

QUESTION = "What colour is the circle?"


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything but the code generator: torch traces, guards and runs as it does with one."""
    plain = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **options: plain(self, backend="aot_eager", **options))


def parts_of(model: Any) -> dict[str, bool]:
    return {
        name: part._compiled_call_impl is not None
        for name, part in model.model.named_modules()
        if name.endswith(".mlp")
    }


@pytest.mark.usefixtures("eager")
def test_mlps_are_compiled_and_answers_stay_the_same(folder: Path) -> None:
    plain: Any = load_model(str(folder), device="cpu", dtype="float32")
    fast: Any = load_model(str(folder), device="cpu", dtype="float32", compile=True)
    assert set(parts_of(fast).values()) == {True}
    assert set(parts_of(plain).values()) == {False}
    assert len(parts_of(fast)) == 8
    assert fast.info.device_reason.startswith("as asked; 8 MLPs compiled in ")
    torch.testing.assert_close(logits_of(fast), logits_of(plain), atol=1e-5, rtol=0)
    answers = []
    for model in (plain, fast):
        session = Session(
            model, pruner="hiprune:retain=1/2", cache="snapkv", budget=60, pixels=64 * 64, question=QUESTION
        )
        session.watch([Frame(float(number), image) for number, image in enumerate(random_pixels(13, 64, 64))])
        assert session.evicted > 0
        answers.append(session.ask(QUESTION, max_new_tokens=4).ids)
    assert answers[0] == answers[1]


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("family", ["qwen2.5-vl", "smolvlm"])  # a tower of rows, and one of frames of rows
def test_nothing_is_left_to_compile_while_a_video_is_watched(family: str, tmp_path: Path) -> None:
    from torch._dynamo.utils import counters

    torch.compiler.reset()
    model = load_model(str({**BUILDERS, "smolvlm": random_smolvlm}[family](tmp_path / "m")), device="cpu", compile=True)
    counters.clear()
    session = Session(model, cache="snapkv", budget=200, question=QUESTION)
    session.watch([Frame(float(number), image) for number, image in enumerate(random_pixels(13, 64, 64))])
    session.ask(QUESTION, max_new_tokens=3)
    assert counters["stats"]["unique_graphs"] == 0


@pytest.mark.usefixtures("eager")
def test_experts_are_left_as_they_are(tmp_path: Path) -> None:
    model: Any = load_model(str(BUILDERS["qwen3-vl-moe"](tmp_path / "m")), device="cpu", compile=True)
    chosen = parts_of(model)
    assert {name for name, done in chosen.items() if done} == {name for name in chosen if ".visual." in name}


def test_what_cannot_be_compiled_says_why(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("accelerate")
    with pytest.raises(UsageError, match="--compile and --device-map exclude each other"):
        load_model(str(folder), device="cpu", compile=True, device_map="auto")
    with pytest.raises(MachineError, match="not there for Apple GPUs"):
        compiled.check_compilable("mps", None, False)
    with pytest.raises(UsageError, match="--compile and --quantize"):
        compiled.check_compilable("cpu", "int8 with torchao", False)
    with pytest.raises(UsageError, match="has no MLP that can be compiled"):
        compiled.compile_parts(torch.nn.Linear(2, 2), "someone/model", "model.language_model")

    def fails(self: Any, **options: Any) -> None:
        raise RuntimeError("no C++ compiler\nlong story")

    monkeypatch.setattr(torch.nn.Module, "compile", fails)
    with pytest.raises(MachineError, match=r"torch cannot compile here: no C\+\+ compiler$"):
        load_model(str(folder), device="cpu", compile=True)


@pytest.mark.slow
def test_the_code_generator_gives_the_same_logits(folder: Path) -> None:
    import shutil

    if shutil.which("g++") is None:
        pytest.skip("no C++ compiler")
    plain, fast = (load_model(str(folder), device="cpu", dtype="float32", compile=made) for made in (False, True))
    torch.testing.assert_close(logits_of(fast), logits_of(plain), atol=1e-5, rtol=0)
