"""A loaded model as a narrator: pictures into words, labels weighed over the whole vocabulary, texts into vectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

import numpy as np
import torch

from vtc_cli.engine.session import Session
from vtc_cli.engine.together import Begun, write_together
from vtc_cli.errors import UsageError
from vtc_cli.memory.contract import Task, Written
from vtc_cli.memory.posteriors import Weighed
from vtc_cli.methods.stages import TokenPruner
from vtc_cli.models.contract import Cursor, Geometry, VideoLM
from vtc_cli.video.frame import Frame

CHUNK = 8
"""Units of a look that are encoded and forwarded together: there are few, and they wait for nothing."""

TOGETHER = 2**30
"""Bytes of keys and values of what is written side by side."""

MARGIN = 64
"""Entries of a turn for the words of the template around a prompt."""


class ModelNarrator:
    """See `Narrator`. Every look has a cache of its own and leaves nothing behind.

    pruner: thins what is looked at, except in detail. pixels: budget of a frame; None takes the checkpoint's own.
    system: system prompt.
    """

    def __init__(
        self, model: VideoLM, *, pruner: TokenPruner | None = None, pixels: int | None = None, system: str | None = None
    ):
        self.model = model
        self._pruner = pruner
        self._pixels = pixels
        self._system = system
        self.embedder = f"{model_key(model)}: mean of word embeddings"
        self.parameters: int | None = model.info.parameters

    def look(self, frames: Sequence[Frame], *, room: int, detail: bool = False) -> SessionLook:
        """See `Narrator.look`. Raises UsageError without frames, or when they do not fit the model's context."""
        if not frames:
            raise UsageError("there is nothing to look at: no frame is known of this moment")
        per_unit = self.model.info.frames_per_unit
        session = Session(
            self.model,
            pruner=None if detail else self._pruner,
            cache=None,
            geometry=self._geometry(frames[0], detail),
            system=self._system,
            chunk=min(CHUNK, len(frames)),
            units=len(frames),
            max_turn=room + MARGIN,
            evidence=False,
        )
        # A unit of two frames would fuse two moments into one picture: each is shown for the length of a unit.
        session.watch(frame for frame in frames for _ in range(per_unit))
        return SessionLook(session)

    def write_all(self, tasks: Iterable[Task], *, limit: int) -> list[Written | None]:
        """See `Narrator.write_all`. Side by side where the model can, as far as `TOGETHER` bytes hold them."""
        found: list[Written | None] = []
        waiting: dict[int, Begun] = {}
        for number, task in enumerate(tasks):
            found.append(None)
            try:
                look = self.look(task.frames, room=self.count(task.prompt) + limit)
                if not self.model.writes_together:
                    found[number] = look.write(task.prompt, limit=limit)
                    continue
                begun = look.begin(task.prompt, limit=limit)
            except UsageError:
                continue
            columns = max(one.length for one in (begun, *waiting.values())) + limit
            if waiting and (len(waiting) + 1) * columns * self.model.info.kv_bytes_per_token > TOGETHER:
                self._write(waiting, found, limit)
                waiting = {}
            waiting[number] = begun
        self._write(waiting, found, limit)
        return found

    def _write(self, begun: Mapping[int, Begun], found: list[Written | None], limit: int) -> None:
        if begun:
            for number, answer in zip(begun, write_together(self.model, list(begun.values()), limit), strict=True):
                found[number] = Written(self.model.text(answer.ids), len(answer.ids))

    def tokens_of(self, frame: Frame) -> int:
        """See `Narrator.tokens_of`: of the larger of a plain and a detailed look."""
        return max(self._geometry(frame, detail).tokens for detail in (False, True))

    def _geometry(self, frame: Frame, detail: bool) -> Geometry:
        size = (frame.image.shape[-1], frame.image.shape[-2])
        return self.model.geometry(size, None if detail else self._pixels)

    def embed(self, text: str) -> np.ndarray | None:
        """The mean of the input embeddings of the words [d]; None for a text without tokens."""
        rows = self.model.embed_query(text)
        return rows.float().mean(0).cpu().numpy() if len(rows) else None

    def count(self, text: str) -> int:
        """Rows of a prompt, the template's words around it included."""
        return len(self.model.question(Cursor(), text))


def model_key(model: VideoLM) -> str:
    """What names a model's weights: those of another key give other words and vectors."""
    info = model.info
    changed = "".join(f" {part}" for part in (info.quantisation, info.adapter) if part)
    return f"{info.name}@{info.revision}{changed}"


def prompt_ids(model: VideoLM, text: str, choices: Mapping[str, str] | None = None) -> list[int]:
    """Token ids of a question without a video, as the model's own chat template writes it, up to where the answer
    starts."""
    opening = model.open(Cursor())
    return [*opening.ids.tolist(), *model.question(opening.cursor, text, choices).ids.tolist()]


class SessionLook:
    """See `Look`: a session that has watched. It may also be one that watched the whole video in bounded memory.

    origin: where what it sees comes from, for the trace of a search.
    """

    def __init__(self, session: Session, origin: str = "from the cache of watching"):
        self._session = session
        self.origin = origin
        self.visual_tokens = session.meter.counts["visual_kept"]

    def beginning(self, text: str) -> AbstractContextManager[None]:
        """See `Look.beginning`."""
        return self._session.beginning(text)

    def write(self, prompt: str, *, limit: int, temperature: float = 0.0, seed: int = 0) -> Written:
        """See `Look.write`. Raises UsageError for a prompt longer than the room kept for it."""
        answer = self._session.ask(prompt, max_new_tokens=limit, temperature=temperature, seed=seed)
        return Written(answer.text, len(answer.ids))

    def begin(self, prompt: str, *, limit: int) -> Begun:
        """The answer `write` would give, before its first token. Raises UsageError as it does."""
        return self._session.begin(prompt, max_new_tokens=limit)

    def weigh(self, prompt: str, choices: Mapping[str, str]) -> Weighed:
        """See `Look.weigh`. Raises UsageError for labels that cannot be told apart."""
        labels = list(choices)
        spellings = self._session.model.spellings(labels)
        logits = self._session.logits(prompt, choices=choices)
        return weighed(logits, labels, spellings)


def weighed(logits: torch.Tensor, labels: Sequence[str], spellings: Sequence[Sequence[int]]) -> Weighed:
    """Log mass per label from logits [vocab] over everything the model could say. Without any finite logit: none."""
    values = logits.double().cpu()
    whole = values.logsumexp(-1)
    if not bool(torch.isfinite(whole)):
        return Weighed(dict.fromkeys(labels, float("-inf")))
    masses = [float(values[list(tokens)].logsumexp(-1) - whole) for tokens in spellings]
    return Weighed(dict(zip(labels, masses, strict=True)))


def at_one_size(frames: Sequence[Frame]) -> list[Frame]:
    """Frames that can be looked at together: those of another size than the first are scaled to it."""
    if not frames:
        return []
    height, width = frames[0].image.shape[-2:]
    return [frame if frame.image.shape[-2:] == (height, width) else _scaled(frame, height, width) for frame in frames]


def _scaled(frame: Frame, height: int, width: int) -> Frame:
    image = torch.nn.functional.interpolate(frame.image[None].float(), size=(height, width), mode="area")
    return replace(frame, image=image[0].round().clamp(0, 255).to(torch.uint8))
