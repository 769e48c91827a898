"""The registered methods by stage, as parameters: a method is covered by being registered."""

from __future__ import annotations

from typing import TypeVar

import pytest

from vtc_cli.errors import UsageError
from vtc_cli.methods import available
from vtc_cli.methods.registry import Listing
from vtc_cli.methods.stages import Method

Kind = TypeVar("Kind", bound=Method)


def listings() -> list[Listing]:
    return available()


def of_stage(stage: type[Method]) -> list[object]:
    """One test parameter per method of a stage that can be made without options."""
    found = []
    for listing in available():
        try:
            cls = listing.load()
        except UsageError:
            continue  # reported by test_every_method_loads
        if issubclass(cls, stage):
            found.append(pytest.param(cls, id=listing.name))
    return found
