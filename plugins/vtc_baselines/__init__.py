"""Baselines every method should beat, or say where it does not: published pruners and caches, and the plain ones."""
