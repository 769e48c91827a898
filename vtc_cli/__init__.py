"""vtc: ask questions about videos of any length, in bounded memory."""

__version__ = "0.1.0"
