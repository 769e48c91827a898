"""Which methods there are: discovery by entry point, one path for built-ins and strangers alike.

Discovery reads package metadata only; a plugin is imported when it is chosen (or checked), never to be listed. A
broken plugin is therefore an error only for the one who asks for it.

`VTC_PLUGINS` restricts what is seen: a comma-separated list of distributions or method names; empty means none.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from vtc_cli.errors import UsageError
from vtc_cli.methods import options
from vtc_cli.methods.glance import Glance, glance
from vtc_cli.methods.stages import API, CachePolicy, FrameSampler, LayerPolicy, Method, TokenPruner, VideoMemory

Kind = TypeVar("Kind", bound=Method)

GROUP = "vtc.methods"
STAGES: dict[str, type[Method]] = {
    base.stage: base for base in (FrameSampler, TokenPruner, LayerPolicy, CachePolicy, VideoMemory)
}


@dataclass(frozen=True)
class Listing:
    """One method as its distribution announces it. entry: `package.module:Class`; clash: distributions that
    offer the same name, this one included, when there are several."""

    name: str
    distribution: str
    version: str
    entry: str
    clash: tuple[str, ...] = ()

    def glance(self) -> Glance:
        """Its stage and summary, read from the source without importing it."""
        return glance(self.entry)

    def load(self) -> type[Method]:
        """Import the class. Raises UsageError when it fails, is no method, or was written for another contract."""
        who = f"method `{self.name}` of {self.distribution} {self.version}"
        try:
            cls = EntryPoint(self.name, self.entry, GROUP).load()
        except Exception as error:
            raise UsageError(
                f"{who} cannot be loaded: {type(error).__name__}: {error}",
                f"reinstall or remove {self.distribution}, or leave it out with VTC_PLUGINS",
            ) from error
        if not (isinstance(cls, type) and issubclass(cls, Method) and getattr(cls, "stage", None) in STAGES):
            raise UsageError(f"{who} is not a method: {self.entry} inherits none of the stage classes")
        if cls.api != API:
            raise UsageError(
                f"{who} was written for method interface {cls.api}, this vtc has {API}",
                f"install a version of {self.distribution} for this vtc",
            )
        return cls

    def problem(self) -> str | None:
        """Why it cannot be used, None when it loads. Imports the plugin."""
        try:
            self.load()
        except UsageError as error:
            return error.message
        return None


@dataclass(frozen=True)
class Chosen:
    """A method picked by name, ready to run. options: every option's value, as recorded. given: those that were
    written down, default or not."""

    name: str
    stage: str
    method: Method
    distribution: str
    version: str
    options: dict[str, Any]
    given: frozenset[str] = frozenset()


def available() -> list[Listing]:
    """Every method offered by an installed distribution and admitted by `VTC_PLUGINS`, by name."""
    found: dict[tuple[str, str], Listing] = {}
    told: dict[int, tuple[str, str]] = {}  # a distribution reads its metadata again each time it is asked
    for point in entry_points(group=GROUP):
        if id(point.dist) not in told:
            told[id(point.dist)] = (point.dist.name, point.dist.version) if point.dist else ("unknown", "0")
        distribution, version = told[id(point.dist)]
        found.setdefault((point.name, _plain(distribution)), Listing(point.name, distribution, version, point.value))
    admitted = [listing for listing in found.values() if _admitted(listing)]
    offered: dict[str, list[str]] = {}
    for listing in admitted:
        offered.setdefault(listing.name, []).append(listing.distribution)
    return sorted(
        (
            Listing(item.name, item.distribution, item.version, item.entry, clash)
            for item in admitted
            for clash in (tuple(sorted(offered[item.name])) if len(offered[item.name]) > 1 else (),)
        ),
        key=lambda item: (item.name, item.distribution),
    )


def find(name: str) -> Listing:
    """The method called `name` or `distribution:name`. Raises UsageError when there is none, or more than one."""
    distribution, _, short = name.rpartition(":")
    everything = available()
    matches = [item for item in everything if item.name == short and (not distribution or _same(item, distribution))]
    if len(matches) == 1:
        return matches[0]
    if matches:
        offers = " and ".join(item.distribution for item in matches)
        raise UsageError(f"method `{short}` is offered by {offers}", f"say which: `{matches[0].distribution}:{short}`")
    raise _unknown(name, short, everything)


def choose(spec: str) -> Chosen:
    """A method from `NAME[:key=value,...]` or `DISTRIBUTION:NAME[:key=value,...]`. Raises UsageError."""
    name, given = split(spec)
    listing = find(name)
    cls = listing.load()
    method = options.build(cls, given, listing.name)
    values = options.values(method)
    return Chosen(listing.name, cls.stage, method, listing.distribution, listing.version, values, frozenset(given))


def choose_all(specs: Sequence[str]) -> dict[str, Chosen]:
    """Methods by stage; `none` stands for no method. Raises UsageError when two fill the same stage."""
    chosen: dict[str, Chosen] = {}
    for spec in specs:
        if spec.strip() == "none":
            continue
        one = choose(spec)
        if one.stage in chosen:
            raise UsageError(
                f"methods `{chosen[one.stage].name}` and `{one.name}` both fill the stage `{one.stage}`",
                "give one method per stage",
            )
        chosen[one.stage] = one
    return chosen


def resolve(method: Kind | str | None, stage: type[Kind]) -> Kind | None:
    """A method of `stage` from an object or its text form; None and `none` stand for no method.

    Raises UsageError when it fills another stage.
    """
    if method is None or (isinstance(method, str) and method.strip() == "none"):
        return None
    found: Method = choose(method).method if isinstance(method, str) else method
    if not isinstance(found, stage):
        named = method if isinstance(method, str) else type(method).__name__
        filled = getattr(found, "stage", None)
        raise UsageError(f"`{named}` fills the stage `{filled}`, and a method for `{stage.stage}` is wanted here")
    return found


def split(spec: str) -> tuple[str, dict[str, str]]:
    """`dist:name:key=value,key=value` as (`dist:name`, options as text). Raises UsageError when it cannot be read."""
    words = spec.strip().split(":")
    name = [words.pop(0).strip()]
    if words and "=" not in words[0] and words[0].strip():
        name.append(words.pop(0).strip())
    given: dict[str, str] = {}
    for item in ":".join(words).split(",") if words else []:
        key, equals, value = item.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"cannot read `{item}` in method `{spec}`", "write NAME:key=value,key=value")
        if key.strip() in given:
            raise UsageError(f"method `{spec}` gives `{key.strip()}` twice")
        given[key.strip()] = value.strip()
    if not all(name):
        raise UsageError(f"method `{spec}` has no name", "write NAME or NAME:key=value")
    return ":".join(name), given


def _plain(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _same(listing: Listing, distribution: str) -> bool:
    return _plain(listing.distribution) == _plain(distribution)


def _admitted(listing: Listing) -> bool:
    allowed = os.environ.get("VTC_PLUGINS")
    if allowed is None:
        return True
    words = [word.strip() for word in allowed.split(",") if word.strip()]
    return any(word == listing.name or _same(listing, word) for word in words)


def _unknown(name: str, short: str, everything: list[Listing]) -> UsageError:
    known = sorted({item.name for item in everything})
    if not known:
        seen = os.environ.get("VTC_PLUGINS")
        reason = f"VTC_PLUGINS={seen!r} admits none" if seen is not None else "no distribution offers any"
        return UsageError(f"there is no method `{name}`: {reason}", "unset VTC_PLUGINS, or reinstall vtc-cli")
    close = difflib.get_close_matches(short, known, 1)
    hint = f"did you mean `{close[0]}`?" if close else f"there are: {', '.join(known)}"
    return UsageError(f"there is no method `{name}`", f"{hint} (all are listed by `vtc methods`)")
