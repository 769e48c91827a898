"""`vtc index`, `vtc ask --memory` and `vtc memory` from end to end, with a model whose answers mean nothing."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from pathlib import Path

import pytest

from tests.support.clips import write_clip
from vtc_cli.cli.screen import Screen
from vtc_cli.memory import MemoryStore
from vtc_cli.memory.store import dump
from vtc_cli.memory.tables import TABLES
from vtc_cli.report.validation import problems

FAST = ("-m", "mm-mem:tokens=4")


@pytest.fixture
def film(clip: Path) -> Path:
    return clip


@pytest.fixture(autouse=True)
def at_home(home: Path) -> None:
    """No memory outside the test's folder."""


def content(path: str) -> list[str]:
    with MemoryStore.open(Path(path)) as store:
        return [line for line in dump(store, TABLES) if '"created"' not in line and '"source"' not in line]


def test_a_video_is_indexed_once(vtc, film, home) -> None:
    first = vtc("index", film, *FAST)
    assert (first.code, first.err) == (0, "")
    path = Path(first.out.strip())
    assert path.parent.parent == home
    facts = json.loads(vtc("index", film, *FAST, "--json").out)
    assert facts["built"] is False
    assert (facts["clips"], facts["events"], facts["duration"]) == (2, 1, 4.0)
    renamed = film.rename(film.with_name("other name.mp4"))
    assert vtc("index", renamed, *FAST).out == first.out
    data = bytearray(renamed.read_bytes())
    data[-1] ^= 1
    film.write_bytes(data)
    assert vtc("index", film, *FAST).out != first.out


def test_the_same_film_gives_the_same_memory(vtc, film) -> None:
    path = vtc("index", film, *FAST).out.strip()
    first = content(path)
    assert vtc("index", film, *FAST, "--force").code == 0
    assert content(path) == first


def test_other_settings_are_refused_and_named(vtc, film) -> None:
    vtc("index", film, *FAST)
    result = vtc("index", film, *FAST, "--fps", "2")
    assert result.code == 2
    assert "fps is 1.0 in the memory, 2.0 asked" in result.err
    assert "--force" in result.err
    asked = vtc("ask", film, "what?", "--memory", "-m", "mm-mem:merge=0.5")
    assert "merge is 0.8 in the memory, 0.5 asked" in asked.err
    assert vtc("index", film, *FAST, "--fps", "2", "--force").code == 0
    assert vtc("ask", film, "what?", "--memory").code == 0  # what was not asked for is the memory's own affair


def test_an_answer_from_memory_is_a_valid_record(vtc, film) -> None:
    words = ("ask", film, "what colour?", "-c", "A=red", "-c", "B=blue", "--json", "-m", "mm-mem:tokens=4,calls=3")
    first, second = (json.loads(vtc(*words).out) for _ in range(2))
    for record in (first, second):
        assert problems(record) == []
        assert record["answer"] in ("A", "B")
        recall = record["recall"]
        assert recall["calls"] <= 3
        assert [step["stage"] for step in recall["trace"]] == ["S0", "S1", "S2", "S3"][: len(recall["trace"])]
        assert record["seconds"]["recall"] > 0
    assert first["recall"]["built"] is True
    assert second["recall"]["built"] is False
    assert first["recall"]["trace"][0]["note"] == "from the cache of watching"
    assert second["recall"]["trace"][0]["frames"] != []
    assert first["settings"]["method"] == ["mm-mem:tokens=4,calls=3"]


def test_asking_and_indexing_make_the_same_memory(vtc, film) -> None:
    path = vtc("index", film, *FAST, "--fps", "2").out.strip()
    indexed = content(path)
    shutil.rmtree(Path(path).parent)
    assert vtc("ask", film, "what?", *FAST, "--fps", "2").code == 0
    assert content(path) == indexed


def test_evidence_is_saved_and_its_rows_are_there(vtc, film, place) -> None:
    words = ("ask", film, "what is it?", "--memory", "--evidence", "frames", "--json", "-c", "A=red", "-c", "B=blue")
    record = json.loads(vtc(*words).out)
    saved = sorted(path.name for path in (place / "frames").glob("*.jpg")) if record["recall"]["intervals"] else []
    assert len(saved) == 3 * min(3, len(record["recall"]["intervals"]))
    for step in record["recall"]["trace"]:
        for item in step["intervals"]:
            shown = json.loads(vtc("memory", "show", film, f"{item['level']}:{item['id']}", "--json").out)
            assert (shown["t0"], shown["t1"]) == (item["t0"], item["t1"])


