"""What two sessions must have in common to be called the same."""

from __future__ import annotations

from typing import Any

import torch

from vtc_cli import Answer, Session
from vtc_cli.engine.slab import Slab


def slab_of(session: Session) -> Slab:
    return session._context.slab


def memory_of(session: Session) -> tuple[Any, ...]:
    """Everything that decides an answer: rows and labels of every layer, and where the timeline stands."""
    slab = slab_of(session)
    held = slab.held
    blocks = [(b.keys[:, :, :held].clone(), b.values[:, :, :held].clone()) for b in slab.blocks]
    labels = [(b.unit[:, :held].clone(), b.patch[:, :held].clone()) for b in slab.blocks]
    return blocks, labels, (held, slab.seen, slab.pinned, session._context.cursor, session.units)


def assert_same_memory(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    assert one[2] == other[2]
    for mine, theirs in zip(one[1], other[1], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))
    for mine, theirs in zip(one[0], other[0], strict=True):
        for a, b in zip(mine, theirs, strict=True):
            torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def said(answer: Answer) -> tuple[Any, ...]:
    """An answer without how long it took."""
    return answer.text, answer.ids, answer.finish, dict(answer.counts)
