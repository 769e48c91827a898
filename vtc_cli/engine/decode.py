"""Writing an answer one token at a time, and showing it as it is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from vtc_cli.errors import NumbersError


@dataclass(frozen=True)
class Decoded:
    """ids: the answer's tokens, the stop token not among them. finish: what ended it."""

    ids: tuple[int, ...]
    finish: Literal["stop", "length"]


class Sampler:
    """Picks the next token: the likeliest at temperature 0, else drawn with its own seeded generator."""

    def __init__(self, temperature: float = 0.0, seed: int = 0):
        self._temperature = temperature
        self._generator = torch.Generator().manual_seed(seed) if temperature > 0 else None

    def pick(self, logits: Tensor) -> int:
        """A token id from logits [vocab]. Raises NumbersError."""
        best, token = logits.max(-1)
        if not bool(torch.isfinite(best)):
            raise NumbersError("the model's scores of the next token")
        if self._generator is None:
            return int(token)
        # On the CPU and in double precision: the same seed draws the same tokens on every device.
        chances = ((logits - best).double().cpu() / self._temperature).softmax(-1)
        return int(torch.multinomial(chances, 1, generator=self._generator))


class TextStream:
    """Tokens to text piece by piece. The pieces joined are the text of all tokens.

    Characters can span tokens and a token's text can depend on the one before, so a piece is what two readings of
    the last few tokens differ by, held back while it ends inside a character.
    """

    def __init__(self, text: Callable[[Sequence[int]], str]):
        self._text = text
        self._ids: list[int] = []
        self._told = 0

    def add(self, token: int) -> str:
        """What became readable with `token`; empty while a character is incomplete."""
        self._ids.append(token)
        told, whole = self._text(self._ids[: self._told]), self._text(self._ids)
        if len(whole) <= len(told) or whole.endswith("�"):
            return ""
        del self._ids[: self._told]
        self._told = len(self._ids)
        return whole[len(told) :]

    def finish(self) -> str:
        """What was held back: the answer ended inside a character."""
        piece = self._text(self._ids)[len(self._text(self._ids[: self._told])) :]
        self._told = len(self._ids)
        return piece


def decode(
    first: int,
    append: Callable[[int], Tensor],
    pick: Callable[[Tensor], int],
    *,
    stop: frozenset[int],
    limit: int,
    on_token: Callable[[int], None] | None = None,
) -> Decoded:
    """Tokens from `first` on until one of `stop` or `limit` of them.

    append: adds a chosen token to the cache and returns the next logits [vocab]; the last token is never appended,
    so the cache grows by at most `limit - 1` rows. pick: chooses a token from logits.
    """
    ids: list[int] = []
    token = first
    while token not in stop:
        ids.append(token)
        if on_token is not None:
            on_token(token)
        if len(ids) == limit:
            return Decoded(tuple(ids), "length")
        token = pick(append(token))
    return Decoded(tuple(ids), "stop")


def posterior(logits: Tensor, labels: Sequence[str], ids: Sequence[int]) -> dict[str, float]:
    """Label -> probability, by a softmax over the label tokens alone at the answer's first position."""
    values = logits.double().cpu()[list(ids)]
    if not bool(torch.isfinite(values).all()):
        raise NumbersError("the model's scores of the labels")
    return dict(zip(labels, values.softmax(-1).tolist(), strict=True))
