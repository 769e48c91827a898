"""Records follow their schema, keep their identity, and never claim what was not measured."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report.example import CLIP, MODEL, SETTINGS, facts
from vtc_cli.errors import VideoError
from vtc_cli.report import flops
from vtc_cli.report.facts import Asked, MethodFacts, Outcome, Work
from vtc_cli.report.flops import Forwards
from vtc_cli.report.identity import fingerprint, record_id
from vtc_cli.report.memory import MemoryUse, MemoryWatch
from vtc_cli.report.record import build_record, comparable, flop_counts, to_json
from vtc_cli.report.validation import problems, schema
from vtc_cli.video.frame import Damage


def test_schema_is_itself_valid() -> None:
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"damage": Damage(61.25, "invalid data found"), "reused": True, "energy": 1234.5},
        {
            "asked": Asked("Which?", {"B": "a red pan", "A": "a blue pot"}, id="q-7"),
            "outcome": Outcome("B", posterior={"B": 0.75, "A": 0.25}, finish="choices"),
        },
        {"methods": (), "cache": None, "memory": None, "seconds": None, "work": None},
        {"outcome": None, "error": VideoError("kitchen.mp4 has no picture track", "try another file")},
    ],
    ids=["whole", "partial", "choices", "nothing measured", "failed late"],
)
def test_records_follow_the_schema_and_survive_json(changes: dict[str, Any]) -> None:
    record = build_record(**facts(**changes))
    assert problems(record) == []
    assert json.loads(to_json(record)) == record


def test_failed_before_opening_is_a_record_too() -> None:
    record = build_record(
        video="no.mp4", asked=Asked("What?"), settings=SETTINGS, error=VideoError("no.mp4: no such file", "check it")
    )
    assert problems(record) == []
    assert record["error"] == {
        "kind": "VideoError",
        "message": "no.mp4: no such file",
        "hint": "check it",
        "exit_code": 1,
    }
    assert record["answer"] is None
    assert record["flops"] is None
    assert set(record["memory"].values()) == {None}
    assert set(record["seconds"].values()) == {None}


def test_neither_outcome_nor_error_is_refused() -> None:
    with pytest.raises(ValueError, match="outcome or an error"):
        build_record(**facts(outcome=None))
    with pytest.raises(ValueError, match="outcome or an error"):
        build_record(**facts(error=VideoError("x")))


def paths(node: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [at] if at else []
    if isinstance(node, dict):
        for name, item in node.items():
            found += paths(item, (*at, name))
    return found


BASE = build_record(**facts())
FREE = ("settings", "methods", "versions")  # open to names the schema does not know
REQUIRED = [path for path in paths(BASE) if path[0] not in FREE or len(path) == 1]


@pytest.mark.parametrize("path", REQUIRED, ids=lambda path: "/".join(path))
def test_every_field_is_required_and_typed(path: tuple[str, ...]) -> None:
    """Without the field, or with a value of a type no field has, the schema objects."""
    record = deepcopy(BASE)
    holder = record
    for name in path[:-1]:
        holder = holder[name]
    holder[path[-1]] = [[[]]]
    assert problems(record) != []
    del holder[path[-1]]
    assert problems(record) != []


@pytest.mark.parametrize("block", [None, "clip", "model", "sampling", "cache", "tokens", "seconds", "flops", "memory"])
def test_unknown_fields_are_refused(block: str | None) -> None:
    record = deepcopy(BASE)
    (record if block is None else record[block])["surprise"] = 1
    assert problems(record) != []


def test_contradictions_are_refused() -> None:
    for change in (
        {"answer": None},
        {"partial": True},
        {"damage": {"time": 1.0, "reason": "x"}},
        {"schema": "vtc.answer/2"},
    ):
        assert problems(BASE | change) != []
    record = deepcopy(BASE)
    record["timeline"]["kv"].pop()
    assert problems(record) != []


def test_identity_is_stable_across_releases() -> None:
    """Literal digests: a changed rule would make every --resume start over."""
    assert (
        fingerprint({"fps": 1.0, "model": "tiny", "method": ["a"], "seed": None}) == "8588b0da3d3ec3101c9ac9d249dd01d3"
    )
    assert record_id("blake2b:00", "What?", "ab") == "e8e3ab859f449311d9fb865b92d078ff"


def test_fingerprint_ignores_order_and_number_form_but_nothing_else() -> None:
    assert fingerprint({"a": 1, "b": (2, 3)}) == fingerprint({"b": [2.0, 3], "a": 1.0})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    assert fingerprint({"a": 1}) != fingerprint({"a": "1"})
    assert fingerprint({"a": None}) != fingerprint({})
    assert BASE["settings"]["fingerprint"] == fingerprint(BASE["settings"]) == fingerprint(SETTINGS)
    with pytest.raises(ValueError, match="JSON"):
        fingerprint({"a": float("nan")})


@given(
    st.dictionaries(
        st.text(), st.one_of(st.integers(), st.booleans(), st.text(), st.floats(allow_nan=False, allow_infinity=False))
    )
)
def test_fingerprint_survives_json(settings: dict[str, Any]) -> None:
    assert fingerprint(json.loads(json.dumps(settings))) == fingerprint(settings)


def test_id_depends_on_clip_question_choices_and_settings() -> None:
    asked = Asked("Which?", {"A": "x", "B": "y"})
    ids = [
        build_record(**facts(**changes))["id"]
        for changes in (
            {},
            {"asked": Asked("Which?")},
            {"asked": asked},
            {"asked": Asked("Which?", {"B": "y", "A": "x"})},
            {"settings": SETTINGS | {"seed": 1}},
            {"clip": None},
        )
    ]
    assert len(set(ids)) == len(ids)
    assert build_record(**facts(asked=asked, threads=1, created=None, video="copy of kitchen.mp4"))["id"] == ids[2]


def test_comparable_leaves_out_times_and_memory_only() -> None:
    watch = MemoryWatch()
    watch.sample(0.0)
    again = build_record(**facts(created=None, seconds=None, memory=watch.use()))
    assert again != BASE
    assert comparable(again) == comparable(BASE)
    assert comparable(build_record(**facts(outcome=Outcome("Never.")))) != comparable(BASE)


def test_flops_without_a_method_equal_one_prefill() -> None:
    """Nothing pruned, nothing evicted: what was done is what would have been done."""
    from vtc_cli.report.facts import Counts

    units, rows, question, answer = 5, 30, 9, 4
    prefill, seen = Forwards(), 0
    for _ in range(units):
        prefill, seen = prefill + Forwards.one(rows, seen, logits=0), seen + rows
    asked = Forwards.one(question, seen)
    decode = Forwards.total(Forwards.one(1, seen + question + step) for step in range(answer))
    counts = Counts(10, units, 24 * units, 24 * units, rows * units, seen, question, 0, answer + 1)
    vision = Forwards.one(96, 0, logits=0) * units
    figures = flop_counts(MODEL, Work(vision, prefill, asked, decode), counts)
    assert figures["vision"] == flops.tower(MODEL.tower, vision)
    assert figures["vision"] + figures["prefill"] + figures["question"] + figures["decode"] == figures["without_method"]
    assert figures["method"] is None
    assert figures["fastv_formula"] == flops.fastv(MODEL.decoder, seen + question)


def test_pruned_rows_are_put_back_in_the_comparison() -> None:
    figures = BASE["flops"]
    rows = (98 + 12) * 1800 + 31
    assert figures["without_method"] > figures["vision"] + flops.one_shot(MODEL.decoder, rows)
    assert figures["without_method"] < figures["vision"] + 1.001 * flops.one_shot(MODEL.decoder, rows)


def test_evicted_partial_and_reasons_are_told() -> None:
    assert BASE["evicted"] is True
    assert build_record(**facts(cache=None))["evicted"] is False
    assert BASE["model"]["device_reason"] == MODEL.device_reason
    partial = build_record(**facts(damage=Damage(10.0, "truncated")))
    assert (partial["partial"], partial["damage"]) == (True, {"time": 10.0, "reason": "truncated"})


def test_a_large_file_is_recognised_by_a_sampled_digest() -> None:
    clip = replace(CLIP, digest="blake2b-sampled:9f2c61d0")
    assert problems(build_record(**facts(clip=clip))) == []
    assert problems(build_record(**facts(clip=replace(CLIP, digest="md5:9f2c61d0")))) != []


def test_a_file_name_that_is_not_utf8_can_be_written() -> None:
    record = build_record(**facts(video=b"caf\xe9.mp4".decode("utf-8", "surrogateescape")))
    assert json.loads(to_json(record).encode().decode())["video"] == record["video"]


def test_versions_of_plugins_are_listed() -> None:
    record = build_record(**facts(methods=(MethodFacts("pruner", "novelty", {}, "vtc-novelty", "0.3"),)))
    assert record["versions"]["plugins"] == {"vtc-novelty": "0.3"}
    assert record["versions"]["vtc"] is not None


def test_hardware_is_read_when_not_given() -> None:
    record = build_record(**facts(hardware=None, model=replace(MODEL, device="cpu")))
    assert problems(record) == []
    assert record["machine"]["cores"] >= 1
    assert record["machine"]["accelerator"] is None


def test_timeline_is_absent_without_readings() -> None:
    assert build_record(**facts(memory=MemoryUse(rss_peak=5)))["timeline"] is None
