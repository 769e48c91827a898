"""Discovery: from metadata only, one path for everybody, errors that name the way out."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from tests.methods.conftest import PRUNER, Install
from vtc_cli.errors import UsageError
from vtc_cli.methods import available, choose, choose_all, find
from vtc_cli.methods.registry import resolve, split
from vtc_cli.methods.stages import CachePolicy, TokenPruner

BUILT_IN = {"random", "uniform", "uniform-cache", "window"}


def test_the_built_in_methods_come_by_the_same_road() -> None:
    listings = {listing.name: listing for listing in available()}
    assert set(listings) >= BUILT_IN
    for name in BUILT_IN:
        look = listings[name].glance()
        assert listings[name].distribution == "vtc-cli"
        assert listings[name].problem() is look.problem is None
        assert look.stage == listings[name].load().stage
        assert look.summary
        assert look.summary.endswith(".")


def test_listing_imports_no_plugin_and_no_torch() -> None:
    code = """
        import sys
        from vtc_cli.methods import available
        shown = [(listing.name, listing.glance()) for listing in available()]
        assert {name for name, _ in shown} >= {"uniform", "window"}, shown
        assert all(look.stage and look.summary for _, look in shown), shown
        heavy = {"torch", "transformers", "vtc_baselines", "numpy"} & set(sys.modules)
        assert not heavy, heavy
        import vtc_cli
        assert "Session" in dir(vtc_cli) and "torch" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=120)


def test_a_strangers_plugin_is_found_chosen_and_described(install: Install) -> None:
    install("vtc-first", {"first": "first_plugin:First"}, {"first_plugin": PRUNER}, version="2.5")
    listing = find("first")
    assert (listing.distribution, listing.version, listing.clash) == ("vtc-first", "2.5", ())
    assert (listing.glance().stage, listing.glance().summary) == (
        "pruner",
        "Keep the first tokens, whatever they show.",
    )
    assert "first_plugin" not in sys.modules
    chosen = choose("first:count=7")
    assert (chosen.name, chosen.stage, chosen.version, chosen.options) == ("first", "pruner", "2.5", {"count": 7})
    assert isinstance(chosen.method, TokenPruner)
    assert chosen.method.budget(100) == 7


def test_two_distributions_with_one_name_are_refused_unless_named(install: Install) -> None:
    install("vtc-one", {"first": "one_plugin:First"}, {"one_plugin": PRUNER})
    install("Vtc_Two", {"first": "two_plugin:First"}, {"two_plugin": PRUNER})
    with pytest.raises(UsageError, match=r"offered by .* and ") as caught:
        choose("first")
    assert "vtc-one" in caught.value.message
    assert "Vtc_Two" in caught.value.message
    assert ":first" in str(caught.value.hint)
    assert choose("vtc-one:first:count=2").distribution == "vtc-one"
    assert choose("vtc-two:first").distribution == "Vtc_Two"
    assert [item.clash for item in available() if item.name == "first"] == [("Vtc_Two", "vtc-one")] * 2
    with pytest.raises(UsageError, match="no method `vtc-three:first`"):
        choose("vtc-three:first")


def test_a_stranger_may_not_replace_a_built_in_silently(install: Install) -> None:
    install("vtc-sly", {"window": "sly_plugin:First"}, {"sly_plugin": PRUNER})
    with pytest.raises(UsageError, match="offered by"):
        choose("window")
    assert choose("vtc-cli:window").distribution == "vtc-cli"


