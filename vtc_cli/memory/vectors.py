"""Vectors on disk and in search: fp16 in the file, fp32 in memory, compared by brute force."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def pack(vector: np.ndarray | None) -> bytes | None:
    """A vector [d] as little-endian fp16 bytes."""
    return None if vector is None else np.asarray(vector, dtype="<f2").tobytes()


def unpack(blob: bytes | None) -> np.ndarray | None:
    """The fp32 vector [d] of `pack`."""
    return None if blob is None else np.frombuffer(blob, dtype="<f2").astype(np.float32)


def stored(vector: np.ndarray) -> np.ndarray:
    """The vector as it will be read back: what is compared now is what would be compared after a restart."""
    return np.asarray(vector, dtype="<f2").astype(np.float32)


def unit(vector: np.ndarray) -> np.ndarray:
    """The vector [d] at length 1; zeros stay zeros."""
    length = float(np.linalg.norm(vector))
    return (vector / length if length > 0 else vector).astype(np.float32)


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    """Cosine of two vectors [d]; 0 where one has no length."""
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / lengths if lengths > 0 else 0.0


def nearest(query: np.ndarray, rows: Sequence[np.ndarray], most: int) -> list[tuple[int, float]]:
    """(index, cosine) of the `most` rows most like `query`, best first, earlier first among equals.

    Both sides are centred on the mean of the rows: in a space where everything resembles everything, what counts is
    how vectors differ. One row is compared as it is.
    """
    if not len(rows):
        return []
    matrix = np.stack(rows)
    centre = matrix.mean(0) if len(rows) > 1 else np.zeros_like(query)
    matrix, query = matrix - centre, query - centre
    lengths = np.linalg.norm(matrix, axis=1) * (np.linalg.norm(query) or 1.0)
    scores = matrix @ query / np.where(lengths > 0, lengths, 1.0)
    order = np.argsort(-scores, kind="stable")[:most]
    return [(int(place), float(scores[place])) for place in order]
