"""Places spread evenly over the picture's rows and columns, whatever they show."""

from __future__ import annotations

import torch
from torch import Tensor

_GOLDEN = 0.6180339887498949


def lattice(grid: tuple[int, int], count: int) -> Tensor:
    """int64 [count], ascending raster indices on a grid of (rows, columns), count at most rows * columns.

    Row i of R takes floor((i+1)k/R) - floor(ik/R) of the k places; in a row that takes m they stand one C/m-th of its
    C columns apart. Each row starts at another offset (multiples of the golden ratio), since equal offsets would line
    the places up in columns and leave stripes of the picture unseen.
    """
    rows, columns = grid
    places: list[int] = []
    for row in range(rows):
        taken = (row + 1) * count // rows - row * count // rows
        offset = row * _GOLDEN % 1.0
        places += (row * columns + int((place + offset) * columns / taken) for place in range(taken))
    return torch.tensor(places, dtype=torch.int64)
