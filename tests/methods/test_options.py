"""Options from text: by the type of the field, with errors that say what is allowed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtc_cli.errors import UsageError
from vtc_cli.methods.options import Bytes, build, describe, read, values
from vtc_cli.methods.stages import CachePolicy, FrameSampler

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Everything(FrameSampler):
    """A sampler with one option of each kind.

    share: how much of it,
        continued on a second line.
    mode: which way.
    """

    share: float = 0.25
    mode: Literal["patch", "packed", 3] = "patch"
    count: int = 2
    sure: bool = True
    name: str = "x"
    limit: int | None = None
    old: Optional[float] = None  # noqa: UP045 (both spellings are read)
    layers: tuple[int, ...] = (9, 18)
    listed: list[int] = field(default_factory=list)
    _state: Tensor | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.share > 1:
            raise ValueError("share must be at most 1")

    def sample(self, frames: Any) -> Any:
        return frames


@dataclass
class Needing(FrameSampler):
    """Has an option without a default."""

    rate: float

    def sample(self, frames: Any) -> Any:
        return frames


@dataclass
class Policy(CachePolicy):
    """Keeps.

    target: told anew.
    """

    def select(self, view: Any, keep: int) -> Any:
        return view


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("share", "0.5", 0.5), ("share", "2/9", 2 / 9), ("share", "25%", 0.25), ("share", "1e-3", 1e-3),
        ("share", "-1", -1.0), ("mode", "packed", "packed"), ("mode", "3", 3), ("count", "7", 7),
        ("count", "1_000", 1000), ("count", "-3", -3), ("sure", "no", False), ("sure", "TRUE", True),
        ("name", "a b", "a b"), ("limit", "none", None), ("limit", "4", 4), ("old", "None", None),
        ("old", "1/2", 0.5), ("layers", "3", (3,)), ("layers", "3+4", (3, 4)),
    ],
)  # fmt: skip
def test_values_are_read_by_type(key: str, text: str, value: object) -> None:
    method = build(Everything, {key: text}, "everything")
    assert getattr(method, key) == value
    assert type(getattr(method, key)) is type(value)
    assert values(method)[key] == value
    assert "_state" not in values(method)


@pytest.mark.parametrize(
    ("key", "text", "allowed"),
    [
        ("share", "half", "number, fraction (2/9) or percentage"), ("share", "1/0", "fraction"),
        ("share", "nan", "number"), ("share", "inf", "number"), ("mode", "pack", "patch or packed or 3"),
        ("count", "1.5", "whole number"), ("count", "512MB", "whole number"), ("sure", "maybe", "true or false"),
        ("limit", "many", "whole number or none"), ("layers", "3+x", "several joined by +"), ("listed", "1", "list"),
    ],
)  # fmt: skip
def test_a_bad_value_is_told_what_is_allowed(key: str, text: str, allowed: str) -> None:
    with pytest.raises(UsageError) as caught:
        build(Everything, {key: text}, "everything")
    assert f"`everything`: {key}={text}" in caught.value.message
    assert allowed in str(caught.value.hint)


def test_close_matches_for_choices_and_keys() -> None:
    with pytest.raises(UsageError, match="did you mean packed"):
        build(Everything, {"mode": "paked"}, "everything")
    with pytest.raises(UsageError) as caught:
        build(Everything, {"shar": "1"}, "everything")
    assert caught.value.hint == "did you mean `share`?"
    with pytest.raises(UsageError) as caught:
        build(Everything, {"zzz": "1"}, "everything")
    assert "share, mode" in str(caught.value.hint)
    with pytest.raises(UsageError):
        build(Everything, {"_state": "1"}, "everything")


def test_what_the_method_itself_refuses_is_passed_on() -> None:
    with pytest.raises(UsageError, match="`everything`: share must be at most 1"):
        build(Everything, {"share": "3/2"}, "everything")


def test_an_option_without_default_is_asked_for() -> None:
    with pytest.raises(UsageError, match="`needing` needs rate"):
        build(Needing, {}, "needing")
    assert describe(Needing)[0].default is None


@pytest.mark.parametrize(
    ("text", "amount"),
    [("512MB", 512_000_000), ("1.5GiB", 3 * 2**29), ("900kb", 900_000), ("64B", 64), ("2 KiB", 2048)],
)
def test_bytes_where_the_field_counts_bytes(text: str, amount: int) -> None:
    policy = build(Policy, {"budget": text}, "policy")
    assert isinstance(policy, CachePolicy)
    assert isinstance(policy.budget, Bytes)
    assert policy.budget == amount
    assert type(build(Policy, {"budget": "6144"}, "policy").budget) is int  # type: ignore[attr-defined]


@pytest.mark.parametrize("options", [{"budget": "-1"}, {"target": "0"}, {"target": "1.1"}, {"budget": "3 parsecs"}])
def test_impossible_budgets(options: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        build(Policy, options, "policy")


def test_options_are_described_from_fields_and_docstrings() -> None:
    told = {option.name: option for option in describe(Everything)}
    assert list(told) == ["share", "mode", "count", "sure", "name", "limit", "old", "layers", "listed"]
    assert told["share"].help == "how much of it, continued on a second line."
    assert told["mode"].help == "which way."
    assert (told["mode"].type, told["mode"].default) == ("patch or packed or 3", "patch")
    assert (told["limit"].type, told["limit"].default) == ("whole number or none", "none")
    assert (told["layers"].default, told["sure"].default) == ("9+18", "true")
    policy = {option.name: option for option in describe(Policy)}
    assert policy["budget"].type == "whole number, or bytes like 512MB"
    assert policy["budget"].help.startswith("entries kept")
    assert policy["target"].help == "told anew."


@given(st.fractions(0, 1, max_denominator=1000))
def test_fractions_read_as_their_value(fraction: Any) -> None:
    assert read(f"{fraction.numerator}/{fraction.denominator}", float) == pytest.approx(float(fraction))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_survive_being_written(number: float) -> None:
    assert read(repr(number), float) == number
