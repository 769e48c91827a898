"""What counts as right: words, numbers, intervals, choices, and the rules of published benchmarks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtc_cli.bench.scoring.expected import expected
from vtc_cli.bench.scoring.numbers import number_in, written
from vtc_cli.bench.scoring.official import all_tries, circular, groups_of_skills, mean_of_skills, points, yes_no
from vtc_cli.bench.scoring.vqa import canonical, vqa_accuracy
from vtc_cli.bench.scoring.words import normalised, same_words, says, yes_or_no


@pytest.mark.parametrize(
    ("answer", "right", "wrong"),
    [
        ("red", ["red", "Red.", " the RED "], ["reddish", "red ball", "", "blue"]),
        ("a red ball", ["red ball", "The red ball!", "red   ball"], ["ball", "red, ball and box"]),
        ("ﬁve o’clock", ["five o'clock"], ["five"]),
        ("yes", ["Yes", "yes, there is one."], ["no", "Yesterday", "it is, yes", ""]),
        (True, ["yes"], ["no"]),
        (3, ["3", "There are three cups.", "3.0", "03"], ["4", "33", "", "many", "1.3"]),
        ("3", ["three"], ["thirteen"]),
        ("21", ["twenty-one", "Twenty one cups"], ["twenty", "twenty-two"]),
        ("twenty", ["20", "twenty."], ["twenty-five", "twenty one"]),
        ("2345", ["two thousand three hundred and forty-five"], ["two thousand", "two"]),
        ("100", ["one hundred of them"], ["one", "1"]),
        ("-2.5", ["-2.5 degrees"], ["2.5"]),
        ("1,250", ["1250"], ["1.25"]),
        ("1:30", ["90 s", "at 1:30", "00:01:30"], ["1.3", "30"]),
        ([10, 20], ["10", "20", "at 15 s", "0:12"], ["9.9", "21", "soon"]),
        ("10..20", ["twelve"], ["9"]),
        (["car", "an automobile", "7"], ["Car", "automobile", "seven"], ["cart", ""]),
    ],
)
def test_open_answers(answer, right, wrong):
    check = expected(answer).check
    assert [said for said in right if not check(said)] == []
    assert [said for said in wrong if check(said)] == []


def test_a_tolerance_widens_a_number():
    check = expected("12.0", tolerance=1.5).check
    assert [check(said) for said in ("10.5", "13.5", "10.4", "13.6")] == [True, True, False, False]


def test_options_are_named_by_letter_or_text():
    options = {"A": "red", "B": "green"}
    for answer in ("B", "b", "(B)", "green"):
        found = expected(answer, options)
        assert (found.truth, found.chance, found.check("B"), found.check("A")) == ("B", 0.5, True, False)


@pytest.mark.parametrize(
    ("answer", "options", "words"),
    [
        (None, None, "missing"),
        ("  ", None, "missing"),
        ([], None, "two numbers"),
        ([1, "x"], None, "two numbers"),
        ([5, 2], None, "ends before"),
        ("9..2", None, "ends before"),
        ("C", {"A": "red", "B": "green"}, "none of the options"),
        (None, {"A": "red", "B": "green"}, "missing"),
        ("red", {"A": "red", "B": "red"}, "give its letter"),
        ("B", {"A": "B", "B": "C"}, "letter them otherwise"),  # which letter is shown?
    ],
)
def test_answers_that_cannot_be_are_refused(answer, options, words):
    with pytest.raises(ValueError, match=words):
        expected(answer, options)


@pytest.mark.parametrize(
    ("answer", "options"),
    [("red", None), ([1, 3], None), ("1..3", None), (["3", "4"], None), ("A", {"A": "1", "B": "2"})],
)
def test_a_tolerance_of_what_is_no_number_is_refused(answer, options):
    with pytest.raises(ValueError, match="belongs to an answer that is a number"):
        expected(answer, options, tolerance=1)


@given(st.integers(-(10**9), 10**9))
def test_a_number_is_found_where_it_is_written(number):
    assert number_in(f"about {number} of them") == number
    assert written(f"{number:,}") == number


@given(st.text())
def test_words_are_normalised_once_and_for_all(text):
    assert normalised(normalised(text)) == normalised(text)


def test_articles_count_where_a_rule_says_so():
    assert same_words("The table", "table")
    assert not same_words("The table", "table", articles=True)
    assert says("a", "A")  # nothing but an article is still a word


def test_yes_and_no_as_pope_reads_them():
    assert [yes_or_no(said) for said in ("Yes.", "No, there is none", "There is not a dog", "A dog. No cat", "")] == [
        *("yes", "no", "no", "yes", "yes")
    ]
    assert yes_or_no("Nothing to see, I know") == "yes"  # words, not parts of them


def test_vqa_accuracy_is_the_mean_over_leaving_one_out():
    assert vqa_accuracy("stop", ["stop"] * 10) == 1.0
    assert vqa_accuracy("stop", ["stop"] * 3 + ["go"] * 7) == pytest.approx((3 * 2 / 3 + 7) / 10)
    assert vqa_accuracy("stop", ["stop"] * 2 + ["go"] * 8) == pytest.approx((2 / 3 + 8 * 2 / 3) / 10)
    assert vqa_accuracy("stop", ["stop"] + ["go"] * 9) == pytest.approx(9 / 3 / 10)
    assert vqa_accuracy("left", ["stop"] * 10) == 0.0
    with pytest.raises(ValueError, match="no answers"):
        vqa_accuracy("x", [])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The Stop-sign", "stop sign"),
        ("two", "2"),
        ("none", "0"),
        ("1,000", "1000"),
        ("st. james", "st james"),
        ("don't", "dont"),
        ("what?", "what"),
        ("john's", "john 's"),
    ],
)
def test_vqa_answers_that_are_the_same(one, other):
    assert canonical(one) == canonical(other)


def test_vqa_quotes_and_plural_possessives_stay():
    """The published script knows contractions by name, and leaves every other apostrophe."""
    assert canonical("boys'") != canonical("boys")
    assert canonical("'exit'") != canonical("exit")


def test_vqa_keeps_decimal_points():
    assert canonical("3.5") == "3.5"
    assert canonical("3.5") != canonical("35")


def line(right: bool, skill: str = "s", group: str | None = None, case: str = "film", **more) -> dict:
    return {"right": right, "skill": skill, "group": group, "case": case, **more}


def test_f1_of_yes_and_no():
    def answers(pairs, skill):
        return [line(said == truth, skill, answer=said, truth=truth) for said, truth in pairs]

    first = answers([("yes", "yes"), ("yes", "no"), ("no", "yes"), ("No.", "no")], "random")
    found = yes_no(first)
    assert found == {"f1": 0.5, "accuracy": 0.5, "precision": 0.5, "recall": 0.5, "yes": 0.5}
    second = answers([("yes", "yes")] * 4, "popular")
    assert yes_no(first + second)["f1"] == pytest.approx(0.75)  # the mean of categories, whatever their sizes
    assert yes_no(answers([("no", "yes")], "random"))["f1"] == 0.0


def test_groups_are_right_as_a_whole():
    lines = [line(True, "a", "1"), line(True, "a", "1"), line(True, "a", "2"), line(False, "a", "2")]
    lines += [line(True, "b", "1", case="other")]
    assert all_tries(lines) == {"all_tries": pytest.approx((0.5 + 1.0) / 2)}
    assert circular(lines) == {"circular": pytest.approx(2 / 3)}


def test_means_of_means():
    lines = [line(True, "x"), line(False, "x"), line(True, "y"), line(True, "z")]
    assert mean_of_skills(lines) == {"mean_of_skills": pytest.approx(2.5 / 3)}
    rule = groups_of_skills({"one": ("x", "y"), "two": ("z", "w"), "none": ("v",)})
    assert rule(lines) == {"one": 0.75, "two": 1.0, "mean": 0.875}
    assert points([line(True, points=0.6), line(False, points=0.3)]) == {"vqa_accuracy": pytest.approx(0.45)}
