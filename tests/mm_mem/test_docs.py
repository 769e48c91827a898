"""docs/memory.md says what is so: its examples run, and its table of options is the method's."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from vtc_mm_mem.method import MMMem

from tests.support.clips import write_clip
from vtc_cli.methods import describe

PAGE = Path(__file__).parents[2] / "docs" / "memory.md"


def test_the_examples_run_in_order(vtc, clip, place, monkeypatch) -> None:
    clip.rename(place / "clip.mp4")
    (place / "footage").mkdir()
    rows = []
    for number in (3, 4):
        write_clip(place / "footage" / f"{number}.mp4", seconds=2, seed=number)
        rows.append({"video": f"{number}.mp4", "question": "which?", "options": ["red", "blue"], "answer": "red"})
    (place / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.setattr(MMMem, "tunable", lambda self: {"merge": (0.7, 0.8)})  # the search itself has its own tests
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    assert len(lines) >= 8
    for line in lines:
        words = shlex.split(line)
        assert words.pop(0) == "vtc"
        result = vtc(*words)
        assert result.code == 0, (line, result.err)
        assert result.out or words[:2] == ["memory", "search"]


def test_every_option_is_in_the_table_with_its_default() -> None:
    table = dict(re.findall(r"^\| `(\w+)` \| `?(\w[\w.]*)`? \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    said = {option.name: option.default for option in describe(MMMem)}
    assert set(table) == set(said)
    for name, default in said.items():
        assert table[name] == default or float(table[name]) == float(str(default)), name
