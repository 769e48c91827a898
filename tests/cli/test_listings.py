"""The commands that show what is there: probe, models, methods, doctor; and the demonstration."""

from __future__ import annotations

import json
import re

import pytest

from vtc_cli.errors import MachineError
from vtc_cli.jobs import doctor
from vtc_cli.models.auto import needed_bytes
from vtc_cli.models.catalog import facts_of


def test_probe_shows_the_file_and_predicts(vtc, footage, checkpoint):
    shown = vtc("probe", footage / "clip.mp4", "--fps", "2", "--model", checkpoint)
    assert shown.code == 0
    assert re.search(r"clip .*00:00:04 · 96×64 · h264", shown.out)
    assert re.search(r"frames +8 at 2 per second", shown.out)
    assert re.search(r"units +4 of 2 frames", shown.out)
    plain = json.loads(vtc("probe", footage / "clip.mp4", "--json").out)
    assert plain["video"]["size"] == [96, 64]
    assert plain["video"]["declared_frames"] == 32
    assert plain["tokens"]["visual_in"] == plain["tokens"]["units"] * plain["tokens"]["per_unit"] == 48
    assert plain["memory"]["total"] == sum(plain["memory"][part] for part in ("weights", "cache", "frames", "working"))


def test_probe_needs_no_model(vtc, footage, monkeypatch):
    monkeypatch.setenv("VTC_MODEL", "nobody/nothing")
    shown = vtc("probe", footage / "clip.mp4")
    assert shown.code == 0
    assert "no prediction" in shown.out
    assert json.loads(vtc("probe", footage / "clip.mp4", "--json").out)["tokens"] is None
    asked = vtc("probe", footage / "clip.mp4", "--model", "nobody/nothing")
    assert asked.code == 4


def test_models_lists_what_runs(vtc, checkpoint):
    shown = vtc("models")
    assert "Qwen/Qwen3-VL-2B-Instruct" in shown.out
    assert "qwen3_vl" in shown.err
    plain = json.loads(vtc("models", "--json").out)
    columns = {"id", "family", "parameters", "weight_bytes", "kv_bytes_per_token", "tokens_per_frame", "fits", "where"}
    assert columns <= set(plain["models"][-1])
    assert max(map(len, shown.out.splitlines())) <= 80
    assert re.search(r"^tiny +0.01 B +20.3 MB +4.10 kB +30 +fp32  bundled$", shown.out, re.MULTILINE)
    assert "molmo2 does not run: " in shown.err
    assert "molmo2" in plain["refused"]
    assert plain["models"][0]["fits"]["dtype"] == "float32"
    own = json.loads(vtc("models", checkpoint, "--json").out)
    assert own["kv_bytes_per_token"]["float32"] == 2 * 4 * 2 * 16 * 4
    assert own["where"] == "local folder"
    assert own["tokens_per_frame"] == 60
    assert (own["fits"]["dtype"], own["fits"]["needs"]) == ("float32", needed_bytes(facts_of(checkpoint), "float32"))
    assert re.search(r"fits here +in float32, with [\d.]+ GB on \w+", vtc("models", checkpoint).out)
    assert "1,024 bytes of cache per token" in vtc("models", checkpoint).out


def test_models_says_what_a_family_can_do(vtc, checkpoint):
    assert "qwen3.5 (qwen3_5): " in vtc("models").err
    assert "No layer policies." in vtc("models").err
    shown = vtc("models", "qwen3.5").out
    assert "methods      pruners, cache policies\n" in shown
    assert "no layer policies: most of its layers attend through a state" in shown
    assert "Qwen/Qwen3.5-0.8B" in shown
    assert "`vtc models ID` says what one costs once it is here" in shown
    assert "once it is here" not in vtc("models", "qwen2.5-vl").out
    row = json.loads(vtc("models", "qwen2.5-vl", "--json").out)
    assert (row["stages"], row["cannot"]) == (["pruner", "layers", "cache"], {})
    assert row in json.loads(vtc("models", "--json").out)["families"]
    assert "methods      pruners, layer policies, cache policies\n" in vtc("models", checkpoint).out


def test_a_family_goes_by_its_model_type_too_and_is_no_model(vtc, footage):
    assert vtc("models", "qwen2_5_vl").out == vtc("models", "qwen2.5-vl").out
    assert vtc("models", "internvl").out.startswith("internvl  (")
    assert "did you mean 'qwen2.5-vl'?" in vtc("models", "qwen2.5").err
    for words in (("ask", footage / "clip.mp4", "what?", "--model"), ("models", "pull")):
        refused = vtc(*words, "gemma4")
        assert refused.code == 2
        assert "gemma4 is a family of models, not a model.\n  Name a checkpoint of it, such as google/" in refused.err


