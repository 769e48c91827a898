"""A folder belongs to one recipe."""

import json
import shlex

import pytest

from vtc_cli.cli.main import run as vtc
from vtc_cli.errors import MachineError, UsageError
from vtc_cli.train.recipe import MICROSCOPIC, Recipe, claim, command


def test_a_folder_keeps_its_recipe(tmp_path):
    folder = tmp_path / "a" / "b"
    made = claim(folder, {"units": 5, "seed": 3})
    assert made == Recipe(units=5, seed=3)
    assert claim(folder, {}) == made
    assert claim(folder, {"units": 5}) == made
    with pytest.raises(UsageError, match="another recipe: --units 5 there, 6 here; --from nothing there, x here"):
        claim(folder, {"units": 6, "begin_from": "x"})
    assert claim(folder, {}) == made


def test_a_run_without_a_recipe_is_left_alone(tmp_path):
    (tmp_path / "vision.pt").write_bytes(b"weights")
    with pytest.raises(UsageError, match="whose recipe is not known"):
        claim(tmp_path, {})
    assert [path.name for path in tmp_path.iterdir()] == ["vision.pt"]


@pytest.mark.parametrize("text", ["{", "[]", '{"speed": 3}', '{"hidden": 65}'])
def test_a_damaged_recipe_is_an_error(tmp_path, text):
    (tmp_path / "recipe.json").write_text(text)
    with pytest.raises(UsageError):
        claim(tmp_path, {})
    assert (tmp_path / "recipe.json").read_text() == text


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="cannot train in"):
        claim(tmp_path / "file" / "run", {})


@pytest.mark.parametrize("sizes", [{"hidden": 100}, {"hidden": 0}, {"text_hidden": 320}, {"depth": 1}, {"layers": 1}])
def test_impossible_sizes(sizes):
    with pytest.raises(UsageError):
        Recipe(**sizes)


def test_the_command_makes_the_recipe(tmp_path, monkeypatch, capsys):
    """What the card says leads back to the recipe: shown by a folder that has another one."""
    assert command(Recipe()) == "vtc train tiny"
    recipe = Recipe(7, 8, units=9, peak=0.01, seed=4, depth=3, hidden=128, layers=3, text_hidden=128, begin_from="a b")
    words = shlex.split(command(recipe))
    other = Recipe(1, 1, 1, 1.0, 1, 2, 64, 2, 64, "c")
    (tmp_path / "recipe.json").write_text(json.dumps(other.__dict__))
    assert vtc([*words[1:], "--folder", str(tmp_path)]) == 2
    shown = capsys.readouterr().err
    for name, value in recipe.__dict__.items():
        flag = "--from" if name == "begin_from" else f"--{name.replace('_', '-')}"
        assert f"{flag} {getattr(other, name)} there, {value} here" in shown


def test_microscopic_is_a_recipe_like_any_other(tmp_path, capsys):
    (tmp_path / "recipe.json").write_text(json.dumps(MICROSCOPIC.__dict__))
    assert vtc(["train", "tiny", "--microscopic", "--units", "3", "--folder", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(
        f"error: {tmp_path} holds a run of another recipe: --units 4 there, 3 here"
    )


def test_a_checkpoint_that_is_not_there_is_an_error(tmp_path, capsys, quick_tokenizer):
    folder = tmp_path / "run"
    words = ["train", "tiny", "--microscopic", "--folder", str(folder), "--from", str(tmp_path / "none")]
    assert vtc(words) == 4
    assert "cannot begin from" in capsys.readouterr().err
    assert not (folder / "vision.pt").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--device", "toaster"], 2, "unknown device"),
        (["--vision-steps", "0"], 2, "--vision-steps"),
        (["--hidden", "100"], 2, "--hidden 100 is no width"),
    ],
)
def test_wrong_words(tmp_path, capsys, words, code, said):
    assert vtc(["train", "tiny", "--folder", str(tmp_path / "run"), *words]) == code
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_no_compiler(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    assert vtc(["train", "tiny", "--compile", "--folder", str(tmp_path / "run")]) == 4
    assert "C++ compiler" in capsys.readouterr().err
