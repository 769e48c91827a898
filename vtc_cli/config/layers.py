"""The layers a value can come from, merged with its origin kept: flags > VTC_* > ./vtc.toml > user file > default."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from vtc_cli.errors import UsageError
from vtc_cli.jobs.settings import SETTING_FIELDS, Settings, parse_flag

PROJECT_FILE = "vtc.toml"
_FLAG, _VARIABLE = "flag", "variable"
_DEFAULT, _RECORD = "default", "the record"


@dataclass(frozen=True)
class Key:
    """One thing that can be configured. name: as in a Python field, `max_frames`; files write it `max-frames`."""

    name: str
    default: Any
    parse: Callable[[object], Any]
    help: str

    @property
    def written(self) -> str:
        return self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return f"VTC_{self.name.upper()}"


@dataclass(frozen=True)
class Value:
    """An effective value and the place that decided it: a flag, a variable, a file, or `default`."""

    key: Key
    value: Any
    origin: str


def keys() -> dict[str, Key]:
    """Every configurable key: the settings of a run, then what the terminal shows."""
    table = {
        name: Key(name, item.default, item.metadata["parse"], item.metadata["help"])
        for name, item in SETTING_FIELDS.items()
    }
    table["report"] = Key("report", None, parse_flag, "print the report after the answers (default: on a terminal)")
    table["quiet"] = Key("quiet", False, parse_flag, "print nothing on stderr but errors")
    return table


def user_file(environ: Mapping[str, str] | None = None) -> Path:
    """The user's own file; `VTC_CONFIG` names another one."""
    environ = os.environ if environ is None else environ
    if named := environ.get("VTC_CONFIG"):
        return Path(named)
    from platformdirs import user_config_path

    return user_config_path("vtc", appauthor=False) / "config.toml"


def effective(
    flags: Mapping[str, object],
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    recorded: Mapping[str, object] | None = None,
    named: Path | None = None,
) -> dict[str, Value]:
    """The value of every key and its origin.

    flags: field name -> what was typed, None where the flag was not given. recorded: the settings of a run that is
    to be repeated; only flags win over them. named: a settings file that was asked for by name, which wins over
    variables and the usual files. Raises UsageError naming the place when a value cannot be read, a file is not TOML or
    not there though it was named, or a key is unknown.
    """
    environ = os.environ if environ is None else environ
    table = keys()
    user = user_file(environ)
    layers: list[tuple[Mapping[str, object], str]] = [
        (_given(flags), _FLAG),
        (recorded or {}, _RECORD),
        (_named(named, table), str(named)),
        (_variables(environ, table), _VARIABLE),
        (read_file((folder or Path()) / PROJECT_FILE, f"./{PROJECT_FILE}", table), f"./{PROJECT_FILE}"),
        (read_file(user, str(user), table), str(user)),
    ]
    values = {}
    for name, key in table.items():
        values[name] = Value(key, key.default, _DEFAULT)
        for layer, place in layers:
            if name in layer and layer[name] is None:
                break  # a record says that it was not set, whatever the files say now
            if name in layer:
                origin = {_FLAG: f"--{key.written}", _VARIABLE: key.variable}.get(place, place)
                values[name] = Value(key, _parse(key, layer[name], origin), origin)
                break
    return values


def settings(values: Mapping[str, Value]) -> Settings:
    """The part of the effective values that decides an answer."""
    # A record holds every setting of its run: that one is in it does not say that anyone asked for it.
    given = frozenset(name for name, value in values.items() if value.origin not in (_DEFAULT, _RECORD))
    return replace(Settings.of({name: value.value for name, value in values.items()}), given=given)


def read_file(path: Path, shown: str, table: Mapping[str, Key]) -> dict[str, object]:
    """The keys of one TOML file, empty when it does not exist. `max_frames` and `max-frames` are the same key."""
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{shown} is not valid TOML: {error}", "fix the file, or move it away") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{shown} cannot be read: {error}", "fix the file, or move it away") from None
    found = {}
    for written, value in content.items():
        name = written.replace("-", "_")
        if name not in table:
            close = get_close_matches(written, [key.written for key in table.values()], n=1)
            hint = f"did you mean {close[0]!r}?" if close else "`vtc config` lists every key"
            raise UsageError(f"unknown key {written!r} in {shown}", hint)
        found[name] = value
    return found


def _named(path: Path | None, table: Mapping[str, Key]) -> dict[str, object]:
    if path is None:
        return {}
    if not path.is_file():
        raise UsageError(f"there is no settings file {path}", "`vtc tune` writes one; `vtc config` lists every key")
    return read_file(path, str(path), table)


def _given(flags: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in flags.items() if value is not None and value != []}


def _variables(environ: Mapping[str, str], table: Mapping[str, Key]) -> dict[str, object]:
    # An empty variable means "not set", as usual for shells that cannot unset one for a single command.
    return {name: environ[key.variable] for name, key in table.items() if environ.get(key.variable)}


def _parse(key: Key, value: object, origin: str) -> Any:
    try:
        return key.parse(value)
    except ValueError as error:
        where = f"{origin} {value}" if origin.startswith("--") else f"{key.written} = {value!r} in {origin}"
        if origin == key.variable:
            where = f"{origin}={value}"
        raise UsageError(f"{where}: {error}", f"{key.written}: {key.help}") from None
