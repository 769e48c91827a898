"""A procedural world of moving coloured shapes: films from a seed, exact truth, exact questions."""

from vtc_cli.train.world.asker import Question
from vtc_cli.train.world.film import Caption, Film, Scene, Thing
from vtc_cli.train.world.labels import label_map
from vtc_cli.train.world.mp4 import write_mp4
from vtc_cli.train.world.questions import ask_all, ask_some
from vtc_cli.train.world.render import frame_at
from vtc_cli.train.world.scoring import is_right
from vtc_cli.train.world.shoot import make_film, make_long_film

__all__ = [
    "Caption",
    "Film",
    "Question",
    "Scene",
    "Thing",
    "ask_all",
    "ask_some",
    "frame_at",
    "is_right",
    "label_map",
    "make_film",
    "make_long_film",
    "write_mp4",
]
