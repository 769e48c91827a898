"""Draw docs/images/world.png: every background of the three splits, each split in rows of its own.

For each background, films of its split are searched for two: one with a post, one with something to read,
both with several things in several textures.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from vtc_cli.train.world import Film, frame_at, make_film
from vtc_cli.train.world.palette import BACKGROUNDS

SIDE = (128, 128)
COLUMNS = 8
GAP = 4


def find(split: str, family: str, captioned: bool, kind: str) -> tuple[Film, float]:
    """The first film of a background that shows much at once, and a moment of it."""
    for seed in range(10_000):
        film = make_film(seed, split, 6.0)
        scene = film.scenes[0]
        if scene.background != family or len(scene.things) < 3 or len({t.texture for t in scene.things}) < 2:
            continue
        caption = scene.caption
        if captioned and caption is not None and caption.kind == kind:
            return film, (caption.start + caption.end) / 2
        if not captioned and caption is None and scene.post is not None:
            return film, 3.0
    raise LookupError(f"no film shows {family} with a {kind}")


def rows(split: str) -> list[np.ndarray]:
    """The pictures of a split, eight in a row, the last row filled up with black."""
    cells = []
    for index, family in enumerate(BACKGROUNDS[split]):
        for captioned in (False, True):
            film, moment = find(split, family, captioned, ("word", "digit")[index % 2])
            cells.append(frame_at(film, moment, SIDE))
    cells += [np.zeros((*SIDE, 3), np.uint8)] * (-len(cells) % COLUMNS)
    padded = [np.pad(cell, ((0, GAP), (0, GAP), (0, 0))) for cell in cells]
    return [np.concatenate(padded[start : start + COLUMNS], axis=1) for start in range(0, len(padded), COLUMNS)]


if __name__ == "__main__":
    picture = np.concatenate([row for split in BACKGROUNDS for row in rows(split)])
    target = Path(__file__).parent / "images" / "world.png"
    Image.fromarray(picture[:-GAP, :-GAP]).quantize(192).save(target, optimize=True)
    print(f"{target}: {target.stat().st_size / 1e3:.0f} kB")
