"""What a cache will go through while a video is watched, from the rows of its units alone: the session's own rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from vtc_cli.methods.stages import CachePolicy
from vtc_cli.report.flops import Forwards


@dataclass(frozen=True)
class Rows:
    """Rows of a video's units. around: of each unit, time tag and markers; visual: of a unit, entering the decoder.

    layers: (visual rows of a unit that run there, how many such layers there are); all of them where no layer policy
    lets any leave.
    """

    around: Sequence[int]
    visual: int
    layers: tuple[tuple[int, int], ...]

    @staticmethod
    def of(around: Sequence[int], visual: int, entries: Sequence[int]) -> Rows:
        """entries: visual rows of a unit for each layer, as `LayerPolicy.entries` tells."""
        return Rows(around, visual, tuple(Counter(entries).items()))

    def whole(self, unit: int) -> int:
        """Rows of a unit as it enters the decoder."""
        return self.around[unit] + self.visual


@dataclass
class Foreseen:
    """Of layers that hold alike, in the order of `Rows.layers`: `held`, `most`, `dropped` entries, prefix not counted.

    work: forwards of the prefix and of all units. compactions: how many.
    """

    rows: Rows
    prefix: int
    work: Forwards
    held: list[int]
    most: list[int]
    dropped: list[int]
    compactions: int = 0
    _waiting: list[int] = field(default_factory=list)
    _units: list[int] = field(default_factory=list)

    @property
    def evicted(self) -> int:
        """Entries dropped by the layers that drop most."""
        return max(self.dropped)

    def entries(self, more: int) -> int:
        """Entries at the most with the prefix and `more` rows of a turn, all layers together."""
        counts = [count for _, count in self.rows.layers]
        return sum(count * (self.prefix + most + more) for most, count in zip(self.most, counts, strict=True))

    def forward(self, new: int, beside: int = 0) -> Forwards:
        """One more forward of `new` rows of text, after the video and `beside` rows of text more."""
        return self._forwards([(new, held + beside) for held in self.held])

    def _forwards(self, groups: Sequence[tuple[int, int]]) -> Forwards:
        """groups: (new, held) of each; the prefix is added."""
        if len(groups) == 1:
            return Forwards.one(groups[0][0], self.prefix + groups[0][1])
        layers = [
            (new, self.prefix + held)
            for (new, held), (_, count) in zip(groups, self.rows.layers, strict=True)
            for _ in range(count)
        ]
        return Forwards.uneven(layers)

    def watch(self, budget: int, policy: CachePolicy, chunk: int, question: int) -> None:
        """All units, in order. Units of a chunk go through in one forward, unless the cache has to be compacted."""
        for unit in range(len(self.rows.around)):
            if not self._room(unit, budget, policy):
                self._flush()
                if not self._room(unit, budget, policy):
                    if policy.by_question():
                        self.work = self.work + self.forward(question)
                    self._compact(unit, budget, policy)
            self._waiting.append(unit)
            if (unit + 1) % chunk == 0:
                self._flush()
        self._flush()

    def _flush(self) -> None:
        """The waiting units go through the decoder."""
        if not self._waiting:
            return
        text = sum(self.rows.around[unit] for unit in self._waiting)
        new = [text + len(self._waiting) * visual for visual, _ in self.rows.layers]
        self.work = self.work + self._forwards(list(zip(new, self.held, strict=True)))
        self.held = [held + rows for held, rows in zip(self.held, new, strict=True)]
        self.most = [max(most, held) for most, held in zip(self.most, self.held, strict=True)]
        self._units += self._waiting
        self._waiting = []

    def _room(self, unit: int, budget: int, policy: CachePolicy) -> bool:
        """Whether a unit and those waiting fit, for all that is known before they are in."""
        counted = policy.most_units()
        if counted is not None and len(self._units) + len(self._waiting) >= counted:
            return False
        coming = sum(map(self.rows.whole, self._waiting)) + self.rows.whole(unit)
        return max(self.held) + coming <= budget

    def _compact(self, unit: int, budget: int, policy: CachePolicy) -> None:
        """Make room for a unit in every layer that has none."""
        rows, counted = self.rows.whole(unit), policy.most_units()
        if counted is not None:  # whole units, the newest that fit beside the one to come
            self._units = self._units[max(0, len(self._units) + 1 - counted) :]
            while max(self._entries(visual) for visual, _ in self.rows.layers) > budget - rows:
                self._units.pop(0)
        for group, (visual, _) in enumerate(self.rows.layers):
            held = self.held[group]
            if counted is not None:
                keep = self._entries(visual)
            elif held + rows <= budget:
                continue
            else:
                keep = min(int(policy.target * budget), budget - rows, held)
            self.dropped[group] += held - keep
            self.held[group] = keep
        self.compactions += 1

    def _entries(self, visual: int) -> int:
        return sum(self.rows.around[unit] + visual for unit in self._units)


def foresee(rows: Rows, prefix: int, budget: int, policy: CachePolicy, chunk: int, question: int = 0) -> Foreseen:
    """Watch a video of `rows`, none of whose units is more than the budget.

    prefix: rows before it, outside the budget. question: its rows, for a policy that looks where it looks at each
    compaction.
    """
    groups = len(rows.layers)
    seen = Foreseen(rows, prefix, Forwards.one(prefix, 0), [0] * groups, [0] * groups, [0] * groups)
    seen.watch(budget, policy, chunk, question)
    return seen
