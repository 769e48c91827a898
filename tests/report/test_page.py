"""`vtc report`: the page holds what the files hold, and refers to nothing outside itself."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.report.reading_html import Page
from tests.report.results import NASTY, READINGS, answer, compared, write
from tests.support.clips import write_clip
from vtc_cli.bench.summary import score
from vtc_cli.cli.report import _command
from vtc_cli.jobs.report import make_report
from vtc_cli.report.page.figures import stages, timelines, trades
from vtc_cli.report.page.reading import read_source
from vtc_cli.report.page.runs import family_of, runs_of


def page_of(folder: Path, *files: Path, **options) -> Page:
    return Page(make_report(files, folder / "report.html", **options).path.read_text(encoding="utf-8"))


def test_a_page_nests_and_refers_to_nothing_outside(tmp_path, compared_file, answered_file):
    page = page_of(tmp_path, compared_file, answered_file)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.strays == []
    assert len(page.ids) == len(set(page.ids))
    assert [link for link in page.links if not link.startswith(("#", "data:"))] == []
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert "://" not in text
    assert "@import" not in text
    assert re.findall(r"url\((?!#)[^)]*", text) == []
    assert re.findall(r"#a[12]000\d", text) == []  # every stand-in colour has become one of the page's


def test_the_same_files_make_the_same_page(tmp_path, compared_file):
    first = make_report([compared_file], tmp_path / "report.html").path.read_bytes()
    assert make_report([compared_file], tmp_path / "report.html").path.read_bytes() == first


def test_accuracy_and_its_interval_are_the_benchs_own(tmp_path, compared_file):
    lines = compared()[1:]
    page = page_of(tmp_path, compared_file)
    base = {(line["case"], line["record"]["question_id"]): line for line in lines if line["row"] == "none"}
    rows = {row[0]: row[1:] for row in page.numbers("accuracy-1-tokens")}
    for number, name in enumerate(("none", "uniform:retain=1/2", "uniform:retain=1/4"), 1):
        known = score([line for line in lines if line["row"] == name], base)
        assert known is not None
        kept = 392 / number if number < 3 else 392 // 3
        assert [float(cell) for cell in rows[str(number)]] == [
            kept, known["accuracy"], known["low"], known["high"], known["n"]
        ]  # fmt: skip
    sizes = {row[0]: float(row[1]) for row in page.numbers("accuracy-1-b")}
    assert sizes == {"1": 7000, "2": 6000, "3": 5000}


def test_figures_over_time_hold_the_readings(tmp_path, answered_file):
    page = page_of(tmp_path, answered_file)
    for name, column in (("memory-rss", 1), ("memory-kv", 2)):
        shown = [(float(row[2]), float(row[3])) for row in page.numbers(name) if row[0] == "1"]
        assert shown == [(reading[0], reading[column]) for reading in READINGS]
    marks = [(float(row[2]), float(row[4])) for row in page.numbers("tokens-kept") if row[:2] == ["1", "looked at"]]
    assert marks == [(2.5, 0.4), (0.5, 0.1)] * 2


def test_shares_over_time_add_up_to_the_records_tokens(tmp_path):
    record = answer()
    record["tokens"] |= {"visual_in": 588, "visual_kept": 218}  # the last step came after the last reading
    line = timelines(runs_of([read_source(write(tmp_path / "one.jsonl", [record]))]))[0]
    assert line.edges == (0.0, 2.0, 4.0)
    assert line.shares == (98 / 196, (218 - 98) / (588 - 196))


def test_records_without_tokens_over_time_are_said_to_lack_them(tmp_path):
    record = answer()
    del record["timeline"]["visual_in"], record["timeline"]["visual_kept"]
    page = page_of(tmp_path, write(tmp_path / "old.jsonl", [record]))
    assert [row[1] for row in page.numbers("tokens-kept")] == ["looked at"] * 2
    assert "made before tokens over time were recorded" in page.text


def test_time_is_that_of_the_records_and_watching_counts_once(tmp_path, answered_file):
    page = page_of(tmp_path, answered_file)
    head, *rows = page.tables[page.names.index("where-time-went")]
    assert [row[0] for row in rows] == ["1", "2"]
    told = dict(zip(head, rows[0], strict=True))
    assert {name: float(told[name]) for name in ("decode", "vision", "prefill", "first_token", "watch")} == {
        "decode": 58.1, "vision": 121.4, "prefill": 31.0, "first_token": 0.084, "watch": 171.5
    }  # fmt: skip


def test_wrong_answers_come_first_and_every_answer_is_there(tmp_path, compared_file):
    page = page_of(tmp_path, compared_file)
    table = next(table for table in page.tables if "truth" in table[0])
    result = table[0].index("result")
    results = [row[result] for row in table[1:]]
    assert len(results) == 18
    assert results == sorted(results, reverse=True)
    assert results.count("wrong") == 0 + 1 + 2


def test_what_differs_is_told_and_what_does_not_is_not(tmp_path, answered_file):
    page = page_of(tmp_path, answered_file)
    differing = next(table for table in page.tables if table[0][:2] == ["run", "methods"] and len(table[0]) == 2)
    assert [row[0] for row in differing[1:]] == ["1", "2"]
    assert "uniform (retain 1/2)" in differing[2][1]
    assert "max new tokens" in page.text


def test_what_people_write_stays_text(tmp_path):
    failed = answer(NASTY, NASTY, video=f"{NASTY}.mp4")
    failed["question"] = NASTY + "\udc80\x00"
    page = page_of(tmp_path, write(tmp_path / "nasty.jsonl", [failed]))
    assert page.strays == []
    assert NASTY in page.text
    assert "alert(" not in " ".join(re.findall(r"<script>.*?</script>", (tmp_path / "report.html").read_text("utf-8")))


def test_failures_are_answers_too(tmp_path):
    from vtc_cli.errors import VideoError

    error = VideoError("kitchen.mp4 has no picture track", "try another file")
    bare = dict.fromkeys(("counts", "work", "seconds", "memory", "cache", "outcome", "clip", "model", "sampling"))
    page = page_of(tmp_path, write(tmp_path / "failed.jsonl", [answer(error=error, **bare)]))
    assert "kitchen.mp4 has no picture track" in page.text
    assert "No times are in these records." in page.text


def test_evidence_is_shown_of_videos_at_hand(tmp_path):
    from vtc_cli.video import open_clip

    clip = write_clip(tmp_path / "clip.mp4", size=(320, 200))
    video = open_clip(str(clip))
    info = video.info
    video.close()
    record = answer(video=str(clip), clip=info)
    page = page_of(tmp_path, write(tmp_path / "a.jsonl", [record]))
    assert len([link for link in page.links if link.startswith("data:image/jpeg")]) == 2
    moved = answer(video="elsewhere/clip.mp4", clip=info)
    files = write(tmp_path / "b.jsonl", [moved])
    assert "elsewhere/clip.mp4: not a file at hand" in page_of(tmp_path, files).text
    assert [link for link in page_of(tmp_path, files, videos=[tmp_path]).links if link.startswith("data:")]
    assert [link for link in page_of(tmp_path, files, videos=[tmp_path], thumbnails=0).links if "data:" in link] == []
    write_clip(clip, seed=5, size=(320, 200))
    assert "the file there now has other content" in page_of(tmp_path, write(tmp_path / "c.jsonl", [record])).text


def test_evidence_is_shown_of_parts_and_of_pictures(tmp_path):
    """As vtc bench opens them: what was shown until a moment, and a picture as a film of one frame."""
    from PIL import Image

    from vtc_cli.bench.span import ClipSpan
    from vtc_cli.bench.still import still
    from vtc_cli.report.page.evidence import at_hand
    from vtc_cli.video import open_clip

    clip = write_clip(tmp_path / "clip.mp4", size=(320, 200))
    part = ClipSpan(open_clip(str(clip)), 1.0, 3.0)
    record = answer(video=part.info.source, clip=part.info)
    both = write(tmp_path / "both.jsonl", [record, answer(video=str(clip))])
    assert "2 answers · 1 video ·" in page_of(tmp_path, both, thumbnails=0).text
    found = at_hand(record, [])
    assert not isinstance(found, str), found
    assert (found.info.digest, next(found.at([0.5])).time) == (part.info.digest, 0.5)
    Image.new("RGB", (64, 48), (200, 30, 30)).save(tmp_path / "red.png")
    picture = still((tmp_path / "red.png").read_bytes(), str(tmp_path / "red.png"))
    shown = at_hand(answer(video=picture.info.source, clip=picture.info), [])
    assert not isinstance(shown, str), shown
    for one in (part, found, picture, shown):
        one.close()


def test_the_command_on_the_page_makes_it_again():
    words = ["a b.jsonl", "-o", "page.html", "--thumbnails", "3", "--videos", "one", "--videos", "two"]
    told = _command([Path("a b.jsonl")], Path("page.html"), 3, [Path("one"), Path("two")])
    assert shlex.split(told) == ["vtc", "report", *words]


def test_answers_from_a_memory_have_their_time_and_say_where_they_come_from(tmp_path):
    from vtc_cli.report.page.evidence import Album, Looked
    from vtc_cli.report.page.render import _evidence

    record = answer(recall={"stage": "look"})
    nothing = dict.fromkeys(record["seconds"])
    files = write(tmp_path / "one.jsonl", [{**record, "seconds": {**nothing, "recall": told}} for told in (2.0, 4.0)])
    (bar,) = stages(runs_of([read_source(files)]))
    assert dict(bar.seconds) == {"recall": 3.0}
    assert "from memory" in page_of(tmp_path, files).text
    line = {"record": record, "question": "When?", "answer": "soon", "right": None, "truth": None}
    looked = Looked(1, line, (), (), ())
    assert "found in its memory" in _evidence(Album((looked,)))["caption"]
    assert "attention" not in _evidence(Album((looked,)))["caption"]


def test_the_model_of_a_page_says_how_its_weights_were_changed(tmp_path):
    record = answer()
    record["model"] |= {"quantisation": "int8 with torchao", "adapter": "checkpoints/lora"}
    shown = page_of(tmp_path, write(tmp_path / "one.jsonl", [record])).text
    assert "int8 with torchao checkpoints/lora" in shown


def test_an_allowance_of_pictures_goes_to_wrong_answers_first(tmp_path):
    from vtc_cli.report.page.evidence import album
    from vtc_cli.video.frame import Frame

    class Still:
        """A video of one grey picture."""

        closed = 0

        def at(self, times):
            import torch

            return (Frame(time, torch.full((3, 8, 8), 99, dtype=torch.uint8)) for time in times)

        def close(self):
            self.closed += 1

    clips: list[Still] = []
    runs = runs_of([read_source(write(tmp_path / "runs.jsonl", compared()))])
    found = album(runs, lambda record: clips.append(Still()) or clips[-1], most=7)  # type: ignore[arg-type]
    assert [one.line["right"] for one in found.answers] == [False, False, False]
    assert found.left_out == 15
    assert len(clips) == 3
    assert [clip.closed for clip in clips] == [1, 1, 1]


def test_answers_of_several_files_and_settings_are_runs_of_their_own(tmp_path, answered_file):
    again = write(tmp_path / "again.jsonl", [answer("When?")])
    names = [run.name for run in runs_of([read_source(answered_file), read_source(again)])]
    assert names == ["uniform:retain=1/4 (answers)", "uniform:retain=1/2", "uniform:retain=1/4 (again)"]


def test_the_frontier_is_what_no_other_run_beats_in_both(tmp_path, compared_file):
    trade = trades(runs_of([read_source(compared_file)]), 0)[0]
    edge = [(point.x, point.y) for point in trade.frontier]
    assert edge == sorted(edge)
    for point in trade.points:
        beaten = any(other.x <= point.x and other.y > point.y for other in trade.points)
        assert beaten == ((point.x, point.y) not in edge)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("none", "none"),
        ("hiprune++:retain=1/3", "hiprune++"),
        ("hiprune++:retain=1/3,beta=0.2+window at 1/9", "hiprune++:beta=0.2+window"),
        ("infinipot-v:budget=6144", "infinipot-v"),
    ],
)
def test_runs_of_one_method_are_one_line(name, family):
    assert family_of(name) == family


def test_a_suites_own_figures_are_worked_out_from_the_lines(tmp_path):
    records = compared(("none", "uniform:retain=1/2"))
    records[0]["facts"] |= {"suite": "mvbench"}
    for line in records[1:]:
        line |= {"group": None, "points": None}
    page = page_of(tmp_path, write(tmp_path / "runs.jsonl", records))
    assert "By the suite's own rule" in page.text
    right = {
        name: [line["right"] for line in records[1:] if line["row"] == name] for name in ("none", records[-1]["row"])
    }
    shown = next(rows for head, *rows in page.tables if "mean of skills" in head)
    assert [row[-1] for row in shown] == [f"{sum(found) / len(found):.1%}" for found in right.values()]
    records[0]["facts"] |= {"suite": "videomme"}
    assert "own rule" not in page_of(tmp_path, write(tmp_path / "plain.jsonl", records)).text


def test_moments_that_left_the_cache_stand_apart(tmp_path):
    records = compared(("none", "uniform:retain=1/2"))
    for line in records[1:]:
        line["evidence_entries"] = 12.0 if line["row"] == "none" or line["skill"] == "a" else 0.5
    page = page_of(tmp_path, write(tmp_path / "runs.jsonl", records))
    shown = next(rows for head, *rows in page.tables if "entries left" in head)
    assert [[row[2], row[5], row[8]] for row in shown] == [["6", "0", "12.0"], ["3", "3", "6.2"]]
    for line in records[1:]:
        line["evidence_entries"] = 12.0
    assert "Moments still in the cache" not in page_of(tmp_path, write(tmp_path / "kept.jsonl", records)).text


def test_answers_from_a_memory_are_told_by_the_stage_that_found_them(tmp_path):
    told = [
        {"stage": "gist", "supported": True, "calls": 0, "visual_tokens": 0, "decoded": 0},
        {"stage": "look", "supported": True, "calls": 3, "visual_tokens": 900, "decoded": 8},
        {"stage": "look", "supported": False, "calls": 3, "visual_tokens": 900, "decoded": 8},
    ]
    records = [{**answer(question=f"{number}?"), "recall": recall} for number, recall in enumerate(told)]
    page = page_of(tmp_path, write(tmp_path / "asked.jsonl", records))
    shown = next(rows for head, *rows in page.tables if "found at" in head)
    assert [row[2:] for row in shown] == [["3", "look 2, gist 1", "66.7%", "2.0", "600", "5.3"]]
