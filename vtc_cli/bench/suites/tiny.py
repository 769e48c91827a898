"""`tiny`: films of the procedural world, made on the spot from the split that training never sees."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from vtc_cli.bench.rendered import rendered
from vtc_cli.bench.suite import Case, Task
from vtc_cli.errors import UsageError
from vtc_cli.jobs import questions as asked
from vtc_cli.train.world import Film, Question, ask_some, is_right, make_film, make_long_film, write_mp4
from vtc_cli.train.world.choices import lettered
from vtc_cli.train.world.questions import SHORT_SKILLS, SKILLS
from vtc_cli.train.world.scoring import TOLERANCE
from vtc_cli.train.world.shoot import fewest_scenes
from vtc_cli.video import open_clip
from vtc_cli.video.frame import Clip, Damage, Frame

SIZES = ((128, 128), (96, 160), (160, 96))  # (height, width): those the bundled model was trained at
SIZE_ODDS = (0.6, 0.32, 0.08)
SHORT = (4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 40.0)  # seconds of a film when no length is asked for
SHORT_ODDS = (0.2, 0.15, 0.2, 0.1, 0.1, 0.15, 0.1)
USUAL = 10.0  # seconds; shorter things are the more common, so they are asked about as seldom
TIMED, TELLING = ("when", "duration"), 16.0  # in films of fewer seconds a time can be guessed
LONG = 60.0  # seconds from which a film is one of returning characters and facts to recall
LEAST, MOST = 2.0, 4 * 3600.0
PER_FILM, PER_LONG_FILM = 12, 16  # questions
PER_SKILL = 2  # of them with the same skill, in a short film: more films tell more than more questions about one
SEEDS = 1_000_000  # films of one --seed; the next seed's begin there
FILE_SUFFIX = "mp4"

Via = Literal["frames", "mp4"]


@dataclass(frozen=True)
class Wanted:
    """What is asked of a suite.

    skills: None for its own. length: seconds of each film, None for its own mixture. unseen: questions worded as
    training never does. choices: as multiple choice. via: rendered frames, or mp4 files that are decoded.
    fps: frames rendered per second (an mp4 has 15 and is sampled).
    """

    skills: tuple[str, ...] | None = None
    length: float | None = None
    seed: int = 0
    unseen: bool = False
    choices: bool = False
    via: Via = "frames"
    fps: float = 1.0


class TinySuite:
    """See `Suite`. Raises UsageError for unknown skills, a length that no film can have, and skills without choices."""

    name = "tiny"
    sizes: Mapping[str, int] | None = None

    def __init__(self, wanted: Wanted):
        self._wanted = wanted
        length = wanted.length
        if length is not None and not LEAST <= length <= MOST:
            raise UsageError(
                f"--length must be from {LEAST:g} seconds to {MOST / 3600:g} hours, not {length:g} s",
                "films of a minute or more hold facts to recall: --length 10m",
            )
        if wanted.via not in ("frames", "mp4"):
            raise UsageError(f"--via {wanted.via}: frames or mp4 are wanted", "frames are rendered, mp4 is decoded")
        if not 0 <= wanted.seed < 2**40:
            raise UsageError(f"--seed must be from 0 to 2^40, not {wanted.seed}")
        self._long = length is not None and length >= LONG
        self.skills = self._skills(wanted.skills)
        self.facts: dict[str, Any] = {
            "suite": self.name,
            "skills": list(self.skills),
            "length": length,
            "seed": wanted.seed,
            "unseen": wanted.unseen,
            "choices": wanted.choices,
            "via": wanted.via,
        }

    def cases(self) -> Iterator[Case]:
        """Films without end."""
        for index in range(SEEDS):
            film, size, rng = self._film(self._wanted.seed * SEEDS + index)
            tasks = self._tasks(film, rng)
            if tasks:
                yield Case(f"film-{index}", tasks, partial(self._open, index, film, size))

    def film(self, case: str) -> tuple[Film, tuple[int, int]]:
        """The film of a case by its id, and the size of its pictures, (height, width): for its truth."""
        film, size, _ = self._film(self._wanted.seed * SEEDS + int(case.removeprefix("film-")))
        return film, size

    def official(self, lines: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """None: every answer is right or wrong, and counts once."""
        return {}

    def _skills(self, named: Sequence[str] | None) -> tuple[str, ...]:
        able = SKILLS if self._long else SHORT_SKILLS
        if named is None:
            named = ("recall",) if self._long else able
        found = list(dict.fromkeys(named))
        for skill in found:
            if skill not in SKILLS:
                close = get_close_matches(skill, SKILLS, 1)
                raise UsageError(
                    f"the suite {self.name} has no skill `{skill}`",
                    f"did you mean `{close[0]}`?" if close else f"there are: {', '.join(SKILLS)}",
                )
            if skill not in able:
                raise UsageError(
                    f"`{skill}` needs films of {LONG:g} seconds or more", "say how long: --length 10m, for example"
                )
        if not found:
            raise UsageError("--skills names no skill", f"there are: {', '.join(able)}")
        if self._wanted.choices:
            open_ended = [skill for skill in found if skill in ("when", "duration", "describe", "json")]
            if len(open_ended) == len(found):
                raise UsageError(
                    f"`{open_ended[0]}` has no options to choose from", "leave --choices out, or ask another skill"
                )
            found = [skill for skill in found if skill not in open_ended]
        return tuple(found)

    def _film(self, seed: int) -> tuple[Film, tuple[int, int], np.random.Generator]:
        rng = np.random.default_rng((5, seed))
        size = SIZES[int(rng.choice(len(SIZES), p=SIZE_ODDS))]
        aspect = size[1] / size[0]
        length = self._wanted.length or float(rng.choice(SHORT, p=SHORT_ODDS))
        if self._long:
            return make_long_film(seed, "test", length, aspect), size, rng
        fewest = fewest_scenes(length)
        scenes = int(rng.integers(fewest, max(fewest, int(length // 3)) + 1))
        return make_film(seed, "test", length, scenes, aspect), size, rng

    def _tasks(self, film: Film, rng: np.random.Generator) -> tuple[Task, ...]:
        count = PER_LONG_FILM if self._long else PER_FILM
        most = count if self._long else PER_SKILL
        tasks: dict[str, Task] = {}
        taken: Counter[str] = Counter()
        for question in ask_some(film, rng, count, self._wanted.unseen, self.skills):
            if taken[question.skill] == most or (self._wanted.choices and len(question.options) < 2):
                continue
            if question.skill in TIMED and film.duration < min(TELLING, self._wanted.length or TELLING):
                continue
            if question.skill == "duration" and rng.random() > ((question.seconds or 0.0) / USUAL) ** 3:
                continue
            taken[question.skill] += 1
            tasks.setdefault(question.text, self._task(film, question, rng))
        return tuple(tasks.values())

    def _task(self, film: Film, question: Question, rng: np.random.Generator) -> Task:
        about = None if question.about == (0.0, film.duration) else question.about
        if self._wanted.choices:
            wrong = [option for option in question.options if option != question.answer]
            choices, letter = lettered(question.answer, wrong, rng)
            words = asked.Question(question.text, choices, question.text, letter)
            return Task(words, question.skill, partial(_same, letter), about, 1 / len(choices))
        words = asked.Question(question.text, id=question.text, truth=question.answer)
        chance = 1 / len(question.options) if question.options else None
        tolerance = None if question.seconds is None else TOLERANCE
        return Task(words, question.skill, partial(is_right, question), about, chance, tolerance)

    def _open(self, index: int, film: Film, size: tuple[int, int]) -> Clip:
        source = f"{self.name}:{self._wanted.seed}/film-{index}"
        if self._wanted.via == "mp4":
            return _file(film, source)
        return rendered(film, size, source, self._wanted.fps)


def _same(letter: str, said: str) -> bool:
    return said == letter


def _file(film: Film, source: str) -> Clip:
    """The film as an mp4 that is gone when the clip is closed."""
    folder = tempfile.TemporaryDirectory(prefix="vtc-bench-")
    try:
        path = Path(folder.name) / f"{source.rpartition('/')[2]}.{FILE_SUFFIX}"
        write_mp4(film, path)
        return FileClip(open_clip(str(path)), folder, source)
    except BaseException:
        folder.cleanup()
        raise


class FileClip:
    """A clip in a folder of its own, removed with it. source: what it is called in records."""

    def __init__(self, clip: Clip, folder: tempfile.TemporaryDirectory[str], source: str):
        self._clip, self._folder = clip, folder
        self.info = replace(clip.info, source=source)
        self.damage: Damage | None = None

    def frames(self, fps: float, start: float = 0.0, end: float | None = None) -> Iterator[Frame]:
        """See `Clip.frames`."""
        yield from self._clip.frames(fps, start, end)
        self.damage = self._clip.damage

    def at(self, times: Sequence[float]) -> Iterator[Frame]:
        """See `Clip.at`."""
        return self._clip.at(times)

    def close(self) -> None:
        """Close the reader and remove the file."""
        self._clip.close()
        self._folder.cleanup()