def test_a_moment_hides_what_comes_later(vtc, film) -> None:
    record = json.loads(vtc("ask", film, "what?", "--memory", "--at", "2", "--json", "-c", "A=x", "-c", "B=y").out)
    assert record["recall"]["at"] == 2.0
    assert record["recall"]["trace"][0]["frames"] == [0.0, 1.0, 2.0]
    assert max(time for step in record["recall"]["trace"] for time in step["frames"]) <= 2.0


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["ask", "film.mp4", "what?", "--at", "2"], 2, "--at goes with a memory"),
        (["ask", "film.mp4", "what?", "--evidence", "x"], 2, "--evidence goes with a memory"),
        (["ask", "film.mp4", "what?", "--memory", "--start", "1"], 2, "holds the whole video"),
        (["ask", "film.mp4", "what?", "--memory", "--dry-run"], 2, "--dry-run"),
        (["ask", "film.mp4", "what?", "--memory", "-m", "snapkv"], 2, "must be known before"),
        (["ask", "film.mp4", "what?", "--memory", "--subs", "none.srt"], 2, "cannot read the subtitles"),
        (["index"], 2, "no video"),
        (["index", "none.mp4"], 1, "no such file"),
        (["index", "film.mp4", "-m", "mm-mem:merge=2"], 2, "merge is a cosine"),
        (["memory", "show", "film.mp4"], 2, "no memory of"),
        (["probe", "film.mp4", "-m", "mm-mem"], 2, "is a memory"),
    ],
)
def test_what_cannot_be_says_why(vtc, film, words, code, says) -> None:
    result = vtc(*words)
    assert (result.code, result.out) == (code, "")
    assert says in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("question", ["NEAR(\"a' OR *", "🎈?", "what " * 500, "what AND NOT"])
def test_any_question_is_a_question(vtc, film, question) -> None:
    vtc("index", film, *FAST)
    options = "mm-mem:last=S0,tokens=4,both_orders=false"
    result = vtc("ask", film, question, "-m", options, "-c", "A=x", "-c", "B=y")
    assert result.code == 0, result.err


def test_a_folder_is_indexed_and_one_bad_file_does_not_stop_it(vtc, place, film) -> None:
    (place / "many").mkdir()
    film.rename(place / "many" / "a.mp4")
    (place / "many" / "b.mp4").write_bytes(b"\0" * 5000)
    write_clip(place / "many" / "c.mp4", seconds=2, seed=5)
    result = vtc("index", "many", *FAST)
    assert result.code == 3
    assert [Path(line.split("\t")[0]).name for line in result.out.splitlines()] == ["a.mp4", "c.mp4"]
    assert "b.mp4" in result.err
    (place / "many" / "b.mp4").unlink()
    answers = vtc("ask", "many", "what?", "-m", "mm-mem:tokens=4,last=S0", "-c", "A=x", "-c", "B=y", "-o", "out.jsonl")
    assert (answers.code, answers.out.count("\n")) == (0, 2)
    again = vtc("ask", "many", "what?", "-m", "mm-mem:tokens=4,last=S0", "-c", "A=x", "-c", "B=y", "-o", "out.jsonl")
    assert (again.code, again.out) == (0, "")


def test_a_memory_is_shown_searched_and_exported(vtc, film, place) -> None:
    (place / "film.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nthe code is seven\n")
    path = vtc("index", film, *FAST).out.strip()
    shown = vtc("memory", "show", film)
    assert "subtitles      1" in shown.out
    assert json.loads(vtc("memory", "show", path, "subtitle:1", "--json").out)["text"] == "the code is seven"
    assert vtc("memory", "show", film, "event:9").code == 2
    found = vtc("memory", "search", film, "which code?")
    assert found.out == "00:00:01 to 00:00:02\tsubtitle:1\tthe code is seven\n"
    assert vtc("memory", "search", film, "which code?", "--at", "0.5").out == ""
    exported = json.loads(vtc("memory", "export", film).out)
    assert exported["subtitles"][0]["t0"] == 1.0
    assert vtc("memory", "export", film, "--format", "md").out.startswith("# ")
    assert vtc("memory", "export", film, "--format", "srt", "-o", "x.srt").code == 0
    assert (place / "x.srt").exists()
    assert "no format" in vtc("memory", "export", film, "--format", "pdf").err


