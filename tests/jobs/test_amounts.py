"""Amounts as people write them."""

from __future__ import annotations

import pytest

from vtc_cli.jobs.amounts import Budget, parse_budget
from vtc_cli.methods.options import Bytes


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("8192", Budget(tokens=8192)),
        ("8_192", Budget(tokens=8192)),
        (4096, Budget(tokens=4096)),
        ("512MB", Budget(bytes=512 * 10**6)),
        ("1.5 GiB", Budget(bytes=3 * 2**29)),
        ("900kb", Budget(bytes=900_000)),
        ("2TB", Budget(bytes=2 * 10**12)),
        ("7B", Budget(bytes=7)),
    ],
)
def test_a_budget_is_tokens_or_bytes(text, budget):
    assert parse_budget(text) == budget
    assert parse_budget(str(budget)) == budget
    assert isinstance(budget.amount, Bytes) == (budget.bytes is not None)


@pytest.mark.parametrize(
    "text", ["", "0", "-5", "0MB", "many", "5 parsecs", "1.5", 10**30, "9" * 40 + "TB", True, None]
)
def test_what_is_no_budget(text):
    with pytest.raises(ValueError, match=r"expected|must"):
        parse_budget(text)
