"""An answer written without a session, one row at a time."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from vtc_cli.models.contract import Cursor, VideoLM


def greedy(model: VideoLM, cache: Any, logits: Tensor, cursor: Cursor, count: int) -> tuple[list[int], Tensor]:
    """`count` tokens, the likeliest each time, and the logits after them.

    logits, cursor: of the rows that `cache` ends with.
    """
    chosen: list[int] = []
    for _ in range(count):
        chosen.append(int(logits.argmax()))
        step = model.continuation(cursor, chosen[-1:])
        logits, cursor = model.forward(step, cache), step.cursor
    return chosen, logits
