"""How deep a search goes, what it costs, and which stage answers."""

from __future__ import annotations

from itertools import chain, repeat
from math import log

import numpy as np
import pytest
from vtc_mm_mem.method import MMMem

from tests.mm_mem.asking import CHOICES, Film, Seer, ask, spread, unsure
from tests.mm_mem.fakes import Narration, built, scenes, texture
from vtc_cli import UsageError
from vtc_cli.memory import MemoryStore

PLAIN = {"both_orders": False}


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return list(scenes(*[(texture(place), 15) for place in range(8)]))


@pytest.fixture(scope="module")
def store(tmp_path_factory, pictures):
    with built(tmp_path_factory.mktemp("ladder") / "i", pictures, narration=Seer(range(8))) as store:
        yield store


@pytest.fixture
def film(pictures) -> Film:
    return Film(pictures)


def stages(found) -> list[str]:
    """Each once: the last one may look at several clips, one after the other."""
    return list(dict.fromkeys(step.stage for step in found.trace))


def test_it_stops_where_it_is_sure(store, film) -> None:
    found = ask(store, film, unsure(1.2, 0.9, 0.3), "which one?", CHOICES, **PLAIN)
    assert stages(found) == ["S0", "S1", "S2"]
    assert (found.stage, found.stopped, found.label) == ("S2", "confident", "A")
    assert found.posterior.entropy == pytest.approx(0.3, abs=1e-6)
    assert film.decoded == 0


def test_unsure_to_the_end_it_answers_from_the_pixels(store, film) -> None:
    found = ask(store, film, unsure(1.2, 1.2, 1.2, 1.2), "which one?", CHOICES, **PLAIN)
    assert stages(found) == ["S0", "S1", "S2", "S3"]
    assert (found.stage, found.stopped) == ("S3", "bottom")
    assert film.decoded > 0
    assert found.trace[-1].frames[0] % 1 != 0  # decoded again, closer than once a second


def test_sure_at_a_glance(store, film) -> None:
    found = ask(store, film, unsure(0.1), "which one?", CHOICES, **PLAIN)
    assert stages(found) == ["S0"]
    assert film.decoded == 0


def test_sure_of_what_nothing_shows_it_goes_on(store, film) -> None:
    """One of the options is always the likeliest, shown or not."""
    found = ask(store, film, unsure(0.1, 0.3, doubts=2), "which one?", CHOICES, **PLAIN)
    assert stages(found) == ["S0", "S1"]
    assert (found.stage, found.stopped, found.supported) == ("S1", "confident", True)
    found = ask(store, film, unsure(0.1, 1.2, 1.2, 1.2, doubts=2), "which one?", CHOICES, **PLAIN)
    assert (found.stage, found.stopped, found.supported) == (
        "S3",
        "bottom",
        True,
    )  # S0, though clearly surer, was wrong
    found = ask(store, film, unsure(0.1, 0.1, doubts=4), "which one?", CHOICES, last="S1", **PLAIN)
    assert (found.stage, found.stopped, found.supported) == ("S1", "bottom", False)


@pytest.mark.parametrize(("answer", "supported"), [("sign3", True), ("sign5", False)])
def test_what_a_note_says_is_supported_though_no_look_finds_it(store, film, answer: str, supported: bool) -> None:
    doubting = unsure(1.2, 1.2, 1.2, 1.2, doubts=9)
    found = ask(store, film, doubting, "which is the number sign3?", {"A": answer, "B": "sign7"}, **PLAIN)
    assert (found.label, found.stopped, found.supported) == ("A", "bottom", supported)
    assert any(item.t0 <= 45.0 < item.t1 for item in found.intervals) == supported


@pytest.mark.parametrize("stage", ["S0", "S1", "S2", "S3"])
def test_any_stage_can_be_left_out(store, film, stage: str) -> None:
    found = ask(store, film, unsure(1.2, 1.2, 1.2), "which one?", CHOICES, without=stage, **PLAIN)
    assert stages(found) == [name for name in ("S0", "S1", "S2", "S3") if name != stage]
    assert found.label == "A"
    with pytest.raises(ValueError, match="leave no stage"):
        MMMem(last="S0", without="S0")


