"""One answer's figures out of a session's running sums."""

from __future__ import annotations

from copy import deepcopy

from vtc_cli.engine.meter import Meter
from vtc_cli.report import measured
from vtc_cli.report.facts import Counts, Work
from vtc_cli.report.flops import Forwards


def session() -> Meter:
    meter = Meter()
    for unit in range(3):
        for name, amount in {"frames": 2, "units": 1, "visual_in": 12, "visual_kept": 6, "rows": 8}.items():
            meter.add(name, amount)
        meter.forward("vision", 48, 0)
        meter.forward("prefill", 8, 4 + 8 * unit)
    meter.seconds["vision"] = 2.5
    return meter


def ask(meter: Meter, rows: int, tokens: int) -> None:
    meter.forward("question", rows, 28, logits=1)
    for step in range(tokens - 1):
        meter.forward("decode", 1, 28 + rows + step, logits=1)


def test_first_question() -> None:
    meter = session()
    ask(meter, 5, 3)
    answer = {"context": 28, "prompt": 5, "generated": 3, "completing": 8}
    assert measured.counts(meter.counts, answer) == Counts(6, 3, 36, 18, 24, 28, 5, 8, 3)
    assert measured.work(meter.sums) == Work(
        vision=Forwards.one(48, 0, logits=0) * 3,
        prefill=Forwards.total(Forwards.one(8, cached, logits=0) for cached in (4, 12, 20)),
        question=Forwards.one(5, 28),
        decode=Forwards.one(1, 33) + Forwards.one(1, 34),
    )


def test_second_question_counts_watching_again_but_not_the_first_question() -> None:
    meter = session()
    ask(meter, 5, 3)
    before = deepcopy(meter.sums)
    ask(meter, 7, 2)
    work = measured.work(meter.sums, before)
    assert work.prefill == measured.work(before).prefill
    assert work.question == Forwards.one(7, 28)
    assert work.decode == Forwards.one(1, 35)
    assert work.method is None


def test_seconds_that_nobody_took_are_none() -> None:
    stages = session().seconds
    del stages["preprocess"]
    spent = measured.seconds(stages, {"first_token": 0.5, "generate": 0.25}, watch=4.0, load=1.0)
    assert (spent.vision, spent.first_token, spent.generate) == (2.5, 0.5, 0.25)
    assert (spent.watch, spent.load) == (4.0, 1.0)
    assert (spent.preprocess, spent.first_token_cold) == (None, None)


def test_a_session_that_never_ran_a_forward() -> None:
    assert measured.work(Meter().sums) == Work(Forwards(), Forwards(), Forwards(), Forwards())
