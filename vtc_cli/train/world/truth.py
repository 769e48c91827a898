"""The truth of a film as plain data: what a file beside the picture says about it."""

from __future__ import annotations

import math
from typing import Any

from vtc_cli.train.world.film import Caption, Film, Post, Scene, Thing

Content = dict[str, Any]


def scenes_of(film: Film, short: int) -> list[Content]:
    """Every scene with all that is in it, as JSON can hold it.

    short: pixels of the picture's short side; every length and place is in pixels, x to the right and y down.
    """
    return [_scene(scene, short) for scene in film.scenes]


def _scene(scene: Scene, short: int) -> Content:
    return {
        "start": _round(scene.start),
        "end": _round(scene.end),
        "things": [_thing(thing, scene, short) for thing in scene.things],
        "caption": _caption(scene.caption, short) if scene.caption else None,
        "post": _post(scene.post, short) if scene.post else None,
        "background": {"family": scene.background, "seed": scene.background_seed},
        "camera": {"pan": [_round(part * short) for part in scene.camera.pan], "zoom": _round(scene.camera.zoom, 6)},
    }


def _thing(thing: Thing, scene: Scene, short: int) -> Content:
    positions = []
    for moment in moments(scene.start, scene.end):
        x, y = thing.at(moment - scene.start)
        positions.append([_round(moment), _round(x * short), _round(y * short)])
    return {
        "colour": thing.colour,
        "shape": thing.shape,
        "motion": thing.motion,
        "texture": thing.texture,
        "radius": _round(thing.radius * short),
        "turn": _round(thing.turn, 6),
        "tint": _round(thing.tint, 6),
        "positions": positions,
    }


def moments(start: float, end: float) -> list[float]:
    """Both ends of a scene and the whole seconds between them."""
    return [start, *map(float, range(math.floor(start) + 1, math.ceil(end))), end]


def _caption(caption: Caption, short: int) -> Content:
    return {
        "kind": caption.kind,
        "text": caption.text,
        "start": _round(caption.start),
        "end": _round(caption.end),
        "centre": [_round(part * short) for part in caption.centre],
        "height": _round(caption.height * short),
        "inverted": caption.inverted,
    }


def _post(post: Post, short: int) -> Content:
    return {
        "upright": post.upright,
        "centre": _round(post.centre * short),
        "width": _round(post.width * short),
        "grey": _round(post.grey),
    }


def _round(value: float, digits: int = 3) -> float:
    return round(float(value), digits)
