"""Time words in questions."""

from __future__ import annotations

import pytest

from vtc_cli.memory import when


@pytest.mark.parametrize(
    ("question", "start", "end", "order"),
    [
        ("what is shown at 12:30?", 720.0, 780.0, None),
        ("what happens at 1:02:03?", 3693.0, 3753.0, None),
        ("what colour is shown around minute 30?", 1770.0, 1890.0, None),
        ("what is in the first minute?", 0.0, 60.0, None),
        ("who speaks in the last ten seconds?", 3590.0, None, None),
        ("what comes after 5:00?", 300.0, None, None),
        ("what comes before minute 10?", None, 600.0, None),
        ("what happens between 1:00 and 2:00?", 60.0, 120.0, None),
        ("what is seen at the end?", 3540.0, None, None),
        ("when does the dog first appear?", None, None, "first"),
        ("when is the dog seen for the last time?", None, None, "last"),
        ("what is the score?", None, None, None),
        ("is it 5 dogs or 6?", None, None, None),
    ],
)
def test_words_for_times(question, start, end, order) -> None:
    found = when(question, 3600.0)
    assert (found.start, found.end, found.order) == (start, end, order)


def test_meeting() -> None:
    found = when("after 1:00", 100.0)
    assert found.meets(50.0, 61.0)
    assert not found.meets(50.0, 60.0)
