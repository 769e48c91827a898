"""`vtc demo`: what `make demo` ends with."""

from pathlib import Path


def test_it_renders_a_clip_asks_three_questions_and_reports(vtc, place):
    shown = vtc("demo", "--report", "--output", "film.mp4")
    assert shown.code == 0
    assert Path("film.mp4").stat().st_size > 1000
    lines = shown.out.splitlines()
    assert [line.startswith("  ") for line in lines] == [False, True] * 3 + [False]
    assert lines[-1].endswith("of 3 right")
    assert int(lines[-1].split()[0]) == sum(line.endswith("(right)") for line in lines)
    assert int(lines[-1].split()[0]) >= 2  # the bundled model answers about nine in ten
    assert "film.mp4" in shown.err
    assert "GFLOP" in shown.err


def test_what_was_set_for_other_videos_is_left_out(vtc, place, monkeypatch):
    monkeypatch.setenv("VTC_START", "500")
    monkeypatch.setenv("VTC_FPS", "0.01")
    monkeypatch.setenv("VTC_SYSTEM", "Answer in French.")
    shown = vtc("demo", "--quiet", "--output", "film.mp4")
    assert shown.code == 0
    assert shown.out == vtc("demo", "--no-report", "--output", "film.mp4").out
    assert shown.err == ""


def test_a_film_that_cannot_be_written_is_an_error(vtc, place):
    Path("taken").write_text("")
    shown = vtc("demo", "--output", "taken/film.mp4")
    assert shown.code == 1
    assert "cannot write" in shown.err
    assert shown.out == ""
