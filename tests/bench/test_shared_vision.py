"""With --share-vision the tower sees a film once: the answers are the same, and what was not measured is not told."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.support.clips import write_clip
from vtc_cli.bench import shared_vision
from vtc_cli.bench.rows import rows_of
from vtc_cli.bench.runner import Bench, Plan
from vtc_cli.bench.suites.files import files_suite
from vtc_cli.bench.summary import summarise
from vtc_cli.errors import UsageError
from vtc_cli.jobs.ledger import Ledger
from vtc_cli.jobs.settings import Settings
from vtc_cli.models.qwen import Qwen
from vtc_cli.report.validation import problems

ROWS = ("uniform:retain=1/2", "hiprune:retain=1/2", "hiprune++:retain=1/4", "uniform:retain=1/2+window:budget=40")


@pytest.fixture
def encoded(monkeypatch):
    """How many units the tower made so far, by the layers whose attention was read."""
    count: dict[tuple[int, ...], int] = {}
    encode = Qwen.encode

    def counting(self, prepared, geometry, first=0, capture=()):
        count[tuple(capture)] = count.get(tuple(capture), 0) + len(prepared)
        return encode(self, prepared, geometry, first=first, capture=capture)

    monkeypatch.setattr(Qwen, "encode", counting)
    return count


def test_every_row_answers_the_same_and_the_tower_sees_a_film_once(plan, encoded):
    made = plan(*ROWS)
    alone = Bench(made)
    expected = list(alone.run())
    separate = dict(encoded)
    encoded.clear()
    together = Bench(replace(made, share_vision=True))
    lines = list(together.run())

    told = ("row", "case", "question", "answer", "right", "evidence_entries")
    assert [[line[name] for name in told] for line in lines] == [[line[name] for name in told] for line in expected]
    assert [line["record"]["flops"] for line in lines] == [line["record"]["flops"] for line in expected]
    units = sum(line["record"]["tokens"]["units"] for line in lines if line["row"] == "none")
    films = {line["case"]: line["record"]["tokens"]["units"] for line in lines if line["row"] == "none"}
    assert units > sum(films.values())  # several questions about a film
    assert set(encoded) == set(separate)  # read layers are part of what is asked of the tower
    assert all(seen == sum(films.values()) for seen in encoded.values())
    assert separate[()] == 3 * sum(films.values())


def test_what_sharing_spoils_is_null_and_the_rest_is_measured(plan):
    made = replace(plan("uniform:retain=1/2"), share_vision=True)
    bench = Bench(made)
    lines = list(bench.run())
    for line in lines:
        record = line["record"]
        assert problems(record) == []
        assert [record["seconds"][name] for name in ("vision", "watch", "first_token_cold")] == [None] * 3
        assert record["seconds"]["first_token"] > 0
        assert record["memory"]["rss_peak"] is None
        assert record["memory"]["kv_peak"] > 0
    summary = summarise(bench.facts, made.rows, lines)
    assert summary["facts"]["share_vision"] is True
    assert summary["rows"][1]["costs"]["seconds"]["watch"] is None
    assert summary["rows"][1]["costs"]["flops"]["vision"] > 0


def test_a_file_holds_shared_rows_or_others_and_never_both(plan, tmp_path):
    path = tmp_path / "runs.jsonl"
    with Ledger(path) as ledger:
        list(Bench(plan(limit=1), ledger).run())
    with Ledger(path) as ledger, pytest.raises(UsageError, match="share_vision"):
        next(Bench(replace(plan(limit=1), share_vision=True), ledger).run())


def test_what_does_not_fit_is_encoded_again(plan, encoded, monkeypatch):
    monkeypatch.setattr(shared_vision.SharedVision.__init__, "__defaults__", (0,))
    lines = list(Bench(replace(plan("uniform:retain=1/2", limit=1), share_vision=True)).run())
    films = {line["case"]: line["record"]["tokens"]["units"] for line in lines if line["row"] == "none"}
    assert encoded[()] == 2 * sum(films.values())


def test_a_stream_asked_at_several_moments_is_seen_once(checkpoint, encoded, tmp_path):
    write_clip(tmp_path / "one.mp4", seconds=6.0)
    moments = [{"time": 2}, {"time": 4}, {}]
    rows = [
        {"video": "one.mp4", "question": f"What moves? {n}", "answer": "a bar", **at} for n, at in enumerate(moments)
    ]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    shared = Settings(model=str(checkpoint), device="cpu", dtype="float32", max_new_tokens=3, pixels=32 * 32, chunk=1)
    suite = files_suite(tmp_path / "q.jsonl", None)
    alone = Plan(suite, rows_of(["uniform:retain=1/2"]), shared, 9)
    expected = list(Bench(alone).run())
    assert [case.film for case in suite.cases()] == ["one.mp4"] * 3
    assert encoded[()] == 2 * (1 + 2 + 3)
    encoded.clear()
    lines = list(Bench(replace(alone, share_vision=True)).run())
    assert [line["answer"] for line in lines] == [line["answer"] for line in expected]
    assert [line["record"]["tokens"] for line in lines] == [line["record"]["tokens"] for line in expected]
    assert encoded[()] == 3
