"""Questions about time: what came first, when, how long, and what was shown while something else was there."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from vtc_cli.train.world.asker import ANSWERS, Asker, Question


def orders(ask: Asker) -> Iterator[Question]:
    """Which of two things came first; both appear in one scene only, not the same."""
    for (first, scene, _), (second, later, _) in combinations(ask.once(), 2):
        if scene is later:
            continue
        names = [" ".join(first), " ".join(second)]
        answer = names[0] if scene.start < later.start else names[1]
        if ask.rng.random() < 0.5:
            names.reverse()
        text = ask.worded("order", thing=names[0], other=names[1])
        yield Question("order", text, answer, (names[0], names[1]), about=(0.0, max(scene.end, later.end)))


def whens(ask: Asker) -> Iterator[Question]:
    """When something appears; the truth is in seconds of the film."""
    for name, start, end in _spans(ask):
        yield Question("when", ask.worded("when", thing=name), seconds_text(start), seconds=start, about=(start, end))


def durations(ask: Asker) -> Iterator[Question]:
    """How long something is there, in seconds."""
    for name, start, end in _spans(ask):
        text = ask.worded("duration", thing=name)
        yield Question("duration", text, f"{round(end - start)} seconds", seconds=end - start, about=(start, end))


def durings(ask: Asker) -> Iterator[Question]:
    """Which digit or word was shown in the scene of something that appears in no other."""
    if len(ask.film.scenes) < 2:
        return
    for pair, scene, _ in ask.once():
        if scene.caption is not None:
            kind = scene.caption.kind
            text = ask.worded("during", thing=" ".join(pair), kind=kind)
            about = (scene.caption.start, scene.caption.end)
            yield Question("during", text, scene.caption.text, ANSWERS[kind], about=about)


def recalls(ask: Asker) -> Iterator[Question]:
    """`during` in a film of minutes to hours: a fact of 3 s that has to be found again."""
    if ask.film.duration >= 60:
        for question in durings(ask):
            yield Question("recall", question.text, question.answer, question.options, about=question.about)


def seconds_text(value: float) -> str:
    """How a time is answered: like the time tags that the model reads."""
    return f"{value:.1f} seconds"


def _spans(ask: Asker) -> Iterator[tuple[str, float, float]]:
    """(name, start, end) of what is there for a known time: things of one scene in several, and captions."""
    if len(ask.film.scenes) > 1:
        for pair, scene, _ in ask.once():
            yield ask.named(pair), scene.start, scene.end
    for kind in ("digit", "word"):
        shown = [caption for caption in ask.film.captions if caption.kind == kind]
        for caption in shown:
            if sum(other.text == caption.text for other in shown) == 1:
                name = kind if len(shown) == 1 and ask.rng.random() < 0.5 else f"{kind} {caption.text}"
                yield name, caption.start, caption.end
