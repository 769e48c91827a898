"""A trained manager is refused where it does not fit, and decides as it learnt to."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from vtc_mm_mem.method import MMMem
from vtc_mm_mem.training.artefact import FILE, artefact_digest, check_artefact
from vtc_mm_mem.training.course import train_manager
from vtc_mm_mem.training.learnt import Learnt
from vtc_mm_mem.training.policy import LABELS
from vtc_mm_mem.training.state import ACTIONS

from tests.mm_mem.asking import Seer
from tests.mm_mem.learning import sight
from vtc_cli.errors import UsageError
from vtc_cli.jobs.ledger import Ledger
from vtc_cli.memory.lessons import TrainingRequest
from vtc_cli.memory.narrator import ModelNarrator


@pytest.fixture
def artefact(model, lesson, tmp_path: Path) -> Path:
    options = {"exact": True, "epochs": 1, "rank": 4, "alpha": 8, "held_out": 0.0, "most": 1}
    narrator = ModelNarrator(model)
    with Ledger(tmp_path / "run" / "log") as log:
        request = TrainingRequest(tmp_path / "run", tmp_path / "manager", log, options=options)
        return train_manager(MMMem(last="S0", tokens=4), [lesson], model, narrator, request)


def test_a_manager_is_refused_where_it_does_not_fit(artefact: Path, model, tmp_path: Path) -> None:
    facts = check_artefact(artefact)
    assert facts["training"]["learnt_from"]["states"] == 1
    narrator = ModelNarrator(model)
    assert Learnt.load(artefact, narrator).decide(sight(True, 50, 0.6)) in ("ADD_NEW", "MERGE", "DISCARD")
    for change, says in (
        ({"model": "another@1"}, "was trained on another@1"),
        ({"state": 99}, "states of version 99"),
        ({"schema": "x"}, "not of a manager"),
        ({"actions": {"N": 0, "M": 1, "D": 2}}, "other tokens"),
        ({"habit": "x"}, "habit"),
        ({"habit": {"N": "x"}}, "habit"),
        ({"habit": {"N": None}}, "habit"),
    ):
        other = Path(shutil.copytree(artefact, tmp_path / "other", dirs_exist_ok=True))
        (other / FILE).write_text(json.dumps({**facts, **change}))
        with pytest.raises(UsageError, match=says):
            Learnt.load(other, narrator)
    (other / FILE).write_text(json.dumps(facts))
    (other / "adapter_model.safetensors").write_bytes(b"broken")
    with pytest.raises(UsageError, match="cannot be read"):
        Learnt.load(other, narrator)
    (other / "adapter_model.safetensors").unlink()
    with pytest.raises(UsageError, match="missing"):
        Learnt.load(other, narrator)
    with pytest.raises(UsageError, match="needs a model"):
        Learnt.load(artefact, Seer((1,)))
    with pytest.raises(UsageError, match="neither rules nor vlm nor a folder"):
        MMMem(manager=str(tmp_path / "none"))


def test_a_habit_is_taken_off_where_the_manager_decides(artefact: Path, model, tmp_path: Path) -> None:
    facts, narrator = check_artefact(artefact), ModelNarrator(model)
    assert set(facts["habit"]) == set(LABELS)
    digests = {artefact_digest(artefact)}
    for label, action in ACTIONS.items():
        other = Path(shutil.copytree(artefact, tmp_path / label))
        (other / FILE).write_text(json.dumps({**facts, "habit": {label: -50.0}}))
        assert Learnt.load(other, narrator).decide(sight(True, 50, 0.6)) == action
        digests.add(artefact_digest(other))
    assert len(digests) == 4


def test_the_memory_says_which_manager_made_it(artefact: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(artefact, tmp_path / "moved"))
    here, there = MMMem(manager=str(artefact)).content(), MMMem(manager=str(moved)).content()
    assert here == there
    assert here["manager"] == f"trained:{artefact_digest(artefact)}"


def test_train_and_index_from_the_command_line(vtc, home, place, clip) -> None:
    words = ("train", "manager", "--folder", "run", "-o", "manager", "--films", "2", "--length", "60")
    small = (
        "--exact",
        "--epochs",
        "1",
        "--rank",
        "4",
        "--decisions",
        "1",
        "-m",
        "mm-mem:captions=none,last=S0,both_orders=false",
    )
    first = vtc(*words, *small, "--json")
    assert first.code == 0, first.err
    report = json.loads(first.out)
    assert report["learnt_from"]["states"] >= 1
    made = vtc("index", clip, "-m", "mm-mem:tokens=2", "--manager", "manager", "--json")
    assert made.code == 0, made.err
    assert json.loads(made.out)["settings"]["manager"].startswith("trained:")
    path = json.loads(made.out)["path"]
    reasons = {item["action_reason"] for item in json.loads(vtc("memory", "export", path).out)["clips"]}
    assert reasons <= {"first", "judged", "long"}
    assert vtc("index", clip, "-m", "mm-mem:tokens=2", "--manager", "rules").code == 2  # made differently
    assert vtc("ask", clip, "what?", "--memory", "-m", "mm-mem:last=S0").code == 0
    none = vtc("index", clip, "--manager", "nowhere")
    assert (none.code, none.out) == (2, "")
    assert "neither rules nor vlm nor a folder" in none.err
