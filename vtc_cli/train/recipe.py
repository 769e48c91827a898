"""What decides the weights of a training run, and the folder that belongs to it."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from vtc_cli.errors import MachineError, UsageError

FILE = "recipe.json"


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights.

    steps per stage; units: per step; peak: highest learning rate; begin_from: checkpoint folder whose weights a run
    begins with, random ones when it is empty. Raises UsageError for sizes no model can have.
    """

    vision_steps: int = 1300
    language_steps: int = 1500
    units: int = 32
    peak: float = 1.5e-3
    seed: int = 0
    depth: int = 8
    hidden: int = 192
    layers: int = 8
    text_hidden: int = 256
    begin_from: str = ""

    def __post_init__(self) -> None:
        for name in ("hidden", "text_hidden"):
            if getattr(self, name) < 64 or getattr(self, name) % 64:
                raise UsageError(
                    f"{flag(name)} {getattr(self, name)} is no width", "take a multiple of 64: a head each"
                )
        heads = self.text_hidden // 64
        if heads > 1 and heads % (heads // 2):
            raise UsageError(
                f"--text-hidden {self.text_hidden} makes {heads} heads, too odd for key-value heads to share",
                "take a multiple of 128",
            )
        if self.depth < 2 or self.layers < 2:
            raise UsageError("a model needs two blocks and two layers at least", "raise --depth or --layers")


MICROSCOPIC = Recipe(12, 12, units=4, peak=1e-2, depth=2, hidden=64, layers=2, text_hidden=64)


def flag(name: str) -> str:
    """How `vtc train tiny` calls a field of the recipe."""
    return "--from" if name == "begin_from" else f"--{name.replace('_', '-')}"


def command(recipe: Recipe) -> str:
    """The command that makes a model of this recipe."""
    usual = asdict(Recipe())
    differing = {name: value for name, value in asdict(recipe).items() if value != usual[name]}
    return shlex.join(["vtc", "train", "tiny", *(str(part) for item in differing.items() for part in _flagged(*item))])


def _flagged(name: str, value: object) -> tuple[str, object]:
    return flag(name), value


def claim(folder: Path, given: Mapping[str, Any]) -> Recipe:
    """The recipe of the run in a folder; a new run begins there when the folder has none.

    given: the fields that were asked for. A run keeps the recipe it began with, so what is not given is as it was.
    Raises UsageError when the run there has another recipe or an unknown one, MachineError when the folder cannot be
    used.
    """
    path = folder / FILE
    try:
        if path.exists():
            return _agreed(path, given)
        strangers = sorted(item.name for item in folder.glob("*.pt"))
        if strangers:
            raise UsageError(
                f"{folder} holds a run ({', '.join(strangers)}) whose recipe is not known",
                f"name another --folder, or write its recipe to {path}",
            )
        recipe = Recipe(**given)
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(recipe), indent=2) + "\n")
        os.replace(partial, path)
    except OSError as error:
        raise MachineError(f"cannot train in {folder}: {error.strerror or error}", "name another --folder") from None
    return recipe


def _agreed(path: Path, given: Mapping[str, Any]) -> Recipe:
    try:
        stored = Recipe(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        names = ", ".join(field.name for field in fields(Recipe))
        raise UsageError(f"{path} is no recipe: {error}", f"it is a JSON object with {names}") from None
    other = [
        f"{flag(name)} {getattr(stored, name) or 'nothing'} there, {value or 'nothing'} here"
        for name, value in given.items()
        if getattr(stored, name) != value
    ]
    if other:
        raise UsageError(
            f"{path.parent} holds a run of another recipe: {'; '.join(other)}",
            "leave those options out to go on with that run, or name another --folder for a new one",
        )
    return stored
