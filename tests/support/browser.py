"""A headless Chromium, where one is installed: what a page becomes when it is opened from disk."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium() -> str | None:
    """The program, None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def scriptable(page: Path) -> Path:
    """The same page, which allows no script of its own, opened to those of a test."""
    text = page.read_text(encoding="utf-8").replace("default-src 'none';", "script-src 'unsafe-inline';")
    page.write_text(text, encoding="utf-8")
    return page


def opened(page: Path, folder: Path, script: str = "") -> tuple[str, list[str]]:
    """(the document after `script` ran at its end, what was written to the console).

    Every host is unreachable, so that a request would fail and be told on the console.
    """
    program = chromium()
    assert program is not None, "ask chromium() first"
    copy = page.with_name("opened.html")
    copy.write_text(page.read_text(encoding="utf-8").replace("</body>", f"<script>{script}</script></body>"), "utf-8")
    done = subprocess.run(
        [
            program, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}",
            "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--dump-dom", copy.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout, re.findall(r"CONSOLE[^\]]*\] (.*)", done.stderr)
