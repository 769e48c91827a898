"""A random checkpoint and short clips, as the command line's own tests have them."""

from tests.cli.conftest import checkpoint, command, footage, place, process, vtc  # noqa: F401 (fixtures)
