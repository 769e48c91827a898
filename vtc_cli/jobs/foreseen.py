"""What a cache will go through while a video is watched, from the rows of its units alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vtc_cli.methods.stages import CachePolicy

if TYPE_CHECKING:
    from vtc_cli.report.flops import Forwards


def foresee(
    rows: Sequence[int], prefix: int, budget: int, policy: CachePolicy, chunk: int, question: int = 0
) -> tuple[Forwards, int, int, int, int]:
    """Forwards, entries held at the end and at the most, evicted, compactions: the session's rule, unit by unit.

    rows: of every unit, none more than the budget; prefix: before them, outside the budget. question: rows of the
    question, for a policy that looks where it looks at each compaction.
    Units of a chunk go through in one forward, unless the cache has to be compacted between them.
    """
    from vtc_cli.report.flops import Forwards

    work = Forwards.one(prefix, 0)
    held = most = evicted = compactions = waiting = first = 0
    counted, looks = policy.most_units(), policy.by_question()
    for index, new in enumerate(rows):
        if held + waiting + new > budget or (counted is not None and index - first >= counted):
            work, held, waiting = _forward(work, prefix, held, waiting)
            work = work + type(work).one(question, prefix + held) if looks else work
            if counted is None:
                keep = min(int(policy.target * budget), budget - new, held)
            else:  # whole units, the newest that fit beside the one to come
                first = max(first, index + 1 - counted)
                while sum(rows[first:index]) > budget - new:
                    first += 1
                keep = sum(rows[first:index])
            evicted, held, compactions = evicted + held - keep, keep, compactions + 1
        waiting += new
        most = max(most, held + waiting)
        if (index + 1) % chunk == 0:
            work, held, waiting = _forward(work, prefix, held, waiting)
    work, held, _ = _forward(work, prefix, held, waiting)
    return work, held, most, evicted, compactions


def _forward(work: Forwards, prefix: int, held: int, waiting: int) -> tuple[Forwards, int, int]:
    return (work + type(work).one(waiting, prefix + held) if waiting else work), held + waiting, 0
