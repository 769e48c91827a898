"""Answers to weigh: those of the asker, or short ones proposed from what has been found, and `not shown`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase

from vtc_cli.memory import Hit, Look, Posterior, Weighed, phrases, posterior
from vtc_mm_mem.concepts import normalised
from vtc_mm_mem.wording import CANDIDATE, CHOOSE, NOT_SHOWN, clock, filled

MOST = 6
PROPOSAL_TOKENS = 24
HEAT = 0.7
_ABSENT = re.compile(r"(?:not (?:shown|seen|visible|mentioned|present)\b|unknown$)")
_WHEN = re.compile(
    r"^\s*(?:when\b|at (?:what|which) (?:time|moment|second|minute)\b|how (?:far|long) into\b)", re.IGNORECASE
)


@dataclass
class Candidates:
    """The answers in play. given: of the asker, by label; None for a free question.

    named: whether the times in play are of passages that say in so many words what the question names.
    """

    question: str
    given: Mapping[str, str] | None
    limit: int = PROPOSAL_TOKENS
    proposed: list[str] = field(default_factory=list)
    tokens: int = 0
    named: bool = False

    @property
    def asks_when(self) -> bool:
        return self.given is None and bool(_WHEN.match(self.question))

    def answers(self) -> dict[str, str]:
        """Label -> answer. A free question always has `not shown` among them, so that one proposal is no certainty."""
        if self.given is not None:
            return dict(self.given)
        return dict(zip(ascii_uppercase, [*self.proposed, NOT_SHOWN], strict=False))

    def propose(self, look: Look, text: str, seed: int, several: bool) -> None:
        """Ask for answers from this evidence: the likeliest, and another if `several`. Nothing for given choices."""
        if self.given is not None:
            return
        prompt = filled(CANDIDATE, text, {"question": self.question})
        for temperature in (0.0, HEAT) if several else (0.0,):
            written = look.write(prompt, limit=min(self.limit, PROPOSAL_TOKENS), temperature=temperature, seed=seed)
            self.tokens += written.tokens
            self.add(written.text)

    def add(self, text: str) -> None:
        """One more answer, unless it is there, says nothing, or there are enough.

        What says in its own words that nothing is shown is `not shown`: two of them would share what one is worth.
        """
        plain = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split()).strip()
        name = normalised(plain)
        known = {normalised(answer) for answer in self.proposed}
        if name and name not in known and not _ABSENT.match(name) and len(self.proposed) < MOST:
            self.proposed.append(plain)

    def times(self, hits: Sequence[Hit], order: str | None) -> None:
        """For a question about when: the beginnings of what was found; the earliest or the latest if it asks for it.

        Only of what shares words with the question: a search by meaning always finds something nearest, and what is
        nowhere would be given a time. Passages with neighbouring words of the question come before all others.
        """
        worded = [hit for hit in hits if hit.words is not None]
        together = [hit for hit in worded if any(pair in hit.passage.body.lower() for pair in phrases(self.question))]
        self.named = bool(together)
        found = (together or worded)[:4]
        if order is not None and found:
            pick = min if order == "first" else max
            found = [pick(found, key=lambda hit: hit.passage.t0)]
        for hit in found:
            self.add(f"at {clock(hit.passage.t0)}")


def weigh(look: Look, candidates: Candidates, text: str, both_orders: bool) -> Posterior:
    """The posterior over the answers; over two orders of the options, so that a habit for a letter cancels out."""
    answers = candidates.answers()
    prompt = filled(CHOOSE, text, {"question": candidates.question})
    readings = [look.weigh(prompt, answers)]
    if both_orders:
        labels = list(answers)
        turned = dict(zip(labels, reversed(answers.values()), strict=True))
        logs = look.weigh(prompt, turned).logs
        readings.append(Weighed(dict(zip(labels, [logs[label] for label in reversed(labels)], strict=True))))
    return posterior(readings)
