"""One answer's figures out of a session's running sums."""

from __future__ import annotations

from vtc_cli.engine.meter import Meter
from vtc_cli.report import measured
from vtc_cli.report.facts import Counts, Work
from vtc_cli.report.flops import Forwards


def session() -> Meter:
    meter = Meter()
    for unit in range(3):
        meter.add("frames", 2)
        meter.add("units")
        meter.add("visual_in", 12)
        meter.add("visual_kept", 6)
        meter.add("rows", 8)
        meter.forward("vision", 48, 0)
        meter.forward("prefill", 8, 4 + 8 * unit)
    meter.seconds["vision"] = 2.5
    return meter


def ask(meter: Meter, rows: int, tokens: int) -> None:
    meter.add("prompt", rows)
    meter.add("generated", tokens)
    meter.forward("question", rows, 28)
    for step in range(tokens - 1):
        meter.forward("decode", 1, 28 + rows + step)
    meter.seconds["first_token"] += 0.5
    meter.seconds["generate"] += 0.25 * tokens


def test_first_question() -> None:
    meter = session()
    ask(meter, 5, 3)
    assert measured.counts(meter.counts, context=28) == Counts(6, 3, 36, 18, 24, 28, 5, 3)
    assert measured.work(meter.counts) == Work(
        vision=Forwards.one(48, 0, logits=0) * 3,
        prefill=Forwards.one(8, 4) + Forwards.one(8, 12) + Forwards.one(8, 20),
        question=Forwards.one(5, 28),
        decode=Forwards.one(1, 33) + Forwards.one(1, 34),
    )


def test_second_question_counts_watching_again_but_not_the_first_question() -> None:
    meter = session()
    ask(meter, 5, 3)
    counts, seconds = dict(meter.counts), dict(meter.seconds)
    ask(meter, 7, 2)
    second = measured.counts(meter.counts, 28, counts)
    assert (second.frames, second.prompt, second.generated) == (6, 7, 2)
    work = measured.work(meter.counts, counts, method=99)
    assert work.prefill == measured.work(counts).prefill
    assert work.question == Forwards.one(7, 28)
    assert work.decode == Forwards.one(1, 35)
    assert work.method == 99
    spent = measured.seconds(meter.seconds, seconds, watch=4.0, load=1.0)
    assert (spent.vision, spent.first_token, spent.generate) == (2.5, 0.5, 0.5)
    assert (spent.watch, spent.load, spent.first_token_cold) == (4.0, 1.0, None)


def test_a_session_that_never_ran_a_forward() -> None:
    assert measured.work(Meter().counts) == Work(Forwards(), Forwards(), Forwards(), Forwards())
