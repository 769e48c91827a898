"""Where memories live: a folder per video under one home, found by what the video holds, never by its name."""

from __future__ import annotations

import os
from pathlib import Path

from vtc_cli.errors import UsageError, VtcError
from vtc_cli.video.frame import ClipInfo
from vtc_cli.video.source import locate

FILE = "index.sqlite"


def home() -> Path:
    """`VTC_HOME`, else the user's data folder."""
    if named := os.environ.get("VTC_HOME"):
        return Path(named).expanduser()
    from platformdirs import user_data_path

    return user_data_path("vtc", appauthor=False)


def fingerprint(info: ClipInfo) -> str:
    """The name of a video's memory: 32 hex digits of its content's digest.

    A renamed or moved file keeps it; a changed byte among those looked at makes another video of it.
    Raises UsageError for a source that cannot be recognised again.
    """
    if info.digest is None:
        raise UsageError(
            f"{info.source} cannot be recognised when it comes again, so no memory of it can be kept",
            "save it to a file first",
        )
    kind, _, digits = info.digest.partition(":")
    return ("s" if kind.endswith("sampled") else "w") + digits[:31]


def path_of(info: ClipInfo) -> Path:
    """The file of a video's memory, which need not exist. Raises UsageError as `fingerprint`."""
    return home() / fingerprint(info) / FILE


def lasting(source: str) -> str:
    """A source as it is found again from any folder: local files and folders by their whole path, others as they are.

    So is what cannot be found now: a clip that is open may have any name.
    """
    try:
        found = locate(source)
    except VtcError:
        return source
    if found.kind not in ("file", "folder"):
        return source
    whole = str(Path(found.target).absolute())
    try:
        whole.encode()
    except UnicodeEncodeError:  # some folder above has a name that is no text, which no memory can hold
        return source
    return whole if found.rate is None else f"{whole}?fps={found.rate}"