def test_what_was_said_is_found_and_shown_as_such(vtc, film, place) -> None:
    (place / "said.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nthe code is seven\n")
    words = (
        "ask",
        film,
        "what is the code?",
        "--memory",
        "--subs",
        "said.srt",
        "--json",
        "-c",
        "A=six",
        "-c",
        "B=seven",
    )
    record = json.loads(vtc(*words, "-m", "mm-mem:tokens=4,gate=0").out)
    text = " ".join(step["text"] for step in record["recall"]["trace"])
    assert 'said: "the code is seven"' in text


def test_a_memory_of_another_version_or_damaged_says_so(vtc, film) -> None:
    import sqlite3

    path = Path(vtc("index", film, *FAST).out.strip())
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    for words in (("index", film, *FAST), ("ask", film, "what?", "--memory"), ("memory", "show", film)):
        result = vtc(*words)
        assert result.code == 2
        assert "version 99" in result.err
        assert "--force" in result.err
    assert vtc("index", film, *FAST, "--force").code == 0


def _hold(folder: Path, ready, release) -> None:
    from vtc_cli.memory.lock import writing

    with writing(folder):
        ready.set()
        release.wait(30)


def test_a_second_process_waits_and_then_reads(vtc, film, monkeypatch) -> None:
    path = Path(vtc("index", film, *FAST).out.strip())
    context = multiprocessing.get_context("fork")
    ready, release = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(path.parent, ready, release))
    holder.start()
    assert ready.wait(20)
    assert vtc("ask", film, "what?", "--memory", "-m", "mm-mem:last=S0").code == 0  # reading needs no lock
    told = []
    monkeypatch.setattr(Screen, "warning", lambda self, text: (told.append(text), release.set()))
    result = vtc("index", film, *FAST)
    holder.join(20)
    assert result.code == 0
    assert len(told) == 1
    assert "another process is remembering" in told[0]


def test_interrupted_and_resumed(vtc, film, monkeypatch) -> None:
    from vtc_mm_mem.builder import Builder

    path = vtc("index", film, *FAST, "--fps", "4").out.strip()
    whole = content(path)
    take = Builder.take
    for after in (2, 9):
        shutil.rmtree(Path(path).parent)
        left = [after]

        def dying(self, moment, left=left):
            if left[0] == 0:
                raise KeyboardInterrupt
            left[0] -= 1
            take(self, moment)

        monkeypatch.setattr(Builder, "take", dying)
        assert vtc("index", film, *FAST, "--fps", "4").code == 130
        monkeypatch.setattr(Builder, "take", take)
        assert vtc("index", film, *FAST, "--fps", "4").code == 0
        assert content(path) == whole


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(vtc, film, home, monkeypatch) -> None:
    (film.parent / "film.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nthe code is seven\n")
    plan = json.loads(vtc("index", film, *FAST, "--dry-run", "--json").out)
    assert (plan["state"], plan["frames"], plan["duration"], plan["subtitles"]) == ("new", 4, 4.0, 1)
    assert not home.exists()
    said = vtc("index", film, *FAST, "--dry-run").out
    assert "4 frames" in said
    assert "at most 2 clips" in said
    facts = json.loads(vtc("index", film, *FAST, "--json").out)
    assert facts["path"] == plan["path"]
    assert facts["clips"] <= plan["most_clips"]
    assert facts["events"] <= plan["most_events"]
    assert "complete" in vtc("index", film, *FAST, "--dry-run").out
    before = Path(facts["path"]).read_bytes()
    other = vtc("index", film, *FAST, "--fps", "2", "--dry-run", "--json")
    assert json.loads(other.out)["differences"] == ["fps is 1.0 in the memory, 2.0 asked"]
    assert "--force" in vtc("index", film, *FAST, "--fps", "2", "--dry-run").out
    assert Path(facts["path"]).read_bytes() == before


def test_a_manager_can_be_named_by_a_flag(vtc, film) -> None:
    kept = json.loads(vtc("index", film, *FAST, "--manager", "vlm", "--json").out)["settings"]
    assert kept["manager"] == "vlm"
    both = vtc("index", film, "-m", "mm-mem:manager=rules", "--manager", "vlm")
    assert both.code == 2
    assert "exclude each other" in both.err
    assert vtc("index", film, "--manager", "a,b").code == 2
