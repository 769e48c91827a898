"""What `-m` and `--budgets` mean."""

from __future__ import annotations

import pytest

from vtc_cli.bench.rows import Row, rows_of, settings_of
from vtc_cli.errors import UsageError
from vtc_cli.jobs.amounts import Budget
from vtc_cli.jobs.settings import Settings


def names(*specs: str, **options) -> list[str]:
    return [row.name for row in rows_of(specs, **options)]


def test_none_is_always_there_and_first():
    assert names() == ["none"]
    assert names("uniform", "none", blind=True) == ["none", "blind", "uniform"]


def test_stages_are_joined_by_a_plus_that_names_may_end_in():
    rows = rows_of(["hiprune++:retain=1/3+infinipot-v:budget=6144", "hiprune+++window", "uniform:retain=1/4 window"])
    assert [row.methods for row in rows[1:]] == [
        ("hiprune++:retain=1/3", "infinipot-v:budget=6144"),
        ("hiprune++", "window"),
        ("uniform:retain=1/4", "window"),
    ]


def test_budgets_size_pruners_and_caches():
    rows = rows_of(["hiprune", "vtc-cli:random:seed=3", "window", "uniform:retain=1/2"], budgets="1/3, 25%")
    assert [(row.name, row.share) for row in rows[1:]] == [
        ("hiprune:retain=1/3", None),
        ("hiprune:retain=25%", None),
        ("vtc-cli:random:seed=3,retain=1/3", None),
        ("vtc-cli:random:seed=3,retain=25%", None),
        ("window at 1/3", pytest.approx(1 / 3)),
        ("window at 25%", 0.25),
        ("uniform:retain=1/2", None),
    ]


def test_a_share_becomes_entries_of_what_none_held():
    row = rows_of(["uniform:retain=1/2+window"], budgets="1/8")[1]
    shared = Settings(budget=Budget(tokens=99))
    assert settings_of(row, shared, 804).budget == Budget(tokens=100)  # 100.5 rounds to even
    assert settings_of(row, shared, 804).method == ("uniform:retain=1/2", "window")
    assert settings_of(Row("none"), shared) == Settings()
    assert settings_of(Row("blind", blind=True), shared) == Settings()
    assert settings_of(Row("w", ("window",)), shared).budget == Budget(tokens=99)


@pytest.mark.parametrize(
    ("specs", "budgets", "words"),
    [
        (["hipprune"], None, "there is no method `hipprune`"),
        (["uniform+random"], None, "both fill the stage"),
        (["+"], None, "there is no method"),
        ([" "], None, "names no method"),
        (["uniform", "uniform"], None, "twice"),
        (["uniform"], "0", "above 0"),
        (["uniform"], "1.5", "at most 1"),
        (["uniform"], "1/3,many", "not a number"),
        (["uniform:retain=1/2"], "1/3", "changes no row"),
        ([], "1/3", "changes no row"),
        (["fastv"], "1/3", "changes no row"),
    ],
)
def test_what_cannot_be_is_refused(specs, budgets, words):
    with pytest.raises(UsageError, match=words):
        rows_of(specs, budgets)
