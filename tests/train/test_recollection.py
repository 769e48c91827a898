"""Looks as a memory takes them: pictures far apart, notes that are true, and questions that both together answer."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch

from vtc_cli.train.language import KINDS, NOTED, language_batch
from vtc_cli.train.packing import UNLEARNT
from vtc_cli.train.recollection import LATE, LINES, NOT_SHOWN, Recollection, asked_of, clock, recollection
from vtc_cli.train.tokenizer import make_tokenizer
from vtc_cli.train.world import Scene
from vtc_cli.train.world.palette import HELD_OUT

LETTERED = re.compile(r"^([A-D])\. (.*)$", re.MULTILINE)


def looks(count: int = 60, units: int = 16) -> list[Recollection]:
    return [recollection(seed, units, 1.0, np.random.default_rng((1, seed))) for seed in range(count)]


def test_pictures_are_of_their_shots_and_show_what_can_be_read() -> None:
    for look in looks():
        moments = [first for first, _ in look.times]
        assert len(moments) == 16
        assert moments == sorted(moments)
        assert all(first == last for first, last in look.times)
        assert {look.film.scene_at(moment) for moment in moments} == set(look.film.scenes)
        for moment in moments:
            scene = look.film.scene_at(moment)
            assert scene.start <= moment < scene.end
        for caption in look.film.captions:
            assert any(caption.start <= moment < caption.end for moment in moments)


def test_notes_say_what_is_so_of_whole_shots() -> None:
    noted = 0
    for look in looks():
        assert {scene.start for scene in look.known.scenes} == {scene.start for scene in look.film.scenes} | look.told
        told = [scene for scene in look.known.scenes if scene.start in look.told]
        every = look.notes.splitlines()[1:-1]
        lines = [line for line in every if line.startswith("[")]
        assert len(every) - len(lines) == len(look.summed)
        noted += bool(lines)
        assert bool(look.notes) == bool(told)
        assert len(lines) <= LINES
        for scene in told:
            span = f"[{clock(scene.start)}-{clock(scene.end)}]"
            assert span in look.notes
            for thing in scene.things:
                assert any(line.startswith(f"{span} {thing.colour} {thing.shape}") for line in lines)
            assert scene.caption is None or f"{span} {scene.caption.text}: can be read" in lines
        assert not any(f"{colour} {shape}" in look.notes for colour, shape in HELD_OUT)
    assert 20 < noted < 60  # some looks have none


def _meant(text: str, answer: str) -> str:
    """What an answer says, be it a letter or words."""
    options = dict(LETTERED.findall(text))
    if options:
        assert answer in options
        assert len(set(options.values())) == len(options)
    return options.get(answer, answer)


def test_every_answer_is_the_truth_of_what_is_known() -> None:
    counted, unknown = dict.fromkeys(("during", "count", "when", "exists"), 0), 0
    for look in looks():
        film = look.known if look.notes else look.film
        rng = np.random.default_rng(2)
        for question in asked_of(look, rng, 60):
            said = _meant(question.text, question.answer)
            named = re.search(r"\b(\w+) (circle|square|triangle|star|cross|ring)\b", question.text)
            summed = any(named and item.name == named[0] for item in look.summed)
            world = look.whole if summed and question.skill in ("count", "when") else film
            of = [scene for scene in world.scenes if named and _shows(scene, *named.groups())]
            if question.skill == "during" and not of:  # about the whole film, of which this is not known
                of = [scene for scene in look.whole.scenes if named and _shows(scene, *named.groups())]
                assert NOT_SHOWN not in question.text
                unknown += 1
            if question.skill == "during":
                assert [scene.caption.text for scene in of if scene.caption] == [said]
            elif question.skill == "count":
                assert len(of) == int(said)
            elif question.skill == "when" and named:  # else of a text that is there from the shot's first moment on
                assert f"at {clock(of[0].start)}" == said
                assert summed or (len(of) == 1 and of[0].start in look.told)
            elif question.skill == "exists":
                assert bool(of) == (said == "yes")
                assert NOT_SHOWN not in question.text
            elif question.skill == "absent":
                assert said in ("not shown", NOT_SHOWN)
            if question.skill in counted:
                counted[question.skill] += 1
    assert min(counted.values()) > 50
    assert unknown > 50


def test_summaries_say_how_often_when_first_and_when_last() -> None:
    summed = [(look, item) for look in looks(120) for item in look.summed]
    assert len(summed) > 80
    missed = 0
    for look, item in summed:
        starts = [scene.start for scene in look.whole.scenes if _shows(scene, *item.name.split())]
        assert tuple(starts) == item.starts
        assert 1 <= item.told <= len(starts)
        missed += item.told < len(starts)
        (line,) = (line for line in look.notes.splitlines() if line.startswith(f"{item.name}: "))
        times = [60 * int(minutes) + int(seconds) for minutes, seconds in re.findall(r"(\d\d):(\d\d)", line)]
        assert abs(times[0] - starts[0]) <= LATE + 0.5
        if item.told == 1:
            assert line == f"{item.name}: once, at {clock(times[0])}"
        else:
            assert f": {item.told} times, " in line
            assert abs(times[1] - starts[-1]) <= LATE + 0.5
    assert 0 < missed < len(summed)


def test_pictures_help_where_they_show_the_shot_that_is_asked_about() -> None:
    found = {"yes": 0, "no": 0}
    for look in looks():
        for question in asked_of(look, np.random.default_rng(4), 60):
            if "\nyes\nno\nAnswer with the label" in question.text:
                words = question.text.removeprefix("Question: ").partition("\n")[0]
                if (named := re.search(r"\b(\w+) (circle|square|triangle|star|cross|ring)\b", words)) is None:
                    continue
                (scene,) = (scene for scene in look.whole.scenes if _shows(scene, *named.groups()))
                assert question.answer == ("yes" if scene in look.film.scenes else "no")
                assert "\nDo these pictures help to answer it?" in question.text
                found[question.answer] += 1
    assert min(found.values()) > 30


def _shows(scene: Scene, colour: str, shape: str) -> bool:
    """Whether it is there; by its shape alone where no colour is named (`the star`)."""
    return any(thing.shape == shape and colour in (thing.colour, "the") for thing in scene.things)


def test_the_words_are_those_of_memories() -> None:
    brief, candidates, wording = (
        pytest.importorskip(f"vtc_mm_mem.{name}") for name in ("brief", "candidates", "wording")
    )
    from vtc_cli.train import recollection as mine

    assert mine.NOTES.format(lines="x") == wording.notes("x")
    assert mine.WRAPPING.format(question="x") == wording.filled(candidates.CANDIDATE, "", {"question": "x"})
    assert mine.HELPS.format(question="x") == wording.filled(wording.YES_NO, "", {"question": "x"})
    assert mine.NOT_SHOWN == wording.NOT_SHOWN
    for seconds in (0.2, 59.6, 61.0, 3599.0, 3661.0):
        assert clock(seconds) == wording.clock(round(seconds))
    assert mine.ONCE.format(name="red star", first="00:07") == wording.counted("red star", [7.2])
    often = mine.OFTEN.format(name="red star", count=3, first="00:07", last="01:10")
    assert often == wording.counted("red star", [7.2, 20.0, 70.0])
    said = brief.read_brief([(0.0, 2.0)], [json.dumps({"things": ["red star left"], "text": "8"})])
    lines = [wording.mention(one.name, one.gloss) for one in said.entities]
    assert lines == ["red star left", mine.READ.format(text="8")]
    assert said.summary == "red star left; text: 8"


def test_a_batch_of_one_look_has_its_notes_before_every_question(tmp_path, monkeypatch) -> None:
    from tokenizers import Tokenizer

    make_tokenizer(tmp_path)
    monkeypatch.setattr("vtc_cli.train.language.COURSES", ((1.0, {8: 1.0}),))
    monkeypatch.setattr("vtc_cli.train.language.REMEMBERED", 1.0)
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    noted = 0
    for step in range(8):
        batch = language_batch(step, str(tmp_path), 100)
        start = batch["layout"]
        text = tokenizer.decode(start.ids.tolist(), skip_special_tokens=False)
        assert len(batch["ids"]) == 1
        assert batch["frames"].shape[0] == 8
        assert torch.equal(batch["frames"][:, 0], batch["frames"][:, 1])  # each moment stands alone
        assert start.positions.shape == (3, len(start.ids))
        assert int(start.positions.max()) < start.cursor
        kinds = {KINDS[kind] for kind in batch["kind"][0].tolist() if kind >= 0}
        assert (kinds == {NOTED}) == ("Notes about the video" in text)
        first = tokenizer.decode(batch["ids"][0][batch["slot"][0] == 0].tolist(), skip_special_tokens=False)
        assert first.startswith("<|vision_end|>") != (kinds == {NOTED})
        assert (batch["targets"] != UNLEARNT).any()
        noted += kinds == {NOTED}
    assert 0 < noted < 8
