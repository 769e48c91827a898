"""Training: the procedural world and the bundled model made from it."""
