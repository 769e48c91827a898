"""SI figures as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PREFIXES = (("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3))


def clock(seconds: float) -> str:
    """Video time as HH:MM:SS, rounded down: `01:02:03`."""
    whole = int(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def duration(seconds: float) -> str:
    """A span of time: `84 ms`, `2.90 s`, `58.1 s`, `2 min 52 s`, `1 h 4 min`."""
    if seconds >= 3600:
        minutes = round(seconds / 60)
        return f"{minutes // 60} h {minutes % 60} min"
    if seconds >= 99.95:
        whole = round(seconds)
        return f"{whole // 60} min {whole % 60} s"
    if seconds < 0.0995:
        return "0 s" if seconds == 0 else f"{seconds * 1e3:.2g} ms"
    return f"{seconds:.1f} s" if seconds >= 9.995 else f"{seconds:.2f} s"


def length(seconds: float) -> str:
    """How long a video is: as `clock`, but less than a second is not nothing: `0.10 s`."""
    return f"{seconds:.2f} s" if 0 < seconds < 1 else clock(seconds)


def size(amount: float) -> str:
    """Bytes in decimal units: `302 MB`, `1.21 GB`."""
    return _scaled(amount, "B")


def operations(amount: float) -> str:
    """Floating-point operations: `812 GFLOP`, `2.32 PFLOP`."""
    return _scaled(amount, "FLOP")


def count(amount: int) -> str:
    """`460,800`."""
    return f"{amount:,}"


def method_text(stage: str, name: str, options: Mapping[str, Any]) -> str:
    """A method as it runs: its stage, its name, and the options that take part; a third with four digits."""
    taking = {option: value for option, value in options.items() if value is not None}
    shown = ", ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in taking.items()
    )
    return f"{stage} {name}" + (f" ({shown})" if shown else "")


def split_text(split: Mapping[str, Any]) -> str:
    """How one budget is spent: `60 of 240 tokens per unit, room for 113 units (so that all 90 units stay)`."""
    room = f"room for {split['length']:,} unit{'s' if split['length'] != 1 else ''}"
    return f"{split['kept']:,} of {split['tokens']:,} tokens per unit, {room} ({split['reason']})"


def _scaled(amount: float, unit: str) -> str:
    for prefix, factor in _PREFIXES:
        if abs(amount) >= factor * 0.9995:  # 999.6 kB reads as 1 MB, not as 1e+03 kB
            return f"{_three_digits(amount / factor)} {prefix}{unit}"
    return f"{amount:.0f} {unit}"


def _three_digits(value: float) -> str:
    digits = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    return f"{value:,.{digits}f}"