def test_little_mass_on_labels_is_never_sure(store, film) -> None:
    found = ask(store, film, unsure(0.6, (0.3, 0.1), 0.55, 0.58), "which one?", CHOICES, **PLAIN)
    assert stages(found) == ["S0", "S1", "S2", "S3"]
    assert found.stopped == "bottom"
    assert found.stage == "S3"  # 0.58 is not clearly worse than 0.55


def test_a_clearly_surer_stage_answers_instead_of_the_last(store, film) -> None:
    found = ask(store, film, unsure(1.3, 0.7, 1.2, 1.1), "which one?", CHOICES, **PLAIN)
    assert found.stage == "S1"
    found = ask(store, film, unsure(1.3, 0.7, 1.2, 0.85), "which one?", CHOICES, **PLAIN)
    assert found.stage == "S3"


def test_a_search_that_may_not_go_down_decodes_nothing(store, film) -> None:
    found = ask(store, film, unsure(1.2, 1.2), "which one?", CHOICES, last="S1", **PLAIN)
    assert stages(found) == ["S0", "S1"]
    assert film.decoded == 0


def test_one_look_is_one_look(store, film) -> None:
    narration = unsure(1.2)
    found = ask(store, film, narration, "which one?", CHOICES, calls=1, **PLAIN)
    assert len(narration.looked) == found.calls == 1
    assert found.stopped == "calls"
    assert "budget" in found.notes[0]


@pytest.mark.parametrize("calls", [2, 3, 5, 8, 12])
def test_looks_stay_within_their_budget(store, film, calls: int) -> None:
    narration = unsure(*[1.3] * 4)
    found = ask(store, film, narration, "which one?", CHOICES, calls=calls, **PLAIN)
    assert len(narration.looked) == found.calls <= calls


@pytest.mark.parametrize("tokens", [4, 40, 100, 200])
def test_visual_tokens_stay_within_their_budget(store, film, tokens: int) -> None:
    narration = unsure(*[1.3] * 4)
    found = ask(store, film, narration, "which one?", CHOICES, visual_tokens=tokens, **PLAIN)
    spent = sum(4 * len(times) for times, _ in narration.looked)
    assert found.visual_tokens == spent
    assert spent <= tokens
    if tokens >= 40:
        assert stages(found)[-1] == "S3"  # what is above leaves room for the video itself


def test_only_the_last_stage_looks_at_full_detail(store, film) -> None:
    narration = unsure(1.2, 1.2, 1.2, 1.2)
    found = ask(store, film, narration, "which one?", CHOICES, **PLAIN)
    detailed = [times for times, detail in narration.looked if detail]
    assert detailed == [step.frames for step in found.trace if step.stage == "S3"]
    assert len(narration.looked) > len(detailed)


def test_a_search_ends_when_its_seconds_are_over_but_not_without_a_look(store, film) -> None:
    found = ask(store, film, unsure(1.2, 1.2, 1.2), "which one?", CHOICES, seconds=1e-9, **PLAIN)
    assert (stages(found), found.stopped, found.label) == (["S0"], "seconds", "A")
    assert "allow more with -m mm-mem:seconds=" in found.notes[0]
    slow = ask(store, film, unsure(1.2, 1.2, 1.2, 1.2), "which one?", CHOICES, seconds=3600.0, **PLAIN)
    assert slow.stopped == "bottom"


