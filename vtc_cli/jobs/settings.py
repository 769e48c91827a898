"""Everything that decides an answer, in one frozen object, with how each value is read and what it means.

The fields are the keys of the configuration files, of `VTC_*` variables and of the flags: one table,
so that no place can know an option the others do not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import Field, asdict, dataclass, field, fields
from typing import Any

from vtc_cli.errors import UsageError
from vtc_cli.jobs.amounts import Budget, parse_budget
from vtc_cli.models.spread import KINDS, parse_limits
from vtc_cli.video.sampling import HIGHEST_FPS
from vtc_cli.video.timecode import parse_time

Parse = Callable[[object], Any]


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("expected text")
    return value.strip()


def _prompt(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("expected text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("it is not UTF-8 text") from None
    return value


def parse_flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in {"1", "true", "yes", "on"}:
        return True
    if word in {"0", "false", "no", "off"}:
        return False
    raise ValueError("expected true or false")


def _integer(least: int, most: int = 2**53) -> Parse:
    # Above 2^53 a number is a slip of the finger, and no longer exact everywhere it goes (JSON, TOML, C).
    def parse(value: object) -> int:
        try:
            if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
                raise ValueError
            number = int(str(value).strip().replace("_", "").replace(",", "")) if isinstance(value, str) else int(value)  # type: ignore[call-overload]
        except (TypeError, ValueError, OverflowError):
            raise ValueError("expected a whole number") from None
        if number < least:
            raise ValueError(f"must be at least {least}")
        if number > most:
            raise ValueError(f"must be at most {most}")
        return int(number)

    return parse


def _number(least: float, most: float, *, above: bool = False) -> Parse:
    def parse(value: object) -> float:
        try:
            if isinstance(value, bool):
                raise ValueError
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            raise ValueError("expected a number") from None
        if not math.isfinite(number):
            raise ValueError("expected a finite number")
        if number < least or (above and number == least):
            raise ValueError(f"must be {'above' if above else 'at least'} {least:g}")
        if number > most:
            raise ValueError(f"must be at most {most:,.0f}")
        return number

    return parse


def _time(value: object) -> float:
    if isinstance(value, bool):
        raise ValueError("expected a time")
    try:
        seconds = parse_time(str(value))
    except UsageError as error:
        raise ValueError(". ".join(part for part in (error.message, error.hint) if part).rstrip(".")) from None
    if not math.isfinite(seconds):
        raise ValueError("longer than any video")
    return seconds


def _map(value: object) -> str:
    if _text(value) not in KINDS:
        raise ValueError(f"expected {', '.join(KINDS)}")
    return _text(value)


def _places(value: object) -> str:
    parse_limits(_text(value))
    return _text(value)


def _methods(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.split()
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) and item.strip() for item in value):
        raise ValueError("expected names like uniform:retain=1/4")
    return tuple(item.strip() for item in value)


def _setting(default: Any, parse: Parse, text: str) -> Any:
    return field(default=default, metadata={"parse": parse, "help": text})


@dataclass(frozen=True)
class Settings:
    """What to do with a video. Defaults here are the defaults of the command line.

    given: the names of those that someone has set (flag, variable or file): that is asked for, default or not.
    """

    model: str = _setting("auto", _text, "Hub id, local folder, `tiny`, or `auto`")
    revision: str | None = _setting(None, _text, "branch, tag or commit of the model on the Hub")
    device: str = _setting("auto", _text, "auto, cpu, cuda, cuda:1 or mps")
    dtype: str = _setting("auto", _text, "auto, float32, bfloat16 or float16")
    attention: str = _setting("auto", _text, "attention kernel: auto, sdpa, eager, flash_attention_2")
    quantize: str | None = _setting(None, _text, "weights in fewer bits: int8 or int4")
    adapter: str | None = _setting(None, _text, "LoRA adapter: folder or Hub id")
    device_map: str | None = _setting(None, _map, "auto: weights over all GPUs, memory and disk")
    max_memory: str | None = _setting(None, _places, "weights in each place: 20GB, or cuda:0=20GB,cpu=64GB")
    compile: bool = _setting(False, parse_flag, "compile the MLPs of the model first")
    trust_remote_code: bool = _setting(False, parse_flag, "run code that comes with the model")
    method: tuple[str, ...] = _setting((), _methods, "compression methods, NAME[:key=value,...]")
    reader: str = _setting("auto", _text, "video reader: auto, pyav, decord, torchcodec, frames, opencv")
    fps: float = _setting(1.0, _number(0, HIGHEST_FPS, above=True), "frames watched per second of video")
    max_frames: int | None = _setting(None, _integer(1), "at most this many frames, spread over the video")
    start: float = _setting(0.0, _time, "begin here: seconds, MM:SS or HH:MM:SS")
    end: float | None = _setting(None, _time, "stop here")
    at: float | None = _setting(None, _time, "answer from memory as of this moment")
    subs: str | None = _setting(None, _text, "file of subtitles that go with the video")
    pixels: int | None = _setting(None, _integer(1), "pixel budget of one frame")
    budget: Budget | None = _setting(
        None, parse_budget, "what the cache may hold: tokens (8192) or bytes (512MB); sizes a pruner that has no size"
    )
    chunk: int | None = _setting(None, _integer(1), "units prefilled per forward")
    system: str | None = _setting(None, _prompt, "system prompt")
    temperature: float = _setting(0.0, _number(0, 1e6), "0 is greedy")
    seed: int = _setting(0, _integer(0), "seed of sampling and of random methods")
    max_new_tokens: int = _setting(256, _integer(1), "length limit of an answer")
    given: frozenset[str] = field(default=frozenset(), compare=False, repr=False)

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Settings:
        """Settings from parsed values; absent keys keep their defaults."""
        return cls(**{name: value for name, value in values.items() if name in SETTING_FIELDS})  # type: ignore[arg-type]

    def as_dict(self) -> dict[str, object]:
        """Plain values, for records and for printing."""
        plain = asdict(self)
        del plain["given"]  # who decided a value changes nothing about the answer
        plain["budget"] = None if self.budget is None else str(self.budget)
        plain["method"] = list(self.method)
        return plain


SETTING_FIELDS: dict[str, Field[Any]] = {item.name: item for item in fields(Settings) if item.metadata}
