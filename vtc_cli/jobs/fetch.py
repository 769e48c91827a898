"""Fetching a model on purpose, with the Hub client's own progress."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vtc_cli.models.pull import Pulled


def fetch(name: str, revision: str | None = None, *, force: bool = False, quiet: bool = False) -> Pulled:
    """Fetch and verify a Hub model whose architecture runs. quiet: no progress bars. Raises VtcError; see `pull`."""
    from vtc_cli.models.pull import pull
    from vtc_cli.models.recognise import family_of

    with _bars(shown=not quiet):
        return pull(name, revision, lambda config: family_of(config, name), force=force)


@contextmanager
def _bars(shown: bool) -> Iterator[None]:
    """The Hub client's bars, which it shows on a terminal only; off within the block where not `shown`."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    before = are_progress_bars_disabled()
    if not shown:
        disable_progress_bars()
    try:
        yield
    finally:
        if not shown and not before:
            enable_progress_bars()
