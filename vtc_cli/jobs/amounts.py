"""Amounts as people write them: sizes and cache budgets."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vtc_cli.methods.options import Bytes

MOST_TOKENS, MOST_BYTES = 2**40, 2**60  # beyond any machine; larger sizes overflow an allocator's arithmetic
_UNITS = {
    "b": 1,
    "k": 10**3, "kb": 10**3, "m": 10**6, "mb": 10**6, "g": 10**9, "gb": 10**9,
    "t": 10**12, "tb": 10**12, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
}  # fmt: skip


@dataclass(frozen=True)
class Budget:
    """How much the cache may hold, in one of two units; the other is None.

    tokens: entries per layer after the pinned prefix. bytes: keys and values of all layers together.
    """

    tokens: int | None = None
    bytes: int | None = None

    def __str__(self) -> str:
        return f"{self.tokens}" if self.bytes is None else f"{self.bytes}B"

    @property
    def amount(self) -> int:
        """As the engine takes it: a count of entries, or `Bytes`."""
        return Bytes(self.bytes) if self.tokens is None and self.bytes is not None else int(self.tokens or 0)


def parse_budget(value: object) -> Budget:
    """`8192` is tokens; `512MB`, `2GiB`, `900kB` are bytes. Raises ValueError otherwise."""
    if isinstance(value, Budget):
        return value
    if isinstance(value, bool):
        raise ValueError("expected tokens (8192) or bytes (512MB)")
    text = str(value).strip().replace("_", "").replace(",", "")
    if re.fullmatch(r"\d+", text):
        if int(text) < 1:
            raise ValueError("must be at least 1 token")
        if int(text) > MOST_TOKENS:
            raise ValueError(f"must be at most {MOST_TOKENS} tokens")
        return Budget(tokens=int(text))
    return Budget(bytes=parse_bytes(text))


def parse_bytes(value: object) -> int:
    """`512MB` (10^6), `2GiB` (2^30), `4096B`. Raises ValueError otherwise."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]*)", str(value).strip())
    if match is None or match[2].lower() not in _UNITS:
        raise ValueError(f"expected a number of tokens, or a size like 512MB or 2GiB, got {value!r}")
    amount = int(float(match[1]) * _UNITS[match[2].lower()])
    if amount < 1:
        raise ValueError("must be at least 1 byte")
    if amount > MOST_BYTES:
        raise ValueError(f"must be at most {MOST_BYTES} bytes")
    return amount


def parse_length(value: object) -> float:
    """Seconds of a length of video: `60`, `90s`, `10m`, `1h`, `MM:SS`, `HH:MM:SS`. Raises ValueError otherwise."""
    from vtc_cli.errors import UsageError
    from vtc_cli.video import parse_time

    text = str(value).strip().lower()
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh])(?:in|ours?|ec)?", text)
    if match is not None:
        return float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]
    try:
        return parse_time(text)
    except UsageError:
        raise ValueError(f"expected a length like 60, 10m, 1h or 1:30:00, got {value!r}") from None


def parse_aspect(value: object) -> float:
    """Width over height: `16:9`, `16/9` or `1.78`. Raises ValueError otherwise."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(?:[:/x](\d+(?:\.\d+)?))?", str(value).strip())
    if match is None or not float(match[1]) or not float(match[2] or 1):
        raise ValueError(f"expected a shape of pictures like 16:9, 1:1 or 1.78, got {value!r}")
    return float(match[1]) / float(match[2] or 1)
