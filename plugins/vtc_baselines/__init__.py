"""Baselines every method should beat: uniform and random pruning, a sliding window and a uniform cache."""
