"""Every registered method, whatever its stage: it loads, explains itself, and can be written down."""

from __future__ import annotations

import json

import pytest

from tests.conformance.registered import listings
from vtc_cli.methods import choose, describe
from vtc_cli.methods.options import values
from vtc_cli.methods.registry import STAGES, Listing

every = pytest.mark.parametrize("listing", listings(), ids=lambda listing: f"{listing.distribution}:{listing.name}")


def test_the_built_in_methods_are_among_those_covered() -> None:
    """An empty list of methods would leave every test of this folder out, in silence."""
    assert {listing.name for listing in listings()} >= {"uniform", "random", "window", "uniform-cache"}


@every
def test_every_method_loads_and_says_what_it_does(listing: Listing) -> None:
    assert listing.problem() is None
    look, cls = listing.glance(), listing.load()
    assert look.problem is None
    assert cls.stage in STAGES
    assert look.stage in (cls.stage, None)
    assert cls.__doc__
    assert not cls.__doc__.startswith(cls.__name__ + "("), "a docstring of its own, not the dataclass signature"


@every
def test_every_option_is_described_and_reads_back(listing: Listing) -> None:
    for option in describe(listing.load()):
        assert option.help, f"{listing.name}: option {option.name} is not described in a docstring"
        assert option.type
        if option.default is not None:
            key, spec = option.name, f"{listing.distribution}:{listing.name}:{option.name}={option.default}"
            default = choose(f"{listing.distribution}:{listing.name}").options[key]
            assert choose(spec).options[key] == default
    json.dumps(choose(f"{listing.distribution}:{listing.name}").options)


@every
def test_reset_makes_an_instance_like_new(listing: Listing) -> None:
    chosen = choose(f"{listing.distribution}:{listing.name}")
    chosen.method.reset()
    assert values(chosen.method) == chosen.options
