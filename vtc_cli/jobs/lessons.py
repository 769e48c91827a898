"""Watching films whose questions are known, once: lessons for tuning thresholds and for training managers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vtc_cli.errors import UsageError, VideoError
from vtc_cli.jobs.questions import Question
from vtc_cli.jobs.remembering import Rememberer, Taking, end_of
from vtc_cli.memory.contract import Inquiry
from vtc_cli.memory.lessons import KeptMoments, Lesson
from vtc_cli.memory.place import fingerprint
from vtc_cli.memory.subtitles import find_subtitles
from vtc_cli.video.frame import Clip
from vtc_cli.video.sampling import plan_sampling

if TYPE_CHECKING:
    from vtc_cli.models.contract import VideoLM

SKILLS = ("recall", "order", "exists")
"""Of the procedural world: what can be asked with options about a film of a minute or more."""

SHORTEST = 60.0
"""Seconds of a procedural film with facts to recall."""


@dataclass(frozen=True)
class World:
    """Which procedural films. films: how many. length: seconds of each. seed: of the first; the next ones follow.
    split: `train`, `validation` or `test`. questions: about each film at most."""

    films: int = 8
    length: float = 120.0
    seed: int = 0
    split: str = "validation"
    questions: int = 8


@dataclass(frozen=True)
class Footage:
    """A film and its questions. open: called once. subtitled: it lies on a disk, where subtitles may be. about: of each
    question, when its answer can be seen."""

    name: str
    questions: tuple[Question, ...]
    open: Callable[[], Clip]
    subtitled: bool = False
    about: tuple[tuple[float, float] | None, ...] = ()


def of_world(world: World) -> Iterator[Footage]:
    """Procedural films with multiple-choice questions. Raises UsageError for films that cannot have any."""
    import numpy as np

    from vtc_cli.bench.rendered import rendered
    from vtc_cli.bench.suites.tiny import SIZES
    from vtc_cli.train.world import ask_some, make_long_film
    from vtc_cli.train.world.choices import lettered
    from vtc_cli.train.world.palette import SPLITS

    if world.split not in SPLITS:
        raise UsageError(f"there is no world {world.split!r}", f"there are: {', '.join(SPLITS)}")
    if world.length < SHORTEST:
        raise UsageError(
            f"a film of {world.length:g} s holds no fact to recall", f"--length {SHORTEST:g} or more is wanted"
        )
    for seed in range(world.seed, world.seed + world.films):
        rng = np.random.default_rng((SPLITS[world.split], seed, 3))
        height, width = SIZES[0]  # at which the bundled model was trained
        film = make_long_film(seed, world.split, world.length, width / height)
        asked, about = [], []
        for question in ask_some(film, rng, world.questions, skills=SKILLS):
            wrong = [option for option in question.options if option != question.answer]
            if wrong:
                choices, letter = lettered(question.answer, wrong, rng)
                asked.append(Question(question.text, choices, None, letter))
                about.append(question.about)
        opened = partial(rendered, film, (height, width), f"film-{seed}")
        yield Footage(f"{world.split} film {seed}", tuple(asked), opened, about=tuple(about))


def of_file(questions: Path, videos: Path | None = None) -> Iterator[Footage]:
    """Films and questions of a file as `vtc bench --suite files` takes it. Raises UsageError naming the line.

    Questions need options, since what is scored is the share that the right one gets.
    """
    from vtc_cli.bench.suites.files import files_suite

    for case in files_suite(questions, videos).cases():
        for task in case.tasks:
            if not task.question.choices or task.question.truth not in task.question.choices:
                raise UsageError(
                    f"{questions}: the question {task.question.text[:80]!r} has no options",
                    "tuning scores the share of the right option: give `options` with every question",
                )
        yield Footage(case.id, tuple(task.question for task in case.tasks), case.open, True)


def watch(footage: Footage, rememberer: Rememberer, model: VideoLM) -> Lesson:
    """Watch one film as indexing does, keeping its moments. Raises VtcError as opening and decoding it does."""
    clip = footage.open()
    kept = KeptMoments()
    try:
        plan = plan_sampling(clip.info, rememberer.settings.fps)
        taking = Taking(kept)
        rememberer.encode(clip, model, plan, taking)
        if not len(kept):
            raise VideoError(f"{footage.name}: no decodable frame", "`vtc probe` shows what is in the file")
        exam = tuple((Inquiry(item.text, item.choices), item.truth or "") for item in footage.questions)
        subtitles = find_subtitles(clip.info.source)[0] if footage.subtitled else []
        end = end_of(clip, taking.last, plan.fps)
        return Lesson(footage.name, fingerprint(clip.info), end, kept, exam, tuple(subtitles), footage.about)
    except BaseException:
        kept.close()
        raise
    finally:
        clip.close()