def test_the_habit_for_a_letter_cancels_out(store, film) -> None:
    def biased(prompt, choices, frames):
        habits = dict(zip(choices, (-0.5, -1.0, -1.5, -2.0), strict=False))
        taste = {"one": -3.0, "two": -2.9, "three": -4.0, "four": -4.5}
        return {label: habits[label] + taste.get(text, 0.0) for label, text in choices.items()}

    def shares(choices):
        found = ask(store, film, Narration(weigh=biased), "which one?", choices, last="S0")
        return {choices[label]: share for label, share in found.posterior.shares.items()}

    plain = shares(CHOICES)
    turned = shares({"A": "three", "B": "one", "C": "four", "D": "two"})
    assert plain == pytest.approx(turned)
    assert max(plain, key=lambda text: plain[text]) == "two"
    once = ask(store, film, Narration(weigh=biased), "which one?", CHOICES, last="S0", both_orders=False)
    assert once.label == "A"


@pytest.mark.parametrize("count", [2, 3, 5, 8])
def test_any_number_of_options(store, film, count: int) -> None:
    choices = {letter: f"option {letter}" for letter in "ABCDEFGH"[:count]}
    found = ask(store, film, Narration(), "which one?", choices, last="S0")
    assert set(found.posterior.shares) == set(choices)
    assert found.posterior.entropy == pytest.approx(log(count))


def test_one_candidate_is_no_certainty(store, film) -> None:
    narration = Narration(
        write=lambda prompt, frames: "a dog",
        weigh=lambda prompt, choices, frames: (
            spread(1.0, list(choices)) if len(choices) > 2 else spread(0.65, list(choices))
        ),
    )
    found = ask(store, film, narration, "what is it?", last="S0", both_orders=False)
    assert list(found.trace[0].answers.values()) == ["a dog", "not shown in the video"]
    assert found.posterior.entropy == pytest.approx(0.65, abs=1e-6)


@pytest.mark.parametrize("said", ["not shown", "Not shown in the video.", "unknown"])
def test_what_is_not_shown_is_looked_for_to_the_end(store, film, said: str) -> None:
    """A narrator that never proposes anything else is not sure at a glance, however few answers there are."""
    narration = Narration(
        write=lambda prompt, frames: said,
        weigh=lambda prompt, choices, frames: {label: log(1 / len(choices)) for label in choices},
    )
    found = ask(store, film, narration, "what is it?", both_orders=False)
    assert stages(found) == ["S0", "S1", "S2", "S3"]
    assert all(list(step.answers.values()) == ["not shown in the video"] for step in found.trace)
    assert (found.answer, found.supported, found.intervals) == ("not shown in the video", False, ())


def test_a_stage_without_a_proposal_does_not_outweigh_one_with(store, film) -> None:
    said = chain(["not shown", "not shown"], repeat("a dog"))
    narration = Narration(
        write=lambda prompt, frames: next(said),
        weigh=lambda prompt, choices, frames: (
            dict.fromkeys(choices, 0.0) if len(choices) == 1 else spread(0.68, list(choices))
        ),
    )
    found = ask(store, film, narration, "what is it?", both_orders=False)
    assert [len(step.answers) for step in found.trace] == [1] + [2] * (len(found.trace) - 1)
    assert found.stage == "S3"
    assert found.answer.startswith("a dog")


def favouring(answers: list[tuple[str, float]], yes: float = 0.6) -> Narration:
    """Proposes a dog, and finds it shown by so much; in each look, and then as in the last one, likes an answer with
    this entropy over two."""
    look = chain(answers, repeat(answers[-1]))

    def weigh(prompt, choices, frames):
        if set(choices) == {"yes", "no"}:
            return {"yes": log(yes), "no": log(1 - yes)}
        liked, entropy = next(look)
        labels = sorted(choices, key=lambda label: liked not in choices[label])
        return spread(entropy, labels)

    return Narration(write=lambda prompt, frames: "a dog", weigh=weigh)


@pytest.mark.parametrize("last", [0.1, 0.45, 0.6])
def test_that_it_is_not_in_a_few_pictures_ends_no_search(store, film, last: float) -> None:
    """However sure a glance is that there is none: what is found further down is the answer."""
    narration = favouring([("not shown", 0.05), ("not shown", 0.05), ("not shown", 0.05), ("dog", last)])
    found = ask(store, film, narration, "what is it?", both_orders=False)
    assert stages(found) == ["S0", "S1", "S2", "S3"]
    assert found.stage == "S3"
    assert found.answer.startswith("a dog")
    assert found.supported


