"""`vtc report`: sorting and filtering, in a browser where there is one."""

from __future__ import annotations

import re

import pytest

from tests.support.browser import chromium, opened
from vtc_cli.jobs.report import make_report


@pytest.mark.skipif(chromium() is None, reason="no Chromium here")
def test_in_a_browser_sorting_and_filtering_work_and_nothing_complains(tmp_path, compared_file, answered_file):
    made = make_report([compared_file, answered_file], tmp_path / "report.html")
    script = """
      const body = document.querySelector('#questions tbody');
      const column = [...document.querySelectorAll('#questions th')].findIndex(th => th.textContent === 'run');
      const runs = () => [...body.rows].filter(row => !row.hidden).map(row => row.cells[column].textContent).join(' ');
      const found = {};
      const button = document.querySelectorAll('#questions th button')[column];
      button.click(); found.up = runs();
      button.click(); found.down = runs();
      const choice = document.querySelector('select[name=result]');
      choice.value = 'wrong'; choice.dispatchEvent(new Event('change')); found.wrong = runs();
      const words = document.querySelector('#tools input');
      words.value = '1/2 FILM-0'; words.dispatchEvent(new Event('input')); found.words = runs();
      for (const [name, value] of Object.entries(found)) document.body.setAttribute('data-' + name, value);
    """
    dom, console = opened(made.path, tmp_path / "profile", script)
    assert console == []
    found = dict(re.findall(r'data-(up|down|wrong|words)="([^"]*)"', dom))
    up = [int(run) for run in found["up"].split()]
    assert len(up) == 18 + 3
    assert up == sorted(up)
    assert [int(run) for run in found["down"].split()] == sorted(up, reverse=True)
    assert found["wrong"].split() == ["3", "3", "2"]
    assert found["words"] == "2"