@pytest.mark.parametrize(("name", "code"), [("nothing", 2), ("./nowhere", 2), ("nobody/nothing", 4)])
def test_models_that_are_not_there(vtc, name, code):
    result = vtc("models", name)
    assert (result.code, result.out) == (code, "")


def test_methods_lists_and_explains(vtc, monkeypatch):
    assert re.search(r"^uniform +pruner +vtc-cli", vtc("methods").out, re.MULTILINE)
    rows = {row["name"]: row for row in json.loads(vtc("methods", "--json").out)}
    assert rows["window"]["stage"] == "cache"
    assert rows["window"]["problem"] is None
    one = vtc("methods", "uniform")
    assert re.search(r"retain +number, fraction", one.out)
    assert one.out.count("share of a unit's tokens to keep") == 1
    plus = vtc("methods", "hiprune++").out
    assert "known before the video is watched; where it comes later, use `hiprune`" in plus
    assert plus.count("share of the kept tokens that the question chooses") == 1
    assert "HiPrune with a part of the budget" in plus
    options = json.loads(vtc("methods", "uniform", "--json").out)["options"]
    assert "retain" in {option["name"] for option in options}
    monkeypatch.setenv("VTC_PLUGINS", "")
    none = vtc("methods")
    assert (none.code, none.out) == (0, "")
    assert "VTC_PLUGINS" in none.err


def test_doctor_tries_every_reader(vtc):
    result = vtc("doctor", "--json")
    report = json.loads(result.out)
    checks = {(check["topic"], check["name"]): check for check in report["checks"]}
    assert result.code == 0
    assert report["ok"] is True
    assert checks["video", "pyav"]["state"] == "ok"
    assert "decoded a test clip" in checks["video", "pyav"]["found"]
    assert checks["versions", "torch"]["state"] == "ok"
    assert checks["methods", "window"]["state"] == "ok"
    assert checks["models", "hub"]["state"] in {"ok", "warning"}
    assert ("devices", "cpu") in checks
    plain = vtc("doctor").out
    assert re.search(r"ok +pyav +pyav", plain)


def test_doctor_says_what_is_broken_and_leaves_with_4(vtc, monkeypatch, place):
    def nothing(source, reader="auto"):
        raise MachineError(f"{reader} cannot be imported", "pip install it")

    monkeypatch.setattr("vtc_cli.video.open_clip", nothing, raising=False)
    (place / "vtc.toml").write_text("modle = 'tiny'")
    result = vtc("doctor")
    assert result.code == 4
    assert re.search(r"broken +pyav +pyav cannot be imported\n +pip install it", result.out)
    assert re.search(r"missing +decord", result.out)
    assert re.search(r"broken +files +unknown key 'modle' .*\n +did you mean 'model'", result.out)


def test_doctor_keeps_secrets(vtc, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_verysecret")
    result = vtc("doctor")
    assert re.search(r"HF_TOKEN +set", result.out)
    assert "verysecret" not in result.out


def test_a_check_that_fails_unforeseen_is_a_finding(monkeypatch):
    def crash():
        raise RuntimeError("driver on fire")
        yield

    monkeypatch.setattr(doctor, "_devices", crash)
    found = [check for check in doctor.examine() if check.topic == "devices"]
    assert [(check.state, check.found) for check in found] == [("broken", "RuntimeError: driver on fire")]


def test_demo_goes_from_an_mp4_to_judged_answers(vtc, place, checkpoint):
    result = vtc("demo", "--model", checkpoint, "-o", "film.mp4", "--report")
    assert result.code == 0, result.err
    assert (place / "film.mp4").stat().st_size > 1000
    assert len(re.findall(r"\((?:right|wrong, it is \w+)\)", result.out)) == 3
    assert re.search(r"^[0-3] of 3 right$", result.out, re.MULTILINE)
    assert "tokens" in result.err
    again = vtc("ask", "film.mp4", "what?", "--json")
    assert json.loads(again.out)["tokens"]["frames"] == 8


def test_demo_judges_by_the_words(place):
    from vtc_cli.jobs.demo import is_right

    assert is_right(" Red.", "red")
    assert not is_right("reddish", "red")
    assert not is_right("", "red")


def test_a_list_is_folded_under_itself_on_a_terminal_and_whole_in_a_pipe(monkeypatch):
    import sys

    from vtc_cli.cli.layout import hang

    words = "one two three four five six seven https://a-very-long-address.example.org/that-is-copied-whole"
    assert hang("name  ", words) == f"name  {words}"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "30")
    lines = hang("name  ", words).splitlines()
    assert lines[0] == "name  one two three four five"
    assert lines[1] == "      six seven"
    assert lines[2].strip() == words.split()[-1]
