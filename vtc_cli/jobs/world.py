"""Films of the procedural world as files: the picture, the truth about it, and questions that `vtc ask` can read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtc_cli.errors import UsageError, VtcError
from vtc_cli.jobs.writing import check_name

if TYPE_CHECKING:
    from vtc_cli.train.world import Film, Question

SCHEMA = "vtc.world/1"
CONTAINERS = (".mp4", ".mov", ".mkv")
SHORTEST = 2.0  # seconds a scene needs
LONGEST = 48 * 3600.0


@dataclass(frozen=True)
class Order:
    """Which film to make, how large, and what to ask about it.

    length: seconds. scenes: None for one per 8 s; a long film cuts itself. facts: strangers of a long film that appear
    once. aspect: width / height. height: pixels. fps: pictures per second. crf: of H.264, larger is smaller and worse.
    per_skill: most questions of a skill. unseen: ask them in the words that training never shows.
    """

    seed: int = 0
    length: float = 60.0
    scenes: int | None = None
    split: str = "test"
    aspect: float = 1.0
    height: int = 384
    fps: int = 15
    crf: int = 23
    long: bool = False
    facts: int = 16
    per_skill: int = 10
    unseen: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the picture in pixels; even, as the codec wants them."""
        return self.height // 2 * 2, round(self.height * self.aspect / 2) * 2


@dataclass(frozen=True)
class Rendered:
    """The files of a film; `film` is None when only the questions were wanted. asked: how many questions there are."""

    film: Path | None
    truth: Path
    questions: Path
    asked: int


def make(order: Order) -> Film:
    """The film of an order. Raises UsageError for a length, a number of scenes or a shape that cannot be."""
    from vtc_cli.train.world import make_film, make_long_film
    from vtc_cli.train.world.shoot import fewest_scenes

    if not SHORTEST <= order.length <= LONGEST:
        raise UsageError(f"a film of {order.length:g} s cannot be made", "--length takes 2 seconds to 48 hours")
    if not 1 / 3 <= order.aspect <= 3:
        raise UsageError(f"--aspect {order.aspect:g} is too extreme", "take 16:9, 1:1, 9:16 or anything up to 3:1")
    if order.long:
        if order.scenes is not None:
            raise UsageError("--scenes and --long exclude each other", "a long film is cut every 7 seconds or so")
        return make_long_film(order.seed, order.split, order.length, order.aspect, order.facts)
    scenes = order.scenes or fewest_scenes(order.length)
    if scenes * SHORTEST > order.length:
        raise UsageError(
            f"{scenes} scenes do not fit into {order.length:g} s",
            f"a scene takes at least {SHORTEST:g} s: --scenes {int(order.length // SHORTEST)} at most",
        )
    return make_film(order.seed, order.split, order.length, scenes, order.aspect)


def ask(film: Film, order: Order) -> list[tuple[str, Question]]:
    """(id, question) of every skill the film has questions for, at most `per_skill` each, drawn by the film's seed."""
    import numpy as np

    from vtc_cli.train.world import ask_all
    from vtc_cli.train.world.palette import SPLITS

    rng = np.random.default_rng((SPLITS[order.split], order.seed, 2))
    found = []
    for skill, pool in ask_all(film, rng, order.unseen).items():
        drawn = sorted(rng.permutation(len(pool))[: order.per_skill].tolist())
        found += [(f"{skill}-{number}", pool[index]) for number, index in enumerate(drawn, 1)]
    return found


def describe(film: Film, order: Order, asked: list[tuple[str, Question]], file: str | None) -> dict[str, Any]:
    """Everything known about a film, as the JSON beside it holds it. file: name of the picture's file."""
    from vtc_cli import __version__
    from vtc_cli.train.world.truth import scenes_of

    height, width = order.size
    return {
        "schema": SCHEMA,
        "vtc": __version__,
        "film": {
            "file": file,
            "seed": order.seed,
            "split": order.split,
            "long": order.long,
            "seconds": film.duration,
            "fps": order.fps,
            "width": width,
            "height": height,
            "grain": film.grain,
            "light": asdict(film.light),
        },
        "questions": [_question(name, question) for name, question in asked],
        "scenes": scenes_of(film, min(order.size)),
    }


def _question(name: str, question: Question) -> dict[str, Any]:
    return {
        "id": name,
        "skill": question.skill,
        "question": question.text,
        "answer": question.answer,
        "options": list(question.options),
        "seconds": question.seconds,
        "evidence": [round(moment, 3) for moment in question.about],
    }


def render(
    order: Order,
    path: Path,
    questions_only: bool = False,
    drawn: Callable[[int, int], None] = lambda done, total: None,
) -> Rendered:
    """Make a film and write it to `path`, with `<stem>.json` and `<stem>.questions.jsonl` beside it.

    Every file is whole or not there; none is touched before all are finished. drawn: called with (pictures done, of how
    many). Raises UsageError for what cannot be made, VtcError when a file cannot be written.
    """
    if path.suffix.lower() not in CONTAINERS:
        raise UsageError(f"{path} is no name for an H.264 film", f"end it in {', '.join(CONTAINERS)}")
    truth, questions = path.with_suffix(".json"), path.with_suffix(".questions.jsonl")
    for place in (path, truth, questions):
        check_name(place)
    film = make(order)
    asked = ask(film, order)
    content = describe(film, order, asked, None if questions_only else path.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with finished_together() as begin:
            begin(truth).write_text(_indented(content), encoding="utf-8")
            lines = [json.dumps(line) + "\n" for line in content["questions"]]
            begin(questions).write_text("".join(lines), encoding="utf-8")
            if not questions_only:
                from vtc_cli.train.world import write_mp4

                write_mp4(film, begin(path), order.fps, order.height, order.crf, drawn)
    except OSError as error:
        raise VtcError(
            f"cannot write {path}: {error.strerror or error}", "name another place for the film, or make room"
        ) from None
    return Rendered(None if questions_only else path, truth, questions, len(asked))


def _indented(content: Mapping[str, Any]) -> str:
    """JSON with a line for every question and every scene: readable, and not a line per number."""
    parts = []
    for name, value in content.items():
        if isinstance(value, list):
            items = ",\n    ".join(json.dumps(item) for item in value)
            parts.append(f"  {json.dumps(name)}: [\n    {items}\n  ]")
        else:
            parts.append(f"  {json.dumps(name)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


@contextmanager
def finished_together() -> Iterator[Callable[[Path], Path]]:
    """Files that take their names when all of them are written; after an error there is none of them.

    Gives a function from the name a file will have to the one it is written under (of the same kind, in the same
    folder). A link stays one; the file it leads to is replaced.
    """
    names: dict[Path, Path] = {}

    def begin(path: Path) -> Path:
        path = path.resolve()
        names[path] = path.with_name(f".{path.stem}.{os.getpid()}.unfinished{path.suffix}")
        return names[path]

    try:
        yield begin
        for path, partial in names.items():
            os.replace(partial, path)
    finally:
        for partial in names.values():
            partial.unlink(missing_ok=True)
