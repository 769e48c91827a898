"""A frame with its tokens: kept ones clear and framed by kind, the others dimmed; attention as heat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vtc_cli.report.inspection.seen import FrameSeen
from vtc_cli.report.page.canvas import missing

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Colour = tuple[int, int, int]
# Told apart by people who see few colours, too; `kept` alone needs no frame.
COLOURS: tuple[Colour, ...] = (
    (255, 176, 0), (30, 190, 255), (60, 220, 130), (255, 95, 160), (190, 160, 255), (255, 255, 255)
)  # fmt: skip
PLAIN = "kept"
LEAST = 480  # pixels of the shorter side of a picture
STRIP, MARGIN, TEXT = 26, 10, 14  # pixels of a line of the legend
PAPER, INK = (24, 27, 30), (232, 234, 236)


def kinds_of(frames: Sequence[FrameSeen]) -> dict[str, Colour]:
    """A colour for each kind of the frames but `kept`, the same in all pictures of a video."""
    names = dict.fromkeys(name for frame in frames for name in frame.kinds if name != PLAIN)
    return {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(names)}


def kept_picture(frame: FrameSeen, colours: Mapping[str, Colour]) -> Picture:
    """Kept tokens clear, others dimmed, each kind framed in its colour; a legend with counts below."""
    weight = np.zeros(frame.tokens)
    weight[list(frame.kept)] = 1
    picture = _dimmed(frame, weight)
    from PIL import ImageDraw

    draw = ImageDraw.Draw(picture)
    for name, colour in reversed(list(colours.items())):  # the first kind is the choicest: nothing covers its frames
        for index in frame.kinds.get(name, ()):
            left, top, right, bottom = _cell(frame, picture.size, index)
            draw.rectangle((left, top, right - 1, bottom - 1), outline=colour, width=max(2, picture.width // 240))
    legend: list[tuple[Colour | None, str]] = [
        (colours.get(name), f"{name} {len(indices)}") for name, indices in frame.kinds.items() if indices
    ]
    return _with_legend(picture, [*legend, (None, f"dropped {frame.tokens - len(frame.kept)}")])


def attention_picture(frame: FrameSeen, layer: int) -> Picture:
    """Where the attention of a vision layer goes, as heat over the grey picture: brightest is most."""
    from matplotlib import colormaps
    from PIL import Image

    scores = frame.attention[layer]
    most = float(scores.max())
    share = (scores / most if most > 0 else scores).reshape(frame.grid)
    heat = Image.fromarray((colormaps["inferno"](share)[..., :3] * 255).astype(np.uint8))
    grey = _large(frame).convert("L").convert("RGB")
    rows, columns = frame.grid
    picture = Image.blend(grey, heat.resize((columns, rows)).resize(grey.size, Image.Resampling.NEAREST), 0.62)
    told = f"vision layer {layer}: most {most:.3g}, mean {float(scores.mean()):.3g}"
    return _with_legend(picture, [(None, told)])


def held_picture(frame: FrameSeen) -> Picture:
    """What the cache still has of the frame when all was watched: the clearer, the more layers and heads hold it."""
    assert frame.held is not None, "ask `thinned` first"
    share = frame.held.mean(0)
    kept = max(1, len(frame.kept))
    told = f"in the cache at the end: {share.sum() / kept:.0%} of what was kept"
    return _with_legend(_dimmed(frame, share), [(None, told)])


def _dimmed(frame: FrameSeen, weight: Any) -> Picture:
    """The picture with each token as clear as its weight (0 to 1) says."""
    from PIL import Image

    clear = _large(frame)
    faint = Image.blend(clear.convert("L").convert("RGB"), Image.new("RGB", clear.size, PAPER), 0.78)
    rows, columns = frame.grid
    mask = Image.fromarray((weight.reshape(rows, columns).clip(0, 1) * 255).astype(np.uint8), "L")
    return Image.composite(clear, faint, mask.resize(clear.size, Image.Resampling.NEAREST))


def _large(frame: FrameSeen) -> Picture:
    """The picture, enlarged by a whole factor so that tokens can be told apart; its cells are whole pixels then."""
    try:
        from PIL import Image
    except ImportError:
        raise missing("pillow") from None
    picture = Image.fromarray(frame.image)
    factor = max(1, -(-LEAST // min(picture.size)))
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.BICUBIC)


def _cell(frame: FrameSeen, size: tuple[int, int], index: int) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of a token, pixels."""
    (rows, columns), (width, height) = frame.grid, size
    row, column = divmod(index, columns)
    return (
        column * width // columns,
        row * height // rows,
        (column + 1) * width // columns,
        (row + 1) * height // rows,
    )


def _with_legend(picture: Picture, legend: Sequence[tuple[Colour | None, str]]) -> Picture:
    """The picture on a strip with its legend, as many lines as it takes."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(TEXT)
    lines: list[list[tuple[int, Colour | None, str]]] = [[]]
    x = MARGIN
    for colour, text in legend:
        wide = (TEXT + 6 if colour else 0) + int(font.getlength(text)) + 2 * MARGIN
        if x + wide > picture.width and lines[-1]:
            lines.append([])
            x = MARGIN
        lines[-1].append((x, colour, text))
        x += wide
    whole = Image.new("RGB", (picture.width, picture.height + STRIP * len(lines) + 4), PAPER)
    whole.paste(picture)
    draw = ImageDraw.Draw(whole)
    for number, line in enumerate(lines):
        top = picture.height + 4 + STRIP * number
        for x, colour, text in line:
            if colour:
                draw.rectangle((x, top + 4, x + TEXT, top + 4 + TEXT), outline=colour, width=3)
                x += TEXT + 6
            draw.text((x, top + 2), text, fill=INK, font=font)
    return whole
