"""The bar of the bundled model is called reached only where the figures reach it."""

from __future__ import annotations

import copy
import json
import shutil

import pytest

from benchmarks import bar
from benchmarks.figures import MissingResultError
from benchmarks.results import RESULTS


@pytest.fixture
def benches() -> dict[str, dict]:
    """The files of the repository, to be changed."""
    names = ("tiny", "tiny-unseen", *bar.RECALLS.values())
    return {name: json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")) for name in names}


def verdicts(benches) -> dict[str, tuple[str, str]]:
    recalls = {length: benches[name] for length, name in bar.RECALLS.items()}
    rows = bar.bar(benches["tiny"], benches["tiny-unseen"], recalls).splitlines()[2:]
    cells = [row.strip("| ").split(" | ") for row in rows]
    return {aim: (measured, verdict) for aim, measured, verdict in cells}


def row(bench, name: str) -> dict:
    return next(row for row in bench["rows"] if row["name"] == name)


def answers(bench, name: str, **shares: float) -> None:
    """Let a row have these shares right, by skill."""
    for skill, share in shares.items():
        row(bench, name)["scores"][skill] |= {"accuracy": share, "low": share - 0.01, "high": share + 0.01}


@pytest.fixture
def good(benches) -> dict[str, dict]:
    """Figures with which every line is reached."""
    found = copy.deepcopy(benches)
    for name in ("tiny", "tiny-unseen"):
        answers(found[name], "none", **dict.fromkeys((*found[name]["skills"], "all"), 0.97))
    answers(found["tiny"], "blind", **dict.fromkeys(found["tiny"]["skills"], 0.0))
    for name in bar.RECALLS.values():
        row(found[name], "none")["evidence"]["recall"]["kept"]["accuracy"] = 0.9
        row(found[name], bar.FRAMES)["evidence"]["recall"]["gone"] |= {"accuracy": 0.05, "low": 0.01, "high": 0.1}
        row(found[name], bar.FRAMES)["scores"]["all"]["difference"] = -0.5
    row(found["tiny"], bar.THINNED)["scores"]["all"]["difference"] = -0.2
    return found


def test_a_model_that_reaches_everything_has_it_said(good):
    found = verdicts(good)
    assert len(found) == 5 + 3 * len(bar.RECALLS)
    assert {verdict for _, verdict in found.values()} == {"reached"}


@pytest.mark.parametrize(
    ("change", "aim", "said"),
    [
        (lambda b: answers(b["tiny"], "none", when=0.899), "every skill", "not `when` 89.9 %"),
        (
            lambda b: answers(b["tiny"], "none", when=0.9, json=0.9, describe=0.9, order=0.9, count=0.9),
            "95 %",
            "94.9 %",
        ),
        (lambda b: answers(b["tiny-unseen"], "none", relation=0.93), "words it never saw", "more: `relation` −4.0"),
        (lambda b: answers(b["tiny"], "blind", colour=0.2), "over noise", "`colour` 20.0 %"),
        (lambda b: row(b["tiny"], bar.THINNED)["scores"]["all"].update(difference=-0.09), "one token", "−9.0"),
        (
            lambda b: row(b["tiny-recall"], "none")["evidence"]["recall"]["kept"].update(accuracy=0.84),
            "films of ten minutes: 85 %",
            "84.0 %",
        ),
        (
            lambda b: row(b["tiny-recall-1m"], bar.FRAMES)["evidence"]["recall"]["gone"].update(low=0.2, accuracy=0.3),
            "films of a minute: no more than guessing",
            "30.0 %",
        ),
        (
            lambda b: row(b["tiny-recall"], bar.FRAMES)["scores"]["all"].update(difference=-0.29),
            "films of ten minutes: the last four",
            "−29.0",
        ),
    ],
)
def test_each_line_is_missed_by_what_it_is_about_and_no_other(good, change, aim, said):
    change(good)
    missed = {line: told for line, (told, verdict) in verdicts(good).items() if verdict == "**missed**"}
    assert len(missed) == 1
    ((line, told),) = missed.items()
    assert line.startswith(aim)
    assert said in told


def test_a_missing_file_is_named(tmp_path):
    shutil.copy(RESULTS / "tiny.json", tmp_path)
    with pytest.raises(MissingResultError, match=r"tiny-unseen\.json is not there: run `make ruler`"):
        bar.sections(tmp_path)
