"""Films: what is on screen, where and when. The truth every question is answered from."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Thing:
    """A shape that moves in a straight line over the screen during its scene.

    start: (x, y) at the scene's start; velocity: per second; radius: all in units of the picture's short side.
    turn: radians; tint: brightness factor; paint: RGB of a colour that has no name, instead of that of `colour`.
    """

    shape: str
    colour: str
    motion: str
    start: tuple[float, float]
    velocity: tuple[float, float]
    radius: float
    turn: float
    tint: float
    texture: str = "flat"
    paint: tuple[int, int, int] | None = None

    @property
    def pair(self) -> tuple[str, str]:
        """(colour, shape): who it is; a character of the film when it recurs."""
        return self.colour, self.shape

    def at(self, elapsed: float) -> tuple[float, float]:
        """Centre (x, y), `elapsed` seconds after the scene's start."""
        return self.start[0] + self.velocity[0] * elapsed, self.start[1] + self.velocity[1] * elapsed


@dataclass(frozen=True)
class Caption:
    """A digit or a short word shown on top of a scene.

    text: `7` or `stop`. start, end: seconds of the film; centre, height: in units of the short side; inverted: dark on
    light instead of light on dark.
    """

    text: str
    start: float
    end: float
    centre: tuple[float, float]
    height: float
    inverted: bool = False

    @property
    def kind(self) -> str:
        """`digit` or `word`."""
        return "digit" if self.text.isdigit() else "word"


@dataclass(frozen=True)
class Post:
    """A dull bar in front of everything but captions: what hides a part of things. All in units of the short side."""

    upright: bool
    centre: float
    width: float
    grey: float


@dataclass(frozen=True)
class Camera:
    """How the background passes by: pan in short sides per second (x, y), zoom per second. Things keep their place."""

    pan: tuple[float, float] = (0.0, 0.0)
    zoom: float = 0.0

    @property
    def moves(self) -> bool:
        """Whether the background is anything but still."""
        return self.pan != (0.0, 0.0) or self.zoom != 0.0


@dataclass(frozen=True)
class Scene:
    """One shot. start, end: seconds of the film."""

    start: float
    end: float
    background: str
    background_seed: int
    things: tuple[Thing, ...]
    caption: Caption | None = None
    post: Post | None = None
    camera: Camera = Camera()


@dataclass(frozen=True)
class Light:
    """Slow change of brightness: share of the brightness, seconds per swing, phase in radians."""

    swing: float = 0.0
    period: float = 8.0
    phase: float = 0.0


@dataclass(frozen=True)
class Film:
    """Scenes in order. aspect: width / height of the picture; grain: noise in grey levels."""

    seed: tuple[int, int]
    split: str
    duration: float
    aspect: float
    grain: float
    light: Light
    scenes: tuple[Scene, ...]

    @cached_property
    def _ends(self) -> list[float]:
        return [scene.end for scene in self.scenes]

    def scene_at(self, time: float) -> Scene:
        """The scene on screen at `time` seconds; the last one from its start on."""
        return self.scenes[min(bisect_right(self._ends, time), len(self.scenes) - 1)]

    @cached_property
    def things(self) -> tuple[Thing, ...]:
        """Everything that appears in the film, once per scene it is in."""
        return tuple(thing for scene in self.scenes for thing in scene.things)

    @cached_property
    def captions(self) -> tuple[Caption, ...]:
        """Every digit and word shown, in order."""
        return tuple(scene.caption for scene in self.scenes if scene.caption)
