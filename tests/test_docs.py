"""The documentation tells the truth: records validate, quoted files are the files, commands and links exist."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from vtc_cli.report.validation import problems

ROOT = Path(__file__).parents[1]
PAGES = [path for path in (*sorted((ROOT / "docs").glob("**/*.md")), ROOT / "README.md") if path.exists()]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
QUOTED = re.compile(r"<!-- file: (\S+) -->\n```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[str, str]]:
    return [(match[1], match[2]) for match in FENCE.finditer(page.read_text(encoding="utf-8"))]


def every(kind: str) -> list[tuple[str, str]]:
    return [(page.name, text) for page in PAGES for language, text in blocks(page) if language == kind]


@pytest.mark.parametrize(("page", "text"), every("json"))
def test_json_examples_are_valid_records(page: str, text: str) -> None:
    assert problems(json.loads(text)) == []


def test_the_record_is_shown_somewhere() -> None:
    assert any(page == "report.md" for page, _ in every("json"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_quoted_files_are_the_files(page: Path) -> None:
    for match in QUOTED.finditer(page.read_text(encoding="utf-8")):
        assert match[2] == (page.parent / match[1]).read_text(encoding="utf-8"), match[1]


def test_the_plugin_page_quotes_the_tested_example() -> None:
    quoted = [match[1] for match in QUOTED.finditer((ROOT / "docs" / "plugins.md").read_text(encoding="utf-8"))]
    assert quoted == [
        "examples/vtc-novelty/vtc_novelty.py",
        "examples/vtc-novelty/pyproject.toml",
        "examples/vtc-withdraw/vtc_withdraw.py",
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r'(?:src|href)="([^"#]+)"', text)
    broken = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert broken == []


def commands() -> Iterator[tuple[str, str]]:
    """(page, command) of every line of a code block that runs vtc."""
    for page in PAGES:
        for language, text in blocks(page):
            if language in ("", "sh", "bash", "console", "shell"):
                for line in text.replace("\\\n", " ").splitlines():
                    line = line.strip().removeprefix("$ ")
                    if re.match(r"(\.venv/bin/)?vtc ", line):
                        yield page.name, line.removeprefix(".venv/bin/")


@pytest.mark.parametrize(("page", "line"), list(commands()))
def test_commands_shown_exist_with_their_options(page: str, line: str) -> None:
    from vtc_cli.cli.main import app

    program = typer.main.get_command(app)
    words = shlex.split(re.split(r"\s{2,}|\s[|>]\s|\s#\s", line)[0])[1:]
    names = [word for word in words if not word.startswith("-")]
    known: Any = program
    while names and getattr(known, "commands", None):
        if names[0] not in known.commands and known.name == "models":
            known = known.commands["show"]  # `vtc models NAME` is short for it
            break
        assert names[0] in known.commands, f"no command `{names[0]}`"
        known = known.commands[names.pop(0)]
    options = {name for parameter in known.params for name in (*parameter.opts, *parameter.secondary_opts)}
    options |= {"--help", "-h", "--debug", "--version"}
    given = {word.split("=")[0] for word in words if re.match(r"--?[a-zA-Z]", word)}
    assert given <= options, given - options
