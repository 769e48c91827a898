"""The demonstration: a film of the procedural world, written as a real mp4, with questions whose answers are known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vtc_cli.errors import VtcError
from vtc_cli.jobs.questions import Question
from vtc_cli.jobs.settings import Settings

SKILLS = ("count", "colour", "motion")
KEPT = (
    *("model", "revision", "device", "dtype", "attention", "quantize", "adapter"),
    *("device_map", "max_memory", "compile", "trust_remote_code"),
    *("method", "budget", "chunk"),
)


@dataclass(frozen=True)
class Demo:
    """A written clip and what to ask about it; every question carries its truth."""

    path: Path
    questions: tuple[Question, ...]
    seconds: float


def prepare(seed: int, folder: Path | None = None, output: Path | None = None) -> Demo:
    """Render the film of `seed` to an mp4 and pick three questions about it.

    The film is drawn from the split training never sees. folder: where the clip goes when
    `output` does not say. Raises VtcError when the file cannot be written.
    """
    import numpy as np

    from vtc_cli.train.world import ask_all, make_film, write_mp4

    film = make_film(seed, split="test", min_things=2, max_things=3)
    rng = np.random.default_rng(seed)
    pools = ask_all(film, rng)
    questions = [
        Question(pools[skill][0].text, id=skill, truth=pools[skill][0].answer) for skill in SKILLS if pools[skill]
    ]
    for skill, pool in pools.items():
        # An answer is compared word for word, so only those with a closed list of answers are asked.
        if len(questions) < len(SKILLS) and pool and pool[0].options and skill not in SKILLS:
            questions.append(Question(pool[0].text, id=skill, truth=pool[0].answer))
    path = output or (folder or cache_folder()) / f"demo-{seed}.mp4"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_mp4(film, path)
    except OSError as error:
        raise VtcError(f"cannot write {path}: {error.strerror or error}", "name another place with --output") from None
    return Demo(path, tuple(questions), film.duration)


def for_film(settings: Settings) -> Settings:
    """The same model, machine and methods, without what was set for other videos: times, rates, prompts."""
    return Settings(**{name: getattr(settings, name) for name in KEPT})


def cache_folder() -> Path:
    """Where demonstration clips are kept."""
    from platformdirs import user_cache_path

    return user_cache_path("vtc", appauthor=False) / "demo"


def is_right(answer: str, truth: str) -> bool:
    """Whether an answer says the truth: the same words, whatever the case and the full stop."""
    return answer.strip().rstrip(".").casefold() == truth.casefold()