@pytest.mark.parametrize(
    ("source", "word", "seen_without_import"),
    [
        (None, "bad_plugin", True),
        ("import nonexistent_thing\nclass First: pass", "nonexistent_thing", False),
        ("class First(:", "syntax", True),
        ("raise RuntimeError('licence expired')\nclass First: pass", "licence expired", False),
        ("class Second: pass", "First", True),
        ("class First: pass", "inherits none", False),
        (PRUNER + "\n        api = 99\n", "interface 99", False),
    ],
)
def test_a_broken_plugin_is_reported_and_only_fatal_when_chosen(
    install: Install, source: str | None, word: str, seen_without_import: bool
) -> None:
    install("vtc-bad", {"first": "bad_plugin:First"}, {"bad_plugin": source} if source else None)
    listing = next(item for item in available() if item.name == "first")
    assert choose("window").name == "window"
    assert (listing.glance().problem is not None) == seen_without_import
    problem = listing.problem()
    assert problem is not None
    assert "vtc-bad 1.0" in problem
    assert word in problem
    with pytest.raises(UsageError) as caught:
        choose("first")
    assert caught.value.message == problem


@pytest.mark.parametrize(
    ("value", "seen"),
    [("", set()), ("window, uniform", {"window", "uniform"}), ("vtc_cli", BUILT_IN), ("vtc-first", {"first"})],
)
def test_vtc_plugins_restricts(install: Install, monkeypatch: pytest.MonkeyPatch, value: str, seen: set[str]) -> None:
    install("vtc-first", {"first": "first_plugin:First"}, {"first_plugin": PRUNER})
    monkeypatch.setenv("VTC_PLUGINS", value)
    names = {listing.name for listing in available()}
    assert seen <= names
    assert "first" in names or "first" not in seen
    if value != "vtc_cli":
        assert names == seen
    if not seen:
        with pytest.raises(UsageError, match="VTC_PLUGINS='' admits none"):
            choose("window")


def test_restricting_settles_a_clash(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("vtc-sly", {"window": "sly_plugin:First"}, {"sly_plugin": PRUNER})
    monkeypatch.setenv("VTC_PLUGINS", "vtc-cli")
    assert choose("window").distribution == "vtc-cli"


def test_unknown_names_get_the_closest() -> None:
    with pytest.raises(UsageError, match="no method `windwo`") as caught:
        choose("windwo:budget=3")
    assert "did you mean `window`?" in str(caught.value.hint)
    with pytest.raises(UsageError) as caught:
        choose("zzzzzz")
    assert "there are: " in str(caught.value.hint)


def test_one_method_per_stage() -> None:
    chosen = choose_all(["uniform:tokens=4", "none", "window"])
    assert {stage: one.name for stage, one in chosen.items()} == {"pruner": "uniform", "cache": "window"}
    with pytest.raises(UsageError, match="`uniform` and `random` both fill the stage `pruner`"):
        choose_all(["uniform", "window", "random"])


def test_resolve_takes_objects_text_and_nothing() -> None:
    assert resolve(None, CachePolicy) is None  # type: ignore[type-abstract]
    assert resolve("none", CachePolicy) is None  # type: ignore[type-abstract]
    policy = resolve("window:budget=5", CachePolicy)  # type: ignore[type-abstract]
    assert policy is not None
    assert policy.budget == 5
    assert resolve(policy, CachePolicy) is policy  # type: ignore[type-abstract]
    with pytest.raises(UsageError, match="WindowCache` fills the stage `cache`"):
        resolve(policy, TokenPruner)  # type: ignore[arg-type, type-abstract]


@pytest.mark.parametrize(
    ("spec", "name", "given"),
    [
        ("window", "window", {}),
        (" a:b=1 ", "a", {"b": "1"}),
        ("dist:a", "dist:a", {}),
        ("dist:a:b=1,c=x=y", "dist:a", {"b": "1", "c": "x=y"}),
        ("a:path=c:/d", "a", {"path": "c:/d"}),
        ("a:b=", "a", {"b": ""}),
    ],
)
def test_specs_are_split(spec: str, name: str, given: dict[str, str]) -> None:
    assert split(spec) == (name, given)


@pytest.mark.parametrize("spec", ["", ":a=1", "a:", "a:b=1,", "a:b=1,c", "a:=1", "a:b=1,b=2"])
def test_unreadable_specs_are_refused(spec: str) -> None:
    with pytest.raises(UsageError):
        split(spec)
