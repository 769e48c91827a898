"""A session asked: the same answer every time, and no trace of having been asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.comparing import assert_same_memory, memory_of, said
from tests.engine.small_lm import SmallLM, film
from vtc_cli import Session, UsageError, VtcError
from vtc_cli.engine.decode import Sampler, TextStream, decode, posterior


def watched(count: int = 12, **options: Any) -> Session:
    session = Session(SmallLM(), **({"budget": 20} | options))
    session.watch(film(count))
    return session


def test_c6_asking_twice_gives_the_same_answer_and_another_question_does_not_matter() -> None:
    session = watched()
    before = memory_of(session)
    first = session.ask("what is it?", max_new_tokens=8)
    other = session.ask("and a longer one, asked in between?", max_new_tokens=20)
    again = session.ask("what is it?", max_new_tokens=8)
    assert said(first) == said(again)
    assert said(other) == said(watched().ask("and a longer one, asked in between?", max_new_tokens=20))
    assert first.ids != other.ids[:8]
    assert_same_memory(before, memory_of(session))
    session.watch(film(3, 12))
    unasked = watched(15)
    assert_same_memory(memory_of(unasked), memory_of(session))
    assert said(unasked.ask("what is it?")) == said(session.ask("what is it?"))


@pytest.mark.parametrize(("question", "limit"), [("x" * 41, 1), ("x" * 30, 12), ("x", 41), ("x" * 3000, 1)])
def test_c7_a_turn_longer_than_its_room_is_refused_before_any_forward(question: str, limit: int) -> None:
    session = Session(SmallLM(record=True), budget=20, max_turn=40)
    session.watch(film(3))
    model: Any = session.model
    forwards = len(model.spans)
    with pytest.raises(UsageError, match=rf"the question takes {len(question):,} entries .* > 40 reserved") as caught:
        session.ask(question, max_new_tokens=limit)
    assert "max_turn" in str(caught.value.hint)
    assert len(model.spans) == forwards
    session.ask("x" * 40, max_new_tokens=1)
    session.ask("x", max_new_tokens=40)
    session.ask("x" * 40, choices={}, max_new_tokens=1)


def test_the_whole_turn_fits_even_when_the_budget_is_full_and_a_unit_is_cut() -> None:
    session = Session(SmallLM(per_unit=2), budget=20, max_turn=40, chunk=3)
    session.watch(film(13))
    assert session.entries == 18
    answer = session.ask("x" * 30, max_new_tokens=11)
    assert answer.counts == {"context": 6 + 18, "completing": 3, "prompt": 30, "generated": 11}
    assert answer.finish == "length"


def test_asking_before_watching_is_an_error() -> None:
    session = Session(SmallLM(), budget=20)
    with pytest.raises(UsageError, match="nothing has been watched"):
        session.ask("what?")
    session.watch([])
    with pytest.raises(UsageError, match="nothing has been watched"):
        session.ask("what?")


@pytest.mark.parametrize("bad", [{"temperature": -1.0}, {"max_new_tokens": 0}])
def test_impossible_values_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="at least"):
        watched().ask("what?", **bad)
    with pytest.raises(UsageError, match="question is empty"):
        watched().ask("  ")


def test_sampling_is_seeded() -> None:
    session = watched()
    one, same = (session.ask("what?", temperature=1.0, seed=3, max_new_tokens=16) for _ in range(2))
    others = {session.ask("what?", temperature=1.0, seed=seed, max_new_tokens=16).ids for seed in range(5)}
    assert one.ids == same.ids
    assert len(others) == 5
    cold = session.ask("what?", temperature=1e-6, max_new_tokens=8)
    assert cold.ids == session.ask("what?", max_new_tokens=8).ids


def test_an_answer_ends_at_a_stop_token_which_is_not_part_of_it() -> None:
    session = watched()
    free = session.ask("what?", max_new_tokens=8, temperature=1.0)
    assert free.finish == "length"
    assert len(free.ids) == free.counts["generated"] == 8

    class Stopping(SmallLM):
        @property
        def stop_ids(self) -> frozenset[int]:
            return frozenset({free.ids[3]})

    stopped = Session(Stopping(), budget=20)
    stopped.watch(film(12))
    answer = stopped.ask("what?", max_new_tokens=8, temperature=1.0)
    assert answer.ids == free.ids[:3]
    assert answer.finish == "stop"


def test_choices_give_the_posterior_over_labels() -> None:
    session = watched()
    heard: list[str] = []
    choices = {"A": "red", "B": "blue", "C": "green"}
    answer = session.ask("which?", choices=choices, on_token=heard.append)
    assert answer.posterior is not None
    assert list(answer.posterior) == ["A", "B", "C"]
    assert sum(answer.posterior.values()) == pytest.approx(1)
    assert answer.text == max(answer.posterior, key=lambda label: answer.posterior[label])
    assert heard == [answer.text]
    assert answer.finish == "choices"
    assert answer.ids == (ord(answer.text),)
    # The same numbers from the free answer's first position: labels' chances, renormalised.
    logits = session._context.forward(session.model.question(session._context.cursor, "which?", choices), "question")
    chances = logits.double().softmax(-1)[[65, 66, 67]]
    assert list(answer.posterior.values()) == pytest.approx((chances / chances.sum()).tolist())


def test_a_failure_while_answering_is_rolled_back() -> None:
    session = watched()
    before = memory_of(session)

    def interrupt(piece: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session.ask("which?", choices={"A": "1", "B": "2"}, on_token=interrupt)
    with pytest.raises(KeyboardInterrupt):
        session.ask("what?", on_token=interrupt, temperature=1.0, max_new_tokens=50)
    assert_same_memory(before, memory_of(session))


def test_a_model_that_computes_no_numbers_is_an_error_not_an_answer() -> None:
    session = watched()
    session.model._head.fill_(float("nan"))  # type: ignore[attr-defined]
    with pytest.raises(VtcError, match="infinite or not numbers"):
        session.ask("what?")
    with pytest.raises(VtcError, match="infinite or not numbers"):
        session.ask("which?", choices={"A": "1", "B": "2"})


def test_evidence_is_none_where_attention_cannot_be_read() -> None:
    """The small model computes its own attention, outside the library: nothing is measured, nothing invented."""
    assert watched().ask("what?", max_new_tokens=2).evidence is None


def test_counts_and_seconds_of_a_session() -> None:
    session = watched(9, budget=12)
    answer = session.ask("what?", max_new_tokens=4)
    counts, sums = session.meter.counts, session.meter.sums
    assert (counts["frames"], counts["units"], counts["visual_in"], counts["visual_kept"]) == (9, 9, 18, 18)
    assert (counts["rows"], counts["questions"], counts["prompt"], counts["generated"]) == (27, 1, 5, 4)
    assert answer.evicted == counts["evicted"] == 27 - session.entries
    assert sums["vision"]["rows"] == 18
    assert sums["prefill"]["rows"] == 6 + 27
    assert sums["prefill"]["triangle"] == 6 * 7 // 2 + 9 * 6
    assert sums["prefill"]["square"] == 36 + 9 * 9
    assert sums["prefill"]["forwards"] == sums["prefill"]["logits"] == 10
    assert (sums["question"]["rows"], sums["question"]["cached"]) == (5, 5 * answer.counts["context"])
    assert sums["decode"]["rows"] == sums["decode"]["forwards"] == 3
    start = answer.counts["context"] + 5
    assert sums["decode"]["cached"] == start + (start + 1) + (start + 2)
    assert all(session.meter.seconds[stage] > 0 for stage in ("vision", "prefill", "first_token", "generate"))
    assert answer.seconds["first_token"] > 0


def utf8(ids: Sequence[int]) -> str:
    return bytes(ids).decode("utf-8", "replace")


@given(st.lists(st.integers(0, 255), max_size=60))
def test_streamed_pieces_join_to_the_text_whatever_the_bytes(ids: list[int]) -> None:
    stream = TextStream(utf8)
    assert "".join([*(stream.add(token) for token in ids), stream.finish()]) == utf8(ids)


@given(st.text(max_size=40))
def test_streamed_pieces_never_show_half_a_character(text: str) -> None:
    stream, ids = TextStream(utf8), list(text.encode())
    pieces = [stream.add(token) for token in ids]
    assert "".join(pieces) == text or text.endswith("�")
    assert all("�" not in piece for piece in pieces) or "�" in text


def test_decoding_appends_every_token_but_the_last() -> None:
    appended: list[int] = []

    def append(token: int) -> torch.Tensor:
        appended.append(token)
        return torch.nn.functional.one_hot(torch.tensor(token + 1), 10).float()

    done = decode(1, append, Sampler().pick, stop=frozenset({9}), limit=4)
    assert (done.ids, done.finish, appended) == ((1, 2, 3, 4), "length", [1, 2, 3])
    appended.clear()
    done = decode(6, append, Sampler().pick, stop=frozenset({9}), limit=40)
    assert (done.ids, done.finish, appended) == ((6, 7, 8), "stop", [6, 7, 8])
    assert decode(9, append, Sampler().pick, stop=frozenset({9}), limit=40).ids == ()


def test_sampling_follows_the_chances() -> None:
    sampler, logits = Sampler(temperature=0.5, seed=1), torch.tensor([0.0, 1.0, float("-inf"), 0.5])
    drawn = [sampler.pick(logits) for _ in range(4000)]
    expected = (logits / 0.5).softmax(-1).tolist()
    for token, chance in enumerate(expected):
        assert drawn.count(token) / 4000 == pytest.approx(chance, abs=0.03)


def test_posterior_is_over_labels_only() -> None:
    shares = posterior(torch.tensor([9.0, 0.0, 1.0, 5.0]), ["A", "B"], [1, 2])
    assert shares == pytest.approx({"A": 1 / (1 + torch.e), "B": torch.e / (1 + torch.e)})