@pytest.mark.parametrize(("yes", "answer"), [(0.9, "a dog (00:"), (0.1, "not shown in the video")])
def test_where_a_letter_leaves_open_whether_it_is_shown_yes_or_no_decides(store, film, yes: float, answer: str) -> None:
    found = ask(store, film, favouring([("not shown", 0.65)], yes), "what is it?", both_orders=False)
    assert stages(found) == ["S0", "S1", "S2", "S3"]
    assert found.answer.startswith(answer)
    assert found.supported == (yes > 0.5)
    told = {text: found.posterior.shares[label] for label, text in found.trace[-1].answers.items()}
    assert found.confidence == told["a dog" if yes > 0.5 else "not shown in the video"]
    assert told["a dog"] < 0.5 < told["not shown in the video"]


@pytest.mark.parametrize("nats", [0.3, 0.65])
def test_an_option_in_the_words_of_not_shown_is_an_option_like_others(store, film, nats: float) -> None:
    """Whoever gives it gets its label, and what is asked about its being shown is about it."""
    narration = favouring([("not shown", nats)], 0.9)
    found = ask(store, film, narration, "what is it?", {"A": "a dog", "B": "not shown in the video"}, both_orders=False)
    assert (found.label, found.answer) == ("B", "B")
    proposed = {
        prompt.split("Proposed answer: ")[1].splitlines()[0] for _, _, prompt in narration.asked if "Proposed" in prompt
    }
    assert proposed == {"not shown in the video"}
    assert found.stopped == ("confident" if nats < 0.5 else "bottom")


def test_what_is_nowhere_is_not_shown_and_sure_after_the_last_look(store, film) -> None:
    found = ask(store, film, favouring([("not shown", 0.1)] * 4), "what is it?", both_orders=False)
    assert stages(found) == ["S0", "S1", "S2", "S3"]
    assert (found.answer, found.supported) == ("not shown in the video", False)
    assert found.posterior.confident(0.5)


def test_candidates_are_told_apart_by_their_words_and_capped(store, film) -> None:
    said = iter(["A red ball.", "the red ball", "dog", "cat", "owl", "emu", "bee", "fly", "ant"])
    narration = Narration(
        write=lambda prompt, frames: next(said), weigh=lambda prompt, choices, frames: spread(1.0, list(choices))
    )
    found = ask(store, film, narration, "what is it?")
    assert list(found.trace[0].answers.values()) == ["A red ball.", "not shown in the video"]
    assert len(found.trace[-1].answers) <= 7


def test_an_empty_question_is_refused(store, film) -> None:
    with pytest.raises(UsageError, match="empty"):
        ask(store, film, Narration(), "  \n ")


def test_asking_writes_nothing(store, film) -> None:
    before = store.all("SELECT COUNT(*), MAX(id) FROM passage")
    data = store.path.read_bytes()
    with MemoryStore.open(store.path) as reading:
        for number in range(4):
            ask(reading, film, unsure(*[1.3] * 4), f"which one is sign{number}?", CHOICES, **PLAIN)
    assert store.path.read_bytes() == data
    assert store.all("SELECT COUNT(*), MAX(id) FROM passage") == before


def test_evidence_in_words_is_bounded(store, film) -> None:
    narration = unsure(*[1.3] * 4)
    found = ask(store, film, narration, "sign1 sign2 sign3 sign4?", CHOICES, text=20, **PLAIN)
    assert all(narration.count(step.text.replace("\n", " ")) <= 20 + 2 * 20 for step in found.trace)
    unbounded = ask(store, film, unsure(*[1.3] * 4), "sign1 sign2 sign3 sign4?", CHOICES, **PLAIN)
    assert len(unbounded.trace[1].text) > len(found.trace[1].text)
