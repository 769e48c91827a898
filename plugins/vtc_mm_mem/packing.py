"""Arrays as text, exactly: the state of a build has to come back bit for bit."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

import numpy as np


def pack(array: np.ndarray) -> str:
    """The bytes of an array, little endian."""
    return b64encode(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()).decode()


def unpack(text: str, dtype: Any = np.float32) -> np.ndarray:
    """The flat array of `pack`."""
    return np.frombuffer(b64decode(text), np.dtype(dtype).newbyteorder("<")).astype(dtype)
