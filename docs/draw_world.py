"""Draw docs/images/world.png: the same small films for everyone, eight in a row, three rows."""

from pathlib import Path

import numpy as np
from PIL import Image

from vtc_cli.train.world import frame_at, make_film

SIDE = (96, 96)
ROWS, COLUMNS = 3, 8

if __name__ == "__main__":
    pictures = [frame_at(make_film(seed, "validation", 4.0), 2.0, SIDE) for seed in range(ROWS * COLUMNS)]
    rows = [np.concatenate(pictures[row * COLUMNS : (row + 1) * COLUMNS], axis=1) for row in range(ROWS)]
    target = Path(__file__).parent / "images" / "world.png"
    Image.fromarray(np.concatenate(rows)).save(target, optimize=True)
    print(f"{target}: {target.stat().st_size / 1e3:.0f} kB")
