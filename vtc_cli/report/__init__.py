"""Counting and telling what an answer cost: FLOPs, memory, the record with its schema, the terminal view."""
