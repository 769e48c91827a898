"""Questions as multiple choice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LETTERS = "ABCD"


def lettered(answer: str, wrong: Sequence[str], rng: np.random.Generator) -> tuple[dict[str, str], str]:
    """(label -> text, the right label): the answer among up to three of `wrong`, in an order drawn by `rng`."""
    options = [answer, *map(str, rng.permutation(wrong)[: len(LETTERS) - 1])]
    order = [int(place) for place in rng.permutation(len(options))]
    return {LETTERS[place]: options[index] for place, index in enumerate(order)}, LETTERS[order.index(0)]
