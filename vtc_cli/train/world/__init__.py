"""A procedural world of moving coloured shapes: films from a seed, exact truth, exact questions."""

from vtc_cli.train.world.film import Digit, Film, Scene, Thing, make_film
from vtc_cli.train.world.questions import Question, ask_all, ask_some
from vtc_cli.train.world.render import frame_at, label_map, write_mp4

__all__ = [
    "Digit",
    "Film",
    "Question",
    "Scene",
    "Thing",
    "ask_all",
    "ask_some",
    "frame_at",
    "label_map",
    "make_film",
    "write_mp4",
]
