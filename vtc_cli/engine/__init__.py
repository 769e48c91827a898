"""The engine: a session watches a video in bounded memory and answers questions about it."""
