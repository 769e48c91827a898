"""Distributions with method plugins, installed into a folder of their own."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """install(distribution, {name: "module:Class"}, {module: source}, version=...): as pip would leave it."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    before = set(sys.modules)

    def write(
        distribution: str, methods: dict[str, str], sources: dict[str, str] | None = None, version: str = "1.0"
    ) -> None:
        facts = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        points = "\n".join(f"{name} = {entry}" for name, entry in methods.items())
        (facts / "entry_points.txt").write_text(f"[vtc.methods]\n{points}\n")
        for module, source in (sources or {}).items():
            path = site / f"{module.replace('.', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(source))

    yield write
    for name in set(sys.modules) - before:
        if str(site) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


PRUNER = '''
    """A plugin."""
    from dataclasses import dataclass

    import torch

    from vtc_cli import Kept, TokenPruner, Unit


    @dataclass
    class First(TokenPruner):
        """Keep the first tokens, whatever
        they show.

        count: how many.
        """

        count: int = 3

        def budget(self, tokens: int) -> int:
            return min(self.count, tokens)

        def keep(self, unit: Unit, budget: int, query: torch.Tensor | None = None) -> Kept:
            return Kept(torch.arange(budget))
'''
"""Source of a well-behaved plugin module with one pruner, `First`."""
