"""A method's options are its dataclass fields: reading them from text, describing them, writing them back.

`retain=2/9,seed=3` becomes keyword arguments, each read by the type of its field. What a value may be is said in the
error, so that a user never has to open the source.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import math
import re
import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from typing import Any, Literal

from vtc_cli.errors import UsageError
from vtc_cli.methods.stages import Method

_BYTES = {
    "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30,
}  # fmt: skip
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


_ENTRY = re.compile(r"^(\w+): (.+(?:\n(?!\w+: |\n).+)*)", re.MULTILINE)
"""`name: what it means` in a docstring, over as many lines as it takes."""


class Bytes(int):
    """An amount given in bytes where a count of entries could stand too (`budget=512MB`)."""


@dataclass(frozen=True)
class Option:
    """One option of a method. type: what may be written; default: as it would be written, None if required."""

    name: str
    type: str
    default: str | None
    help: str


def describe(cls: type[Method]) -> list[Option]:
    """The options of a method class, in order, with what its docstrings say about each."""
    told = _documented(cls)
    return [
        Option(
            name=field.name,
            type=_allowed(_annotation(cls, field), field),
            default=_written(_default(field)) if _has_default(field) else None,
            help=told.get(field.name, ""),
        )
        for field in _options(cls)
    ]


def explain(cls: type[Method]) -> list[str]:
    """The paragraphs of its docstring, each on one line, without what they say about single options."""
    names = {field.name for field in _options(cls)}
    text = inspect.cleandoc(cls.__doc__ or "")
    rest = _ENTRY.sub(lambda entry: "" if entry[1] in names else entry[0], text)
    return [" ".join(part.split()) for part in rest.split("\n\n") if part.strip()]


def build(cls: type[Method], text: Mapping[str, str], name: str) -> Method:
    """An instance of `cls` with options given as text. name: what the user calls it, for errors.

    Raises UsageError on an unknown option (with the closest one), an impossible value (with what is allowed), or a
    combination the method itself refuses.
    """
    fields = {field.name: field for field in _options(cls)}
    given: dict[str, Any] = {}
    for key, value in text.items():
        if key not in fields:
            raise _unknown_option(key, list(fields), name)
        try:
            given[key] = read(value, _annotation(cls, fields[key]), bool(fields[key].metadata.get("bytes")))
        except ValueError as error:
            allowed = _allowed(_annotation(cls, fields[key]), fields[key])
            raise UsageError(f"method `{name}`: {key}={value}: {error}", f"allowed for {key}: {allowed}") from None
    missing = [key for key, field in fields.items() if not _has_default(field) and key not in given]
    if missing:
        raise UsageError(f"method `{name}` needs {', '.join(missing)}", f"try `{name}:{missing[0]}=...`")
    try:
        return cls(**given)
    except (ValueError, TypeError) as error:
        raise UsageError(f"method `{name}`: {error}", f"its options are listed by `vtc methods {name}`") from error


def values(method: Method) -> dict[str, Any]:
    """The options of an instance as plain values, for records."""
    return {field.name: getattr(method, field.name) for field in _options(type(method))}


def read(text: str, kind: Any, counts_bytes: bool = False) -> Any:
    """One value from text by its type: int, float (also `2/9`, `25%`), bool, str, Literal, tuple (`9+18`), Optional.

    Raises ValueError saying what is wrong.
    """
    text = text.strip()
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if type(None) in parts and text.lower() in {"none", ""}:
            return None
        problems = []
        for part in (part for part in parts if part is not type(None)):
            try:
                return read(text, part, counts_bytes)
            except ValueError as error:
                problems.append(str(error))
        raise ValueError(" or ".join(problems))
    if origin is Literal:
        for choice in parts:
            if text == str(choice):
                return choice
        close = difflib.get_close_matches(text, [str(part) for part in parts], 1)
        raise ValueError("not one of the choices" + (f", did you mean {close[0]}?" if close else ""))
    if origin is tuple:
        return tuple(read(item, parts[0]) for item in text.split("+"))
    if kind is bool:
        return _read_bool(text)
    if kind is int:
        return _read_int(text, counts_bytes)
    if kind is float:
        return _read_float(text)
    if kind is str:
        return text
    raise ValueError(f"options of type {_name(kind)} cannot be written on the command line")


def _read_bool(text: str) -> bool:
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise ValueError("not true or false")


def _read_int(text: str, counts_bytes: bool) -> int:
    plain = text.replace("_", "")
    if re.fullmatch(r"[+-]?\d+", plain):
        return int(plain)
    amount = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]?i?b)", plain.lower())
    if counts_bytes and amount and amount[2] in _BYTES:
        return Bytes(float(amount[1]) * _BYTES[amount[2]])
    raise ValueError("not a whole number" + (" or an amount of bytes" if counts_bytes else ""))


def _read_float(text: str) -> float:
    try:
        if text.endswith("%"):
            number = float(text[:-1]) / 100
        elif "/" in text:
            above, below = text.split("/")
            number = float(above) / float(below)
        else:
            number = float(text)
    except (ValueError, ZeroDivisionError):
        raise ValueError("not a number, fraction or percentage") from None
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number


def _options(cls: type[Method]) -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(cls) if field.init]


def _annotation(cls: type[Method], field: dataclasses.Field[Any]) -> Any:
    """The field's type, resolved where it was written: only fields that are options need to resolve."""
    if not isinstance(field.type, str):
        return field.type
    for owner in cls.__mro__:
        if field.name in inspect.get_annotations(owner):
            scope = vars(sys.modules[owner.__module__])
            try:
                return eval(field.type, dict(scope), dict(vars(owner)))
            except Exception as error:
                raise TypeError(f"{owner.__qualname__}.{field.name}: cannot resolve `{field.type}`: {error}") from error
    raise TypeError(f"{cls.__qualname__}.{field.name} has no annotation")


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not MISSING:
        return field.default
    return field.default_factory() if callable(field.default_factory) else None


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "+".join(_written(item) for item in value)
    return "none" if value is None else str(value)


def _allowed(kind: Any, field: dataclasses.Field[Any]) -> str:
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        named = [_allowed(part, field) for part in parts if part is not type(None)]
        return " or ".join(named + (["none"] if type(None) in parts else []))
    if origin is Literal:
        return " or ".join(str(part) for part in parts)
    if origin is tuple:
        return f"{_allowed(parts[0], field)}, several joined by +"
    if kind is int and field.metadata.get("bytes"):
        return "whole number, or bytes like 512MB"
    return {int: "whole number", float: "number, fraction (2/9) or percentage", bool: "true or false", str: "text"}.get(
        kind, _name(kind)
    )


def _name(kind: Any) -> str:
    return getattr(kind, "__name__", str(kind))


def _unknown_option(key: str, known: list[str], name: str) -> UsageError:
    if not known:
        return UsageError(f"method `{name}` has no options, so not `{key}`", f"write just `{name}`")
    close = difflib.get_close_matches(key, known, 1)
    hint = f"did you mean `{close[0]}`?" if close else f"its options: {', '.join(known)}"
    return UsageError(f"method `{name}` has no option `{key}`", hint)


def _documented(cls: type[Method]) -> dict[str, str]:
    """`name: what it means` paragraphs of the docstrings, the most derived class winning."""
    told: dict[str, str] = {}
    for owner in reversed(cls.__mro__):
        text = inspect.cleandoc(owner.__doc__ or "") if "__doc__" in owner.__dict__ else ""
        for entry in _ENTRY.finditer(text):
            told[entry[1]] = " ".join(entry[2].split())
    return told
