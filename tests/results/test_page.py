"""The page of results says what its figures say, and is not written where they do not bear its advice out."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks import bar, tables
from benchmarks import results as command
from benchmarks.advice import UnsupportedError, advice
from benchmarks.expected import FAILS, HOLDS, expectations
from benchmarks.figures import MissingResultError, Results
from benchmarks.page import METHODS, PAGE, README, RULER, filled, page, sections
from tests.results.invented import every_part, part, write
from vtc_cli import load_model

ROOT = Path(__file__).parents[2]


def of(**instead) -> Results:
    return Results(every_part(**instead))


def test_every_part_and_every_method_is_on_the_page():
    text = page(of())
    for name in ("hiprune:retain=1/18", "fastv:retain=1/3", "dycoke:retain=2/9", "infinipot-v at 1/16", "recent",
                 "snapkv at 1/8", "hiprune:retain=1/3+infinipot-v at 1/8"):  # fmt: skip
        assert f"| `{name}`" in text
    assert "| `hiprune++:retain=1/9` * |" in text
    assert "| 120 min | `window:budget=9` | 7,200 | 240.0 | 2.00 | 50 | 120 MB | 100 MB |" in text
    row = next(line for line in text.splitlines() if line.startswith("| `random:retain=1/9` |"))
    assert row.split(" | ")[1:6] == ["1,000", "70.8 %", "67.9 to 73.5", "−19.2", "−20.2 to −18.2"]
    widths = [{line.count("|") for line in block.splitlines()} for block in re.findall(r"(?:^\|.*\n)+", text, re.M)]
    assert widths
    assert all(len(width) == 1 for width in widths)


def test_stretches_that_were_put_together_each_say_when_and_where_they_were_measured():
    caches = part("caches")
    told = {name: caches[name] for name in ("machine", "versions", "command")}
    caches["stretches"] = [
        {**told, "questions": 640, "date": "2026-01-02"},
        {**told, "questions": 360, "date": "2026-03-04"},
    ]
    lines = [line for line in page(of(caches=caches)).splitlines() if "results/caches.json" in line]
    assert [line.split(" | ")[1:3] for line in lines] == [["640", "2026-01-02"], ["360", "2026-03-04"]]


def test_the_advice_is_five_lines_that_the_numbers_choose():
    lines = advice(of())
    assert len(lines) == 5
    assert "`-m hiprune:retain=1/9`" in lines[0]  # at 1/18 it loses 2.4 points, and its interval reaches beyond 3
    assert "88.8 % right against 90.0 %, a difference of −1.2 (−2.2 to −0.2)" in lines[0]
    assert "work while watching falls by 88.9 %" in lines[0]
    assert lines[1].startswith("**Where the question is known before watching:** the same.")
    assert "`-m infinipot-v`. With 1/8 of the entries" in lines[2]
    assert (
        "Beyond the intervals it is above `keydiff at 1/8`, `uniform-cache at 1/8`, `window at 1/8` and `recent`."
        in lines[2]
    )
    assert "differs from `infinipot-v` alone by +0.0 points (−1.0 to +1.0)" in lines[4]


def test_a_larger_tolerance_advises_fewer_tokens():
    assert "`-m hiprune:retain=1/18`" in advice(of(), 0.05)[0]


def test_knowing_the_question_is_advised_where_it_allows_fewer_tokens():
    found = of(pruners=part("pruners", {"hiprune++:retain=1/18": 899}))
    assert "`-m hiprune++:retain=1/18`" in advice(found)[1]


@pytest.mark.parametrize(
    ("instead", "words"),
    [
        ({"pruners": part("pruners", {"blind": 890})}, "the model does not see"),
    ],
)
def test_advice_that_the_numbers_do_not_bear_out_is_not_given(instead, words, tmp_path, capsys):
    with pytest.raises(UnsupportedError, match=words):
        page(of(**instead))
    folder = write(tmp_path / "figures", every_part(**instead))
    assert command.main(["--write", "--results", str(folder), "--docs", str(tmp_path / "docs")]) == 1
    assert re.search(words, capsys.readouterr().err)
    assert not (tmp_path / "docs").exists()


def test_caches_that_all_lose_too_much_are_told_with_their_loss():
    right = {"none": 1000, "infinipot-v at 1/8": 905, "window at 1/8": 910}
    line = advice(of(caches=part("caches", right)))[2]
    assert "none of these caches stays within 3 points of the 100.0 % right without compression" in line
    assert "by `-m infinipot-v` with 1/4 of the entries (20.0 MB), 89.6 %, −10.4 (−11.4 to −9.4); `-m window`" in line
    assert "`-m window` with 1/8 of the entries (10.0 MB), 91.0 %, −9.0" in line
    assert "`-m infinipot-v`, 90.5 %" not in line


def test_pruners_that_all_lose_too_much_are_told_with_their_loss():
    lines = advice(of(pruners=part("pruners", {"none": 960, "random:retain=1/18": 900})))
    assert "none of the methods that need no question stays within 3 points of the 96.0 %" in lines[0]
    assert "Least at each size is lost by `-m hiprune:retain=1/3`, 89.6 %, −6.4" in lines[0]
    assert lines[0].index("1/3") < lines[0].index("2/9") < lines[0].index("1/9") < lines[0].index("1/18")
    assert "`-m random:retain=1/18`, 90.0 %, −6.0" in lines[0]
    assert "The best of the methods that look at it, `hiprune++:retain=1/3`" in lines[1]


def test_films_that_are_only_guessed_at_give_no_advice_on_caches():
    lines = advice(of(caches=part("caches", dict.fromkeys(("none", "recent", "window at 1/8"), 100))))
    assert all("no advice from these films" in line for line in lines[2:])
    assert "10.0 % are right, and guessing gets 10.0 %" in lines[2]


def test_both_are_weighed_against_the_best_cache_alone():
    found = of(caches=part("caches", {"keydiff at 1/8": 899}))
    assert "differs from `keydiff` alone by −0." in advice(found)[4]
    broken = part("caches", {"snapkv at 1/8": 1000, "keydiff at 1/8": 899})
    for row in broken["rows"]:
        row["against"].pop("keydiff at 1/8", None)
    with pytest.raises(UnsupportedError, match="not compared with the best cache alone, keydiff at 1/8"):
        advice(of(caches=broken))


def test_recent_is_named_for_the_present_where_it_is_as_good():
    right = {"recent": 895, "none": 900}
    lines = advice(of(caches=part("caches", right)))
    assert "`-m recent`, the smallest of all. 89.2 % (85 to 92) right" in lines[3]
    assert "It forgets everything else: 89.2 % (86 to 92) of earlier moments." in lines[3]


def test_expectations_are_judged_by_their_intervals():
    held = {item.claim: item.verdict for item in expectations(of())}
    assert held["`hiprune:retain=1/9` is above `random:retain=1/9` beyond the interval"] == HOLDS
    assert held["`infinipot-v at 1/8` is above `window at 1/8` beyond the interval"] == HOLDS
    assert "on average" in held["`hiprune:retain=1/3` keeps at least 99 % of the uncompressed accuracy"]
    low = part("pruners", {"hiprune:retain=1/9": 700, "hiprune:retain=1/3": 800})
    held = {item.claim: item.verdict for item in expectations(of(pruners=low))}
    assert held["`hiprune:retain=1/9` is above `random:retain=1/9` beyond the interval"] == FAILS
    assert held["`hiprune:retain=1/3` keeps at least 99 % of the uncompressed accuracy"] == FAILS


def test_what_is_asked_decides_what_thinning_costs():
    text = tables.reach(of(), ("hiprune",))
    assert "| method | one thing, n 500 | kept | everything, n 500 | kept |" in text
    assert "| `none` | 90.0 % (87 to 92) | 100.0 % | 90.0 % (87 to 92) | 100.0 % |" in text
    assert "hiprune:retain=1/9" in text
    assert "random" not in text
    assert "blind" not in text


def test_waits_are_those_that_were_measured_apart():
    found = part("costs-pruners")
    for row in found["rows"]:
        row["costs"]["seconds"] = {**row["costs"]["seconds"], "first_token": 0.125}
    lines = tables.pruners(of(costs_pruners=found)).splitlines()
    assert next(line for line in lines if "`none`" in line).endswith("| 125 |")
    assert next(line for line in lines if "`blind`" in line).endswith("|  |")


def test_the_readme_has_the_methods_in_short():
    text = sections(of())["in-short"]
    assert "| without: 90.0 % | 1/3 | 2/9 | 1/9 | 1/18 |" in text
    assert "| `hiprune` | 89.6 % | 89.4 % | 88.8 % | 87.6 % |" in text
    assert "| without: 90.0 % | 1/4 | 1/8 | 1/16 |" in text
    assert "| `window` | 85.8 % |" in text


def test_where_recent_wins_is_said():
    won = part("caches", {"recent": 899})
    claims = [item.claim for item in expectations(of(caches=won))]
    assert "`recent` is above `window at 1/8`, any moment asked about" in claims
    lost = part("caches", {"recent": 100})
    (nowhere,) = (item for item in expectations(of(caches=lost)) if item.claim.startswith("`recent`"))
    assert (nowhere.measured[:16], nowhere.verdict) == ("above none of 8;", FAILS)


def test_a_row_that_failed_is_told_and_is_in_no_table():
    broken = part("pruners")
    row = next(row for row in broken["rows"] if row["name"] == "fastv:retain=1/3")
    row |= {"score": None, "costs": None, "error": {"kind": "VtcError", "message": "it broke"}}
    text = page(of(pruners=broken))
    assert "- pruners: `fastv:retain=1/3` failed: it broke" in text
    assert text.count("| `fastv:retain=1/3` |") == 1  # its costs were measured apart
    assert "Left out" not in page(of())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": {"name": "tiny", "revision": "blake2b:other"}}, "not answered by the same weights"),
        ({"done": False, "questions": 12}, "caches was cut: 12 of 1000"),
    ],
)
def test_parts_that_are_cut_or_of_other_weights_are_refused(changes, words):
    with pytest.raises(MissingResultError, match=words):
        page(of(caches=part("caches", **changes)))


def test_a_missing_part_is_named(tmp_path):
    found = every_part()
    del found["caches"]
    with pytest.raises(MissingResultError, match=r"caches\.json is not there"):
        Results.read(write(tmp_path, found))


def test_writing_fills_the_page_the_pictures_and_the_tables_of_methods(tmp_path, capsys):
    (tmp_path / METHODS).mkdir(parents=True)
    before = "# HiPrune\n\n<!-- results: hiprune -->\nold\n<!-- /results -->\nafter\n"
    (tmp_path / METHODS / "hiprune.md").write_text(before)
    (tmp_path / METHODS / "other.md").write_text("nothing to fill\n")
    folder = write(tmp_path / "figures", every_part())
    assert command.main(["--write", "--results", str(folder), "--docs", str(tmp_path)]) == 0
    assert (tmp_path / PAGE).read_text() == page(of())
    filled_in = (tmp_path / METHODS / "hiprune.md").read_text()
    assert "old" not in filled_in
    assert "| `hiprune++:retain=1/3` * |" in filled_in
    assert "visionzip" not in filled_in
    assert filled_in.endswith("<!-- /results -->\nafter\n")
    assert (tmp_path / METHODS / "other.md").read_text() == "nothing to fill\n"
    written = {Path(line).name for line in capsys.readouterr().out.split()}
    assert written == {"accuracy-tokens.svg", "accuracy-tokens.png", "accuracy-bytes.svg", "accuracy-bytes.png",
                       "results.md", "hiprune.md"}  # fmt: skip
    again = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert command.main(["--write", "--results", str(folder), "--docs", str(tmp_path)]) == 0
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == again


def test_a_place_without_a_table_is_an_error():
    with pytest.raises(KeyError):
        filled("<!-- results: nobody -->\n<!-- /results -->", {"hiprune": ""})


@pytest.fixture(scope="module")
def published() -> Results:
    """The figures of the repository."""
    found = Results.read(command.RESULTS)
    found.check()
    return found


def test_the_pages_of_the_repository_are_what_its_figures_say(published):
    tables = {**sections(published), **bar.sections(command.RESULTS)}
    for path in [*(ROOT / METHODS).glob("*.md"), ROOT / README, ROOT / RULER]:
        text = path.read_text(encoding="utf-8")
        assert text == filled(text, tables), f"{path.name}: run `python -m benchmarks.results --write`"
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    without = re.compile(r"## Which method when.*?(?=## What the papers)", re.DOTALL)  # its tolerance is a choice
    assert without.sub("", text) == without.sub("", page(published, 1.0))


def test_the_figures_of_the_repository_are_of_the_bundled_weights(published):
    model = load_model("tiny").info
    files = {path.name: json.loads(path.read_text("utf-8")) for path in command.RESULTS.glob("tiny*.json")}
    assert len(files) == 4
    assert {name: found["model"]["revision"] for name, found in {**published.parts, **files}.items()} == dict.fromkeys(
        {**published.parts, **files}, model.revision
    )


def test_each_methods_page_has_its_place():
    places = {name: (ROOT / METHODS / f"{name}.md").read_text() for name in ("hiprune", "infinipot-v", "baselines")}
    assert "<!-- results: hiprune -->" in places["hiprune"]
    assert "<!-- results: infinipot-v -->" in places["infinipot-v"]
    assert "<!-- results: pruners -->" in places["baselines"]
    assert "<!-- results: caches -->" in places["baselines"]
    assert "<!-- results: in-short -->" in (ROOT / README).read_text(encoding="utf-8")
    for path in (README, RULER):
        assert "<!-- results: skills -->" in (ROOT / path).read_text(encoding="utf-8")
    assert "<!-- results: bar -->" in (ROOT / RULER).read_text(encoding="utf-8")
