"""Names offered by shell completion. Reads metadata only: nothing heavy may be imported while a user presses Tab."""

from __future__ import annotations


def complete_methods(incomplete: str) -> list[str]:
    """Names of the installed methods."""
    from vtc_cli.methods.registry import available

    names = sorted({listing.name for listing in available()})
    return [name for name in names if name.startswith(incomplete)]


def complete_models(incomplete: str) -> list[str]:
    """Names of the models known by name."""
    from vtc_cli.models.registry import names

    return [name for name in names() if name.startswith(incomplete)]


def complete_readers(incomplete: str) -> list[str]:
    """Names of the video readers."""
    from vtc_cli.video.open import READERS

    return [name for name in READERS if name.startswith(incomplete)]
