"""What a terminal showed, as an SVG picture for the documentation."""

from __future__ import annotations

import inspect
import io
import re
from typing import TYPE_CHECKING, Any

from vtc_cli.errors import MachineError

if TYPE_CHECKING:
    from rich.text import Text

CELL = 12.2  # width of a character in rich's layout, units of the picture
_TALLEST = 2000  # lines of scroll-back a picture may have
_COLOURS = {"brown": "yellow"}  # pyte's name for colour 3


def picture(transcript: bytes, columns: int = 100, title: str = "vtc") -> str:
    """SVG of the screen after `transcript`, the bytes a program wrote to a terminal `columns` wide.

    Cursor movements are obeyed, so a progress bar appears as it stood last. The file refers to nothing outside it and
    is the same for the same bytes. Raises MachineError without the library `pyte` (in the `dev` extra).
    """
    from rich.console import Console
    from rich.terminal_theme import DIMMED_MONOKAI

    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for line in screen(transcript, columns):
        console.print(line, no_wrap=True, overflow="crop", crop=True)
    usual = inspect.signature(Console.export_svg).parameters["code_format"].default
    layout = re.sub(r"@font-face \{\{.*?\}\}", "", usual, flags=re.DOTALL)  # they load fonts from the web
    drawn = console.export_svg(title=title, theme=DIMMED_MONOKAI, code_format=layout, unique_id="terminal")
    return re.sub(r'x="([\d.]+)"( y="[\d.]+") textLength="([\d.]+)"([^>]*>)((?:&#160;)+)', _indent, drawn)


def _indent(match: re.Match[str]) -> str:
    """Blanks before a text as a shift of its place: some programs that draw SVG drop them."""
    x, y, length, rest, blanks = match.groups()
    shift = CELL * blanks.count("&")
    return f'x="{float(x) + shift:g}"{y} textLength="{max(float(length) - shift, 0):g}"{rest}'


def screen(transcript: bytes, columns: int) -> list[Text]:
    """The lines on the screen after `transcript`, with their styles, blank ones at the end left out."""
    try:
        import pyte
    except ImportError:
        raise MachineError("drawing a terminal needs the library pyte", "pip install pyte") from None
    display = pyte.Screen(columns, _TALLEST)
    pyte.ByteStream(display).feed(transcript)
    used = max(display.buffer, default=-1) + 1
    lines = [_line([display.buffer[row][column] for column in range(columns)]) for row in range(used)]
    while lines and not lines[-1].plain:
        lines.pop()
    return lines


def _line(cells: list[Any]) -> Text:
    from rich.text import Text

    text = Text()
    for cell in cells:
        text.append(cell.data, _style(cell))  # the right half of a wide character is an empty string
    text.rstrip()
    return text


def _style(cell: Any) -> Any:
    from rich.style import Style

    return Style(
        color=_colour(cell.fg),
        bgcolor=_colour(cell.bg),
        bold=cell.bold or None,
        italic=cell.italics or None,
        underline=cell.underscore or None,
        reverse=cell.reverse or None,
        strike=cell.strikethrough or None,
    )


def _colour(name: str) -> str | None:
    """pyte's name of a colour as rich's: `default`, `red`, `brightred`, or six hex digits."""
    if name == "default":
        return None
    if re.fullmatch(r"[0-9a-f]{6}", name):
        return f"#{name}"
    name = name.replace("bfight", "bright")  # one of pyte 0.8's names is misspelt
    bright, plain = ("bright_", name.removeprefix("bright")) if name.startswith("bright") else ("", name)
    return bright + _COLOURS.get(plain, plain)
