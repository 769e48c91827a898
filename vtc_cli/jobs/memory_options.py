"""One option of the memory that a run uses, set by a flag of its own."""

from __future__ import annotations

from dataclasses import replace

from vtc_cli.errors import UsageError
from vtc_cli.jobs.settings import Settings
from vtc_cli.jobs.setup import DEFAULT_MEMORY
from vtc_cli.methods.registry import choose, split


def with_option(settings: Settings, name: str, value: str) -> Settings:
    """The same settings with `name=value` among the options of the memory, the default one where none is chosen.

    Raises UsageError where the option is given already, and for a value that no option can have.
    """
    if "," in value or not value.strip():
        raise UsageError(f"--{name} {value!r} cannot be an option's value", "rename the folder: it holds a comma")
    specs = [spec.strip() for spec in settings.method]
    place = next((at for at, spec in enumerate(specs) if spec != "none" and choose(spec).stage == "memory"), None)
    if place is None:
        return replace(settings, method=(*settings.method, f"{DEFAULT_MEMORY}:{name}={value}"))
    method, given = split(specs[place])
    if name in given and given[name] != value:
        raise UsageError(f"--{name} {value} and --method {specs[place]} exclude each other", "give one of them")
    words = ",".join(f"{key}={what}" for key, what in {**given, name: value}.items())
    return replace(settings, method=(*specs[:place], f"{method}:{words}", *specs[place + 1 :]))
