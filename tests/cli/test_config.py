"""Where values come from, and what wins."""

from __future__ import annotations

import json

import pytest

from vtc_cli.config.layers import effective, keys, settings
from vtc_cli.errors import UsageError
from vtc_cli.jobs.settings import Settings


@pytest.fixture
def files(tmp_path):
    """A project folder and a user file; both are empty until a test writes them."""
    user = tmp_path / "user.toml"
    project = tmp_path / "project"
    project.mkdir()
    return project, user


def look(files, flags=None, **environ):
    project, user = files
    return effective(flags or {}, {"VTC_CONFIG": str(user), **environ}, project)


def test_without_anything_the_defaults_hold(files):
    values = look(files)
    assert settings(values) == Settings()
    assert {value.origin for value in values.values()} == {"default"}


def test_each_layer_wins_over_the_next(files):
    project, user = files
    user.write_text("fps = 2\nseed = 2\nmax-frames = 2\npixels = 2000")
    (project / "vtc.toml").write_text("fps = 3\nseed = 3\nmax_frames = 3")
    values = look(files, {"fps": 5.0}, VTC_FPS="4", VTC_SEED="4")
    assert [(values[name].value, values[name].origin) for name in ("fps", "seed", "max_frames", "pixels", "chunk")] == [
        (5.0, "--fps"),
        (4, "VTC_SEED"),
        (3, "./vtc.toml"),
        (2000, str(user)),
        (None, "default"),
    ]


def test_every_key_can_be_written_in_every_layer(files):
    project, _ = files
    written = {
        "model": "tiny", "revision": "main", "device": "cpu", "dtype": "float32", "attention": "sdpa",
        "quantize": "int8", "adapter": "checkpoints/lora",
        "device_map": "auto", "max_memory": "cuda:0=20GB,cpu=64GB", "compile": "true",
        "trust_remote_code": "true", "method": "uniform:retain=1/4 window", "reader": "pyav", "fps": "2.5",
        "max_frames": "1_000", "start": "1:30", "end": "00:02:00.5",
        "at": "0:45", "subs": "a.srt", "pixels": "50176", "budget": "512MB", "chunk": "3",
        "system": "be brief", "temperature": "0.5", "seed": "9", "max_new_tokens": "12",
        "report": "off", "quiet": "yes",
    }  # fmt: skip
    assert set(written) == set(keys())
    by_variable = look(files, **{f"VTC_{name.upper()}": text for name, text in written.items()})
    (project / "vtc.toml").write_text(
        "\n".join(f"{name.replace('_', '-')} = {text!r}" for name, text in written.items())
    )
    by_file = look(files)
    assert {name: value.value for name, value in by_variable.items()} == {
        name: value.value for name, value in by_file.items()
    }
    found = settings(by_file)
    assert found.method == ("uniform:retain=1/4", "window")
    assert (found.start, found.end, found.max_frames) == (90.0, 120.5, 1000)
    assert found.budget is not None
    assert found.budget.bytes == 512_000_000
    assert by_file["report"].value is False


def test_toml_types_are_as_good_as_text(files):
    project, _ = files
    (project / "vtc.toml").write_text('method = ["uniform", "window"]\nfps = 2\nquiet = true\nbudget = 4096\nstart = 7')
    values = look(files)
    assert settings(values).method == ("uniform", "window")
    assert (values["fps"].value, values["quiet"].value, values["budget"].value.tokens) == (2.0, True, 4096)
    assert values["start"].value == 7.0


def test_an_empty_variable_is_not_set(files):
    assert look(files, VTC_MODEL="")["model"].origin == "default"


@pytest.mark.parametrize(
    ("content", "says", "hint"),
    [
        ("max-frame = 3", "unknown key 'max-frame' in ./vtc.toml", "did you mean 'max-frames'?"),
        ("colour = 1", "unknown key 'colour' in ./vtc.toml", "`vtc config` lists every key"),
        ("fps = ", "./vtc.toml is not valid TOML", "fix the file"),
        ("fps = 'fast'", "fps = 'fast' in ./vtc.toml: expected a number", "frames watched per second"),
        ("fps = nan", "expected a finite number", "frames watched per second"),
        ("fps = 1e300", "must be at most 1,000,000", "frames watched per second"),
        ("temperature = inf", "expected a finite number", "temperature:"),
        ("max-frames = 99999999999999999999", "must be at most", "max-frames:"),
        ("end = '" + "9" * 400 + "'", "longer than any video", "end:"),
        ("fps = true", "expected a number", "fps:"),
        ("quiet = 'maybe'", "expected true or false", "quiet:"),
        ("seed = 1.5", "expected a whole number", "seed:"),
        ("end = 'later'", "is not a time", "end:"),
        ("method = [1]", "expected names like", "method:"),
        ("[model]\nname = 'tiny'", "expected text", "model:"),
    ],
)
def test_a_mistake_in_a_file_is_named_with_its_place(files, content, says, hint):
    (files[0] / "vtc.toml").write_text(content)
    with pytest.raises(UsageError) as caught:
        look(files)
    assert says in caught.value.message
    assert hint in (caught.value.hint or "")


def test_a_mistake_in_a_variable_names_the_variable(files):
    with pytest.raises(UsageError, match="VTC_FPS=-1: must be above 0"):
        look(files, VTC_FPS="-1")


def test_a_prompt_no_tokenizer_can_read(files):
    with pytest.raises(UsageError, match="not UTF-8 text"):
        effective({"system": "hei\udcdf"}, {}, files[0])


def test_a_file_that_is_not_text(files):
    (files[0] / "vtc.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot be read"):
        look(files)


def test_vtc_config_shows_values_and_origins(vtc, place, monkeypatch):
    (place / "vtc.toml").write_text("fps = 2\n")
    monkeypatch.setenv("VTC_SEED", "5")
    shown = {line.split()[0]: line.split()[1:] for line in vtc("config").out.splitlines() if line}
    assert shown["fps"] == ["2.0", "./vtc.toml"]
    assert shown["seed"] == ["5", "VTC_SEED"]
    assert shown["chunk"] == ["-", "default"]
    plain = json.loads(vtc("config", "--json").out)["settings"]
    assert plain["fps"] == {"value": 2.0, "origin": "./vtc.toml", "variable": "VTC_FPS"}


def test_the_project_file_reaches_the_record(vtc, place, footage):
    (place / "vtc.toml").write_text("fps = 2\nmethod = ['uniform:retain=1/2']\n")
    record = json.loads(vtc("ask", footage / "clip.mp4", "what?", "--json").out)
    assert record["tokens"]["frames"] == 8
    assert record["settings"]["method"] == ["uniform:retain=1/2"]
    assert json.loads(vtc("ask", footage / "clip.mp4", "what?", "--json", "--fps", "1").out)["tokens"]["frames"] == 4
