"""What several prompts begin with, in the cache while they are asked: its rows are forwarded once.

A prompt's rows after its beginning are the same as without it, so answers are, up to rounding. Which rows prompts have
in common depends on the words alone, never on what was asked before: the same prompt gives the same answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vtc_cli.models.contract import Cursor, Span, VideoLM

if TYPE_CHECKING:
    from vtc_cli.engine.context import Context, Placed
    from vtc_cli.engine.slab import Mark

_ENDS = ("A", "1")  # of two prompts; where they differ the beginning ends, however the tokenizer joins letters


@dataclass(frozen=True)
class Beginning:
    """Rows in the cache that prompts begin with. ids: int64 [n]. before: the cache without them."""

    ids: Tensor
    before: Mark

    def rest(self, prompt: Span) -> Span | None:
        """The rows of a prompt that are not in the cache yet; None for one that begins with other words."""
        count = len(self.ids)
        if len(prompt) <= count or not torch.equal(prompt.ids[:count], self.ids):
            return None
        return _rows(prompt, count, len(prompt), prompt.cursor)


@contextmanager
def begun(context: Context, cut: Sequence[Placed], text: str) -> Iterator[None]:
    """Prompts of the block that begin with `text` find its rows, and those of a cut unit, in the cache.

    Within another such block it does nothing.
    """
    rows = shared(context.model, _start(context, cut), text) if context.beginning is None else None
    if rows is None:
        yield
        return
    with context.passing() as mark:
        with context.meter.time("first_token"):
            context.forward(Span.join([*(span for _, span in cut), rows]), "question")
        context.beginning = Beginning(rows.ids, mark)
        try:
            yield
        finally:
            context.beginning = None


def prompt_rows(context: Context, cut: Sequence[Placed], text: str, choices: Mapping[str, str] | None) -> list[Span]:
    """What is still to be forwarded of a prompt: the cut unit, if any, and its rows, or what comes after its beginning.

    A prompt that begins otherwise ends the beginning.
    """
    question = context.model.question(_start(context, cut), text, choices)
    if context.beginning is not None:
        rest = context.beginning.rest(question)
        if rest is not None:
            return [rest]
        context.slab.rollback(context.beginning.before)
        context.beginning = None
    return [*(span for _, span in cut), question]


def _start(context: Context, cut: Sequence[Placed]) -> Cursor:
    return cut[-1][1].cursor if cut else context.cursor


def shared(model: VideoLM, start: Cursor, text: str) -> Span | None:
    """The rows that every prompt has which begins with `text`; None where there are none.

    start: where the prompt goes. The cursor of what is returned stays there: nothing but a prompt comes after it.
    """
    first, second = (model.question(start, text + end) for end in _ENDS)
    most = min(len(first), len(second))
    differing = (first.ids[:most] != second.ids[:most]).nonzero()
    count = int(differing[0, 0]) if len(differing) else 0
    return _rows(first, 0, count, start) if count else None


def _rows(span: Span, begin: int, end: int, cursor: Cursor) -> Span:
    if span.deep:
        raise AssertionError("a prompt has no visual rows")
    return Span(
        ids=span.ids[begin:end],
        embeds=span.embeds[begin:end],
        positions=span.positions[:, begin:end],
        unit=span.unit[begin:end],
        patch=span.patch[begin:end],
        cursor=cursor,
    )
