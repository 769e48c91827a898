"""Published benchmarks: one loader per benchmark, which reads the layout its authors gave it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from vtc_cli.errors import UsageError

if TYPE_CHECKING:
    from vtc_cli.bench.suites import Place
    from vtc_cli.bench.table_suite import TableSuite


def published_suite(name: str, place: Place, skills: Sequence[str] | None, seed: int) -> TableSuite:
    """The suite of a published benchmark, its films in an order drawn with `seed`.

    place: its folder, or whether to fetch it. Raises UsageError for another layout, MachineError where it is not here.
    """
    from vtc_cli.bench.published.catalog import PUBLISHED
    from vtc_cli.bench.published.folder import Folder
    from vtc_cli.bench.published.hub import fetch
    from vtc_cli.bench.published.rules import RULES
    from vtc_cli.bench.table_suite import TableSuite

    root = place.root if place.root is not None else fetch(name, place.repo, place.download)
    if not root.is_dir():
        raise UsageError(f"--root {root} is not a folder", f"name the one that holds {PUBLISHED[name].title}")
    loader = import_module(f"vtc_cli.bench.published.{name}")
    loaded = loader.load(Folder(root))
    if not loaded.items:
        raise UsageError(f"{root} holds no questions of {PUBLISHED[name].title}", "was it fetched whole?")
    return TableSuite(
        name, loaded.items, loaded.open, skills=skills, seed=seed, rule=RULES.get(name), facts={"split": loaded.split}
    )
