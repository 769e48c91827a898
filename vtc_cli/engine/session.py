"""One model watching one video: units go in, the cache stays within its budget, questions leave no trace."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from vtc_cli.engine.answer import Answer
from vtc_cli.engine.beginning import begun
from vtc_cli.engine.budget import Allowance, one_budget
from vtc_cli.engine.cache_needs import check_cache_policy
from vtc_cli.engine.context import Context, Placed
from vtc_cli.engine.held import Held, HeldByLayer, held_by_layer, held_places, held_units
from vtc_cli.engine.intake import Intake
from vtc_cli.engine.kept import KeptCache, keep, put_back
from vtc_cli.engine.layering import Layering
from vtc_cli.engine.meter import Meter
from vtc_cli.engine.prune import Pruned, Pruning
from vtc_cli.engine.question_attention import QuestionAttention
from vtc_cli.engine.together import Begun
from vtc_cli.engine.turn import Turn
from vtc_cli.engine.vision import Vision
from vtc_cli.errors import UsageError
from vtc_cli.methods.registry import resolve
from vtc_cli.methods.stages import CachePolicy, LayerPolicy, TokenPruner
from vtc_cli.models.contract import Cursor, Geometry, Span, Unit, VideoLM
from vtc_cli.video.frame import Frame


class Session:
    """A model watching a video, ready to be asked at any moment.

    Memory is bounded: one chunk of pictures at the model's size, and one cache of pinned prefix + budget + room for a
    turn. At every step of watching the cache holds at most `budget` entries besides the prefix; a question adds its own
    rows for as long as it lasts.

    The result does not depend on how frames are dealt to `watch` calls, nor on `chunk`: units are cut from the whole
    sequence of frames, and the cache is compacted just before the unit that would not fit.

    pruner, cache: a method, its text form (`uniform:retain=1/4`), or None: keep every row; evict nothing, and refuse
    the frame that no longer fits. layers: what happens to visual rows inside the decoder, likewise; where rows leave,
    later layers hold fewer entries, and each layer keeps to the budget for itself.
    A method object serves one session at a time.
    budget: entries after the prefix, or `Bytes`; None takes the policy's own, else what fits the device.
    geometry: the fixed resolution; None derives it from the first frame and `pixels`, a budget per frame.
    question: the question to come, for a method that looks at it. Others may be asked too; what was kept stays.
    chunk: units encoded and forwarded together; more is faster, and holds more pictures.
    units: how many units the video will have, if known: a default budget then takes no more than they need.
    max_turn: entries reserved for a question and its answer. evidence: measure which moments an answer looked at.
    observe: called with frames, at the model's size, and the whole units just made of them, before any row is pruned.

    on_unit: set it to be shown every unit with what the pruner kept of it, as they come (a cut one when completed).

    Raises UsageError: impossible values, a method of another stage, a need that cannot be met.
    """

    @torch.no_grad()
    def __init__(
        self,
        model: VideoLM,
        *,
        pruner: TokenPruner | str | None = None,
        cache: CachePolicy | str | None = "window",
        layers: LayerPolicy | str | None = None,
        budget: int | None = None,
        geometry: Geometry | None = None,
        pixels: int | None = None,
        question: str | None = None,
        chunk: int = 1,
        system: str | None = None,
        units: int | None = None,
        max_turn: int = 1024,
        evidence: bool = True,
        meter: Meter | None = None,
        observe: Callable[[Sequence[Frame], Sequence[Unit]], None] | None = None,
    ):
        if chunk < 1 or max_turn < 1:
            raise UsageError(f"chunk and max_turn must be at least 1, not {chunk} and {max_turn}")
        if geometry is not None and pixels is not None:
            raise UsageError("geometry and pixels both fix the resolution: give one")
        policy = resolve(cache, CachePolicy)  # type: ignore[type-abstract]
        asked = one_budget(budget, policy.asked_budget if policy else 0)
        self.model = model
        self.meter = meter or Meter(model.info.device)
        self._chunk = chunk
        self._turn = max_turn
        self._evidence = evidence
        self._observe = observe
        thinning = resolve(pruner, TokenPruner)  # type: ignore[type-abstract]
        routing = resolve(layers, LayerPolicy)  # type: ignore[type-abstract]
        if policy is not None:
            check_cache_policy(policy, model.info, thinning or routing)
        self._pruning = Pruning(thinning, model, question)
        self._vision = Vision(model, self.meter, geometry=geometry, pixels=pixels, capture=self._pruning.capture)
        self._context = Context(
            model,
            policy,
            self.meter,
            layering=Layering(routing, model) if routing is not None else None,
            looking=QuestionAttention.of(policy, model, question, max_turn),
            asked=asked,
            expected=units,
            turn=max_turn,
            system=system,
        )
        self._intake = Intake(model, self._context, self._pruning, self.meter)
        if policy is not None:
            policy.reset()
        self.on_unit: Callable[[Pruned], None] | None = None
        self._tail: list[Frame] = []
        self._cut: list[Placed] | None = None

    @property
    def geometry(self) -> Geometry | None:
        """The resolution of every frame; None until the first one where none was given."""
        return self._vision.geometry

    @property
    def allowance(self) -> Allowance | None:
        """The budget in entries and bytes, and why; None until the first unit."""
        return self._context.allowance

    @property
    def context(self) -> int:
        """Entries in the cache now, pinned prefix included, in the layer that holds most."""
        return self._context.held

    @property
    def entries(self) -> int:
        """Entries that count against the budget now, in the layer that holds most."""
        return self._context.entries

    @property
    def kv_bytes(self) -> int:
        """Bytes of the keys and values in use now, from the tensors. Peaks are in `meter.peaks`."""
        return self._context.nbytes

    @property
    def evicted(self) -> int:
        """Entries per head dropped so far, in the layer that has dropped most."""
        return self.meter.counts["evicted"]

    @property
    def captured(self) -> tuple[int, ...]:
        """Vision layers (1-based) whose received attention is read for the pruner."""
        return self._pruning.capture

    @property
    def units(self) -> int:
        """Units taken in so far, a cut one not among them."""
        return self._context.units

    @torch.no_grad()
    def held(self) -> list[Held]:
        """The units that a question now would still find in the cache, in time order; see `Held`.

        A cut unit is among them: every question is shown it.
        """
        cut = self._complete()
        return held_units(self._context.slab, self._context.times, cut) if self.units or cut else []

    @torch.no_grad()
    def held_by_layer(self, waiting: bool = True) -> HeldByLayer:
        """The same, layer by layer; see `HeldByLayer`. waiting: complete a cut unit and count it as held."""
        cut = self._complete() if waiting else []
        return held_by_layer(self._context.slab, cut) if self.units or cut else HeldByLayer((), torch.zeros(0, 0))

    @torch.no_grad()
    def held_places(self, unit: int, rows: int) -> Tensor:
        """fp32 [layers, rows]: the share of key heads that hold each row of a unit now. rows: of the whole unit.

        A cut unit is not in the cache; all zero.
        """
        return held_places(self._context.slab, unit, rows) if self.units else torch.zeros(0, rows)

    def watch(self, frames: Iterable[Frame]) -> None:
        """Take in frames, in time order. May be called again, also after questions; the video simply goes on.

        A unit cut by the end of `frames` waits for its missing frame in the next call. A question in between sees it
        completed with its last frame repeated, as the model was trained to see a video's end.

        Raises UsageError within a block of `beginning`, or when a unit cannot fit the budget, MachineError when memory
        runs out; the frames of that chunk are lost, and the session can still be asked about what it had taken in.
        """
        if self._context.beginning is not None:
            raise UsageError("what prompts begin with is in the cache", "watch after the block of `beginning`")
        per_unit = self.model.info.frames_per_unit
        for frame in self.meter.waited(frames):
            self.meter.add("frames")
            self._cut = None
            with self.meter.time("preprocess"):
                self._tail.append(self._vision.shrink(frame))
            del frame  # what waits for its chunk is small
            if len(self._tail) == per_unit * self._chunk:
                self._take(len(self._tail))
        self._take(len(self._tail) // per_unit * per_unit)

    def ask(
        self,
        question: str,
        *,
        choices: Mapping[str, str] | None = None,
        temperature: float = 0.0,
        seed: int = 0,
        max_new_tokens: int = 128,
        on_token: Callable[[str], None] | None = None,
    ) -> Answer:
        """Answer from what was watched so far. Asking never changes the memory, even when it fails.

        choices: label -> text of the option; the answer is then the likeliest label, and nothing is generated.
        temperature: 0 is greedy; else tokens are drawn with `seed`, the same each time.
        on_token: called with pieces of the text as they are written; joined they are the answer.
        Raises UsageError: nothing watched, impossible values, or a question and answer longer than the room reserved
        for a turn, before any forward.
        """
        began = time.perf_counter()
        turn = Turn(question, dict(choices or {}), temperature, seed, max_new_tokens, on_token, self._evidence)
        with torch.no_grad():
            if not self.units and not self._tail:
                raise UsageError("nothing has been watched yet", "call watch() with frames first")
            turn.check(self._context, self._turn)
            with self.meter.time("first_token"):
                cut = self._complete()
            return turn.take(self._context, cut, began)

    @torch.no_grad()
    def logits(self, question: str, *, choices: Mapping[str, str] | None = None) -> torch.Tensor:
        """fp32 [vocab] at the first place of an answer. Leaves no trace, like `ask`, and raises what it raises."""
        with self._asked(Turn(question, dict(choices or {}), limit=1)) as (logits, _):
            return logits

    @contextmanager
    def beginning(self, text: str) -> Iterator[None]:
        """While the block lasts, questions that begin with `text` cost only what comes after it; others cost the same.

        Answers are those without it, up to rounding. Watching has to wait for the end of the block. Where nothing was
        watched there is nothing to begin with.
        """
        if not text or (not self.units and not self._tail):
            yield
            return
        with torch.no_grad(), begun(self._context, self._complete(), text):
            yield

    @torch.no_grad()
    def begin(self, question: str, *, max_new_tokens: int) -> Begun:
        """What an answer is written from, taken out of the session, so that several can be written side by side; see
        `engine.together`. Leaves no trace, like `ask`, and raises what it raises."""
        with self._asked(Turn(question, limit=max_new_tokens)) as (logits, cursor):
            held, blocks = self._context.held, self._context.slab.blocks
            rows = [(block.keys[:, :, :held].clone(), block.values[:, :, :held].clone()) for block in blocks]
            return Begun(rows, held, logits, cursor)

    @torch.no_grad()
    def keep(self) -> KeptCache:
        """What a question now would find, to be put into another session; see `engine.kept`. Raises UsageError where
        nothing was watched, or the model or a layer policy does not let it."""
        cut = self._complete()
        if not self.units and not cut:
            raise UsageError("nothing has been watched yet", "call watch() with frames first")
        return keep(self._context, cut)

    @classmethod
    def of(cls, model: VideoLM, kept: KeptCache, *, max_turn: int = 1024) -> Session:
        """A session that can be asked, and not watch on. max_turn: entries reserved for a question and its answer.

        Raises UsageError for what was kept of another model.
        """
        session = cls(model, cache=None, max_turn=max_turn, evidence=False)
        with torch.no_grad():
            put_back(session._context, kept, max_turn)
        return session

    @contextmanager
    def _asked(self, turn: Turn) -> Iterator[tuple[Tensor, Cursor]]:
        """A question in the cache while the block lasts: logits [vocab] of its last row, and where the answer goes."""
        if not self.units and not self._tail:
            raise UsageError("nothing has been watched yet", "call watch() with frames first")
        turn.check(self._context, self._turn)
        cut = self._complete()
        with self._context.passing():
            spans = turn.spans(self._context, cut)
            with self.meter.time("first_token"):
                logits = self._context.forward(Span.join(spans), "question")
            yield logits, spans[-1].cursor

    @torch.no_grad()
    def unfinished(self) -> tuple[list[Frame], Unit] | None:
        """The frames that wait for the rest of their unit, and the unit as every question is shown it; None if none."""
        cut = self._complete()
        return (list(self._tail), cut[0][0]) if cut else None

    @torch.no_grad()
    def _take(self, count: int) -> None:
        """Encode and append the first `count` waiting frames (whole units), compacting where the budget demands it."""
        if not count:
            return
        frames, self._tail = self._tail[:count], self._tail[count:]
        with self.meter.time("preprocess"):
            prepared = self._vision.prepare(frames)
        with self.meter.time("vision"):
            units = self._vision.encode(prepared, self.units)
        if self._observe is not None:
            self._observe(frames, units)
        self._intake.append(units, self.on_unit)

    def _complete(self) -> list[Placed]:
        """The cut unit at the end of what was watched, completed and placed; computed once, never remembered."""
        if self._cut is None:
            self._cut = []
            if self._tail:
                unit = self._vision.encode(self._vision.prepare(self._tail), self.units)[0]
                self._cut = [self._intake.passing(unit, self.on_unit)]
        return self._cut
