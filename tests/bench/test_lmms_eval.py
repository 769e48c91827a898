"""`vtc` as a model of lmms-eval, against a stand-in with the names and shapes that its contract documents."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from PIL import Image

from tests.support.clips import write_clip
from vtc_cli.errors import UsageError, VideoError
from vtc_cli.jobs import run as running
from vtc_cli.jobs.settings import SETTING_FIELDS

PATH = "vtc_cli.bench.lmms_model"


@dataclass(frozen=True)
class ModelManifest:
    model_id: str
    simple_class_path: str | None = None
    chat_class_path: str | None = None
    aliases: tuple[str, ...] = ()


class Lmms:
    is_simple = True

    def __init__(self) -> None:
        self.task_dict: dict = {}


@pytest.fixture
def model_class(monkeypatch):
    """The class, as lmms-eval would load it; the real library where it is installed is not touched."""
    for name, content in {
        "lmms_eval": {},
        "lmms_eval.api": {},
        "lmms_eval.api.model": {"lmms": Lmms},
        "lmms_eval.models": {},
        "lmms_eval.models.registry_v2": {"ModelManifest": ModelManifest},
    }.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, PATH, raising=False)
    (found,) = entry_points(group="lmms_eval.models", name="vtc")
    manifest = found.load()()
    module, _, name = manifest.simple_class_path.rpartition(".")
    assert (manifest.model_id, module) == ("vtc", PATH)
    yield getattr(__import__(module, fromlist=[name]), name)
    sys.modules.pop(PATH, None)


@pytest.fixture
def asked(monkeypatch):
    """What was watched, and asked about it."""
    found: list = []
    answer = running.Runner.answer

    def spy(self, clip, questions):
        images = [frame.image for frame in clip.frames(1.0)]
        found.append((clip.info, len(images), [question.text for question in questions], self.settings))
        return answer(self, clip, questions)

    monkeypatch.setattr(running.Runner, "answer", spy)
    return found


def requests(model, *rows):
    """rows: (text, options, visuals)."""
    model.task_dict = {"made": {"test": [visuals for _, _, visuals in rows]}}
    return [
        SimpleNamespace(args=(text, options, lambda visuals: visuals, number, "made", "test"))
        for number, (text, options, _) in enumerate(rows)
    ]


def test_films_and_pictures_are_answered_with_the_method(model_class, asked, checkpoint, tmp_path):
    clip = str(write_clip(tmp_path / "clip.mp4"))
    red, blue = Image.new("RGB", (64, 48), "red"), Image.new("RGB", (64, 48), "blue")
    model = model_class(
        pretrained=str(checkpoint), method="uniform:retain=1/2+window", pixels=1024, device="cpu", batch_size=1
    )
    options = {"max_new_tokens": 3, "temperature": 0, "do_sample": False, "until": ["\n\n"]}
    answers = model.generate_until(
        requests(
            model,
            ("<image>\nWhat moves?", options, [clip]),
            ("Why?", options, [[clip]]),
            ("Which colour?", options, [red]),
            ("In which order?", {**options, "max_new_tokens": 2}, [red, blue]),
        )
    )
    assert len(answers) == 4
    assert all(isinstance(answer, str) for answer in answers)
    infos, frames, texts, settings = zip(*asked, strict=True)
    assert texts == (["What moves?", "Why?"], ["Which colour?"], ["In which order?"])  # one film is watched once
    assert frames == (4, model._model.info.frames_per_unit, 2)
    assert infos[0].source == clip
    assert {one.method for one in settings} == {("uniform:retain=1/2", "window")}
    assert [one.max_new_tokens for one in settings] == [3, 3, 2]


def test_an_answer_ends_where_the_task_says(model_class, checkpoint, monkeypatch):
    model = model_class(pretrained=str(checkpoint), device="cpu")
    monkeypatch.setattr(
        running.Runner, "answer", lambda self, clip, questions: iter([{"answer": "a red one.\nAnd more.\n\n"}])
    )
    red = Image.new("RGB", (64, 48), "red")
    for until, said in (("\n", "a red one."), (["zzz", "And"], "a red one.\n"), ([], "a red one.\nAnd more.\n\n")):
        assert model.generate_until(requests(model, ("?", {"until": until}, [red]))) == [said]


def test_every_setting_that_is_taken_is_in_the_page(model_class):
    page = (Path(__file__).parents[2] / "docs" / "bench.md").read_text(encoding="utf-8").partition("## lmms-eval")[2]
    taken = sys.modules[PATH].TAKEN
    assert set(taken) <= set(SETTING_FIELDS)
    assert [name for name in taken if f"`{name}`" not in page.partition("\n## ")[0]] == []


def test_what_cannot_be_is_refused(model_class, checkpoint):
    with pytest.raises(UsageError, match="frames_per_second"):
        model_class(pretrained=str(checkpoint), frames_per_second=1)
    with pytest.raises(UsageError, match="there is no method"):
        model_class(pretrained=str(checkpoint), method="hipprune")
    model = model_class(pretrained=str(checkpoint), device="cpu")
    sizes = [Image.new("RGB", (64, 48)), Image.new("RGB", (32, 48))]
    for visuals, error, words in (
        ([], UsageError, "without a picture"),
        (None, UsageError, "without a picture"),
        (sizes, UsageError, "several sizes"),
        ([3], VideoError, "neither a path nor a picture"),
        (["gone.mp4"], VideoError, "no such file"),
    ):
        with pytest.raises(error, match=words):
            model.generate_until(requests(model, ("?", {}, visuals)))
    for call in (model.loglikelihood, model.generate_until_multi_round):
        with pytest.raises(UsageError, match="vtc"):
            call([])


@pytest.mark.slow
def test_its_own_evaluator_runs_a_task_with_it(checkpoint, tmp_path):
    """Where lmms-eval is installed; it wants an older libav binding and torchvision, so this project does not."""
    if importlib.util.find_spec("lmms_eval") is None:
        pytest.skip("lmms-eval is not installed")
    clip = str(write_clip(tmp_path / "clip.mp4"))
    rows = [{"video": clip, "question": question, "answer": "red"} for question in ("What?", "Why?")]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "utils.py").write_text(
        "def visual(doc):\n    return [doc['video']]\n\n\n"
        "def text(doc, lmms_eval_specific_kwargs=None):\n    return doc['question']\n"
    )
    (tmp_path / "made.yaml").write_text(
        f"task: made\ndataset_path: json\ndataset_kwargs:\n  data_files: {tmp_path / 'rows.jsonl'}\n"
        "test_split: train\noutput_type: generate_until\ndoc_to_visual: !function utils.visual\n"
        "doc_to_text: !function utils.text\ndoc_to_target: answer\n"
        "generation_kwargs:\n  max_new_tokens: 3\n  temperature: 0\n  do_sample: false\n"
        "metric_list:\n  - metric: exact_match\n    aggregation: mean\n    higher_is_better: true\n"
        "metadata:\n  - version: 0.0\n"
    )
    arguments = f'pretrained={checkpoint},method="random:retain=1/2,seed=3+window",pixels=1024,device=cpu'
    words = ["--model", "vtc", "--model_args", arguments, "--tasks", "made", "--batch_size", "1"]
    words += ["--include_path", str(tmp_path), "--output_path", str(tmp_path / "out"), "--log_samples"]
    done = subprocess.run(
        [sys.executable, "-m", "lmms_eval", *words],
        env={**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    (results,) = (tmp_path / "out").rglob("*_results.json")
    assert "exact_match,none" in json.loads(results.read_text())["results"]["made"]
    (samples,) = (tmp_path / "out").rglob("*_samples_made.jsonl")
    assert len(samples.read_text().splitlines()) == 2
