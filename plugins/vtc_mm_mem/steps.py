"""The steps of a search: whether one ends it, which of them answers, and whether what it looked at shows the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vtc_cli.memory import Look, Step, posterior
from vtc_mm_mem.noting import Line, words_of
from vtc_mm_mem.resting import said_by
from vtc_mm_mem.wording import NOT_SHOWN, SUPPORTED, YES_OR_NO, filled

WORSE = 0.2
"""Nats by which the last stage may be less sure than the best one and still be the answer."""


@dataclass(frozen=True)
class Shown:
    """What a step's posterior was read from: pictures that were looked at, and notes. blind: what the question names is
    known to have been elsewhere."""

    look: Look
    lines: Sequence[Line]
    blind: bool = False

    @property
    def text(self) -> str:
        return words_of(self.lines)


class Steps:
    """See the module. question: of the search. given: whether its answers were, so that `not shown` is none of them.
    gate: nats at which a step is sure."""

    def __init__(self, question: str, given: bool, gate: float):
        self.all: list[Step] = []
        self.shown: list[Shown] = []
        self._question = question
        self._given = given
        self._gate = gate
        self._shares: dict[tuple[int, bool], float] = {}

    def add(self, step: Step, shown: Shown) -> None:
        """The next one."""
        self.all.append(step)
        self.shown.append(shown)

    def text(self, place: int) -> str:
        """The answer of a step: the likeliest one.

        Where it leaves open whether a proposal or `not shown` is the answer, yes or no decides, said of its pictures.
        """
        step = self.all[place]
        likeliest = step.answers[step.posterior.best]
        if self._given or likeliest != NOT_SHOWN or step.posterior.confident(self._gate) or self.shown[place].blind:
            return likeliest
        return self._proposal(place) if self._share(place, notes=False) > 0.5 else NOT_SHOWN

    def confidence(self, place: int) -> float:
        """The share of the answer of a step."""
        step, told = self.all[place], self.text(place)
        return max(share for label, share in step.posterior.shares.items() if step.answers[label] == told)

    def ends(self) -> bool:
        """Whether the newest step is sure of an answer that it shows."""
        place = len(self.all) - 1
        step = self.all[place]
        sure = len(step.answers) > 1 and step.posterior.confident(self._gate)
        return sure and not self._overlooks(place) and (not self._given or self.supported(place))

    def answering(self) -> int:
        """The place of the step that answers: the last stage's, unless it is clearly less sure than the best one that
        covers its labels and shows its answer.

        Of several looks of the last stage, the one that most likely shows where the answer is and reads it off there.
        Where only `not shown` was to choose from there is nothing to be sure of, and that it is not shown a later step
        knows better.
        """
        stage = self.all[-1].stage
        last = max(
            (place for place, step in enumerate(self.all) if step.stage == stage),
            key=lambda place: (self._answers(place), self._worth(place), -place),
        )
        sure = [
            place
            for place, step in enumerate(self.all)
            if step.posterior.coverage >= 0.5
            and len(step.answers) > 1
            and (place == last or (step.stage != stage and not self._overlooks(place)))
        ]
        last_nats = self.all[last].posterior.entropy
        for place in sorted(sure, key=lambda place: self.all[place].posterior.entropy):
            clearly = last_nats - self.all[place].posterior.entropy > WORSE
            if place == last or ((clearly or last not in sure) and self.supported(place)):
                return place
        return last

    def supported(self, place: int) -> bool:
        """Whether the narrator finds the likeliest answer of a step shown at all, from the look it was weighed in.

        Of given options one is always the likeliest: between two things that six pictures of an hour do not show, a
        narrator is sure by habit.
        """
        return self._share(place, notes=False) > 0.5 or self._share(place, notes=True) > 0.5

    def said(self, place: int) -> bool:
        """Whether a note that stood beside the question says the likeliest answer."""
        step = self.all[place]
        others = [text for label, text in step.answers.items() if label != step.posterior.best]
        return said_by(self.shown[place].lines, self._question, self.text(place), others)

    def _proposal(self, place: int) -> str:
        """The likeliest answer that says something; `not shown` where nothing else is to choose from."""
        step = self.all[place]
        told = [label for label, text in step.answers.items() if self._given or text != NOT_SHOWN]
        return step.answers[max(told, key=lambda label: step.posterior.shares[label])] if told else NOT_SHOWN

    def _overlooks(self, place: int) -> bool:
        """Whether a step looked elsewhere, or finds nothing shown, which is true of a few pictures of a long video.

        So it ends no search; whoever says that something is nowhere has to have looked where it would be.
        """
        return self.shown[place].blind or (not self._given and self.text(place) == NOT_SHOWN)

    def _answers(self, place: int) -> bool:
        """Whether a look may speak for its stage: `not shown` is better than a free answer that it does not show."""
        return not self._overlooks(place) and (self._given or self.supported(place))

    def _worth(self, place: int) -> float:
        """How likely a look shows the answer, times how likely the answer is what it reads off.

        The pictures are asked about alone: a model of a few million parameters that has notes before it, which are the
        same for every look, says yes or no to those.
        """
        return self._share(place, notes=False) * self.confidence(place)

    def _share(self, place: int, notes: bool) -> float:
        """The narrator's mass on `yes, this is shown`, with the notes before it or without; 0 where it says neither."""
        if (place, notes) not in self._shares:
            shown = self.shown[place]
            words = {"question": self._question, "answer": self._proposal(place)}
            prompt = filled(SUPPORTED, shown.text if notes else "", words)
            reading = posterior([shown.look.weigh(prompt, YES_OR_NO)])
            self._shares[place, notes] = reading.shares["yes"] if reading.coverage > 0 else 0.0
        return self._shares[place, notes]
