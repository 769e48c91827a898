"""Answering questions about one video: open, watch once, ask, and put every figure into the record."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from vtc_cli.errors import UsageError, VideoError, VtcError
from vtc_cli.jobs.events import Events
from vtc_cli.jobs.fitting import Unloaded, check_model, depends_on_model, kept_per_unit
from vtc_cli.jobs.questions import Question
from vtc_cli.jobs.settings import Settings
from vtc_cli.jobs.setup import default_chunk, frames_ahead, load_for, methods_of, resolve_model, turn_room
from vtc_cli.jobs.sources import is_live
from vtc_cli.jobs.split import budget_given, split_budget
from vtc_cli.jobs.watched import Watched, method_facts, outcome
from vtc_cli.report.facts import Asked
from vtc_cli.report.identity import fingerprint, record_id
from vtc_cli.report.units import clock
from vtc_cli.video.frame import Clip, ClipInfo, Damage, Frame
from vtc_cli.video.sampling import plan_sampling

if TYPE_CHECKING:
    from vtc_cli.engine.session import Session
    from vtc_cli.models.contract import Unit, VideoLM
    from vtc_cli.report.memory import MemoryWatch
    from vtc_cli.video.sampling import SamplingPlan

Record = dict[str, Any]
Observe = Callable[[Sequence[Frame], Sequence["Unit"]], None]


class Runner:
    """A model with its settings, answering about one video after another. The model is loaded when first needed.

    Raises UsageError at once for a method that does not exist or does not fit.
    """

    def __init__(self, settings: Settings, events: Events | None = None, model: VideoLM | None = None):
        self.methods = methods_of(settings)
        chosen = resolve_model(settings) if model is None else (settings, model.info.name_reason)
        self.settings, self._name_reason = chosen
        self.events = events or Events()
        self._plain = self.settings.as_dict()
        self._fingerprint = fingerprint(self._plain)
        self._model: VideoLM | None = None
        self._unloaded = Unloaded(self.settings, self._name_reason)
        self._load_seconds: float | None = None
        self._open_seconds = 0.0
        self._memory: MemoryWatch | None = None
        if model is not None:
            self._take(model)

    def open(self, source: str) -> Clip:
        """The video, its facts read and nothing decoded. Raises VideoError, UsageError for one without an end."""
        from vtc_cli.video import open_clip

        settings = self.settings
        if is_live(source) and settings.end is None and settings.max_frames is None:
            raise UsageError(f"{source} has no end", "say how long to watch: --end 30 or --max-frames 100")
        began = time.perf_counter()
        clip = open_clip(source, settings.reader)
        self._open_seconds = time.perf_counter() - began
        try:
            self.check(clip.info)
        except VtcError:
            clip.close()
            raise
        return clip

    def check(self, info: ClipInfo) -> None:
        """Raise UsageError for methods that this model or pictures of this size cannot have, before the model is
        loaded where its configuration is here."""
        model, methods, settings = self._model, self.methods, self.settings
        if depends_on_model(methods) and (shape := model or self._unloaded.outline) is not None:
            check_model(methods, shape.info)
            kept_per_unit(methods, shape.geometry(info.size, settings.pixels).tokens)
        if budget_given(methods, settings) and (whole := model or self._unloaded.sketch) is not None:
            split_budget(methods, settings, whole, info.size, self._sampling(info))

    def identity(self, clip: Clip, question: Question) -> str | None:
        """The id its record will have; None where the video cannot be recognised again (a pipe, a camera)."""
        if clip.info.digest is None:
            return None
        return record_id(clip.info.digest, question.text, self._fingerprint, question.choices)

    def prepare(self, model: VideoLM | None = None) -> VideoLM:
        """The model, loaded when this is called first. Raises MachineError, UsageError.

        model: take this one, loaded for another runner of the same settings, instead.
        """
        if model is not None and self._model is None:
            self._take(model)
        if self._model is not None:
            return self._model
        if depends_on_model(self.methods) and (outline := self._unloaded.outline) is not None:
            check_model(self.methods, outline.info)
        self.events.loading(self.settings.model)
        began = time.perf_counter()
        model = load_for(self.settings, self._name_reason)
        self._load_seconds = time.perf_counter() - began
        self._take(model)
        return model

    def answer(self, clip: Clip, questions: Sequence[Question]) -> Iterator[Record]:
        """One record per question, in order.

        The video is watched once for all of them, unless a method looks at the question: then once for each.
        Raises VtcError.
        """
        self.prepare()
        room = self.room(questions)
        if any(chosen.method.by_question() for chosen in self.methods.values()):
            for question in questions:
                yield self.reply(clip.info, self._watch(clip, question.text, room), question, True, clip.damage)
            return
        watched = self._watch(clip, None, room)
        for index, question in enumerate(questions):
            yield self.reply(clip.info, watched, question, index == 0, clip.damage)

    def watch(self, clip: Clip, question: str | None = None) -> Watched:
        """Watch without asking. question: the one to come, for a method that looks at it. Raises VtcError."""
        self.prepare()
        return self._watch(clip, question, self.room([Question(question)] if question else []))

    def room(self, questions: Sequence[Question]) -> int:
        """Cache entries a turn may take. Raises UsageError, before anything is watched, for labels that look alike."""
        from vtc_cli.models.contract import Cursor

        model, longest = self._loaded(), 0
        for question in questions:
            if question.choices:
                model.label_ids(list(question.choices))
            longest = max(longest, len(model.question(Cursor(), question.text, question.choices)))
        return turn_room(longest, self.settings)

    def failure(self, source: str, clip: Clip | None, question: Question, error: VtcError) -> Record:
        """The record of a question that could not be answered."""
        from vtc_cli.report.record import build_record

        return build_record(
            video=source,
            asked=Asked(question.text, question.choices, question.id),
            settings=self._plain,
            clip=clip.info if clip is not None else None,
            model=self._model.info if self._model is not None else None,
            methods=method_facts(self.methods, self._model.info if self._model is not None else None),
            error=error,
        )

    def _sampling(self, info: ClipInfo) -> SamplingPlan:
        wanted = self.settings
        return plan_sampling(info, wanted.fps, wanted.max_frames, wanted.start, wanted.end)

    def _take(self, model: VideoLM) -> None:
        from vtc_cli.report.memory import MemoryWatch

        check_model(self.methods, model.info)
        self._model = model
        self._memory = MemoryWatch(model.info.device)

    def begin(
        self, info: ClipInfo, question: str | None, room: int, observe: Observe | None = None, chunk: int | None = None
    ) -> Watched:
        """A session about to watch pictures like these, nothing watched. room: cache entries of a turn."""
        from vtc_cli.engine.session import Session

        model, settings = self._loaded(), self.settings
        plan = self._sampling(info)
        geometry = model.geometry(info.size, settings.pixels)
        methods, split = split_budget(self.methods, settings, model, info.size, plan)
        pruner, layers = methods.get("pruner"), methods.get("layers")
        session = Session(
            model,
            pruner=pruner.method if pruner is not None else None,  # type: ignore[arg-type]
            layers=layers.method if layers is not None else None,  # type: ignore[arg-type]
            cache=methods["cache"].method,  # type: ignore[arg-type]
            budget=settings.budget.amount if settings.budget is not None else None,
            geometry=geometry,
            question=question,
            chunk=chunk or settings.chunk or default_chunk(model.info.device),
            system=settings.system,
            units=None if plan.frames is None else -(-plan.frames // model.info.frames_per_unit),
            max_turn=room,
            observe=observe,
        )
        assert self._memory is not None
        self._memory.begin()
        return Watched(session, methods, plan, geometry, kept_per_unit(methods, geometry.tokens), split, {}, 0.0, 0.0)

    def _watch(self, clip: Clip, question: str | None, room: int, observe: Observe | None = None) -> Watched:
        from vtc_cli.video import prefetch

        model, began = self._loaded(), time.perf_counter()
        begun = self.begin(clip.info, question, room, observe)
        session, plan, geometry = begun.session, begun.plan, begun.geometry
        self.events.watching(clip.info.source, clip.info, plan.frames)
        self.events.started(session)
        chunk = self.settings.chunk or default_chunk(model.info.device)
        depth = frames_ahead(chunk * model.info.frames_per_unit, geometry.size)
        with prefetch(plan.frames_of(clip), depth, partial(model.shrink, geometry=geometry)) as ahead:
            session.watch(self._seen(ahead, session))
            beside = {"decode": ahead.decode_seconds, "preprocess": ahead.shrink_seconds}
        self.events.watched()
        frames = session.meter.counts["frames"]
        if not frames:
            raise VideoError(f"{clip.info.source}: not one frame could be read between the times asked for")
        if clip.damage is not None:
            self.events.warning(
                f"{clip.info.source} is damaged at {clock(clip.damage.time)} ({clip.damage.reason}); "
                f"answering from the {frames:,} frame{'s' if frames > 1 else ''} that could be read"
            )
        watch_seconds = time.perf_counter() - began
        self.events.ready(session)
        seconds = session.meter.seconds
        stages = {**seconds, "decode": beside["decode"], "preprocess": seconds["preprocess"] + beside["preprocess"]}
        cold = self._open_seconds + watch_seconds
        return replace(begun, stage_seconds=stages, watch_seconds=watch_seconds, cold_seconds=cold)

    def _seen(self, frames: Iterator[Frame], session: Session) -> Iterator[Frame]:
        """The same frames; memory is read and progress told each time the engine comes back for the next."""
        for frame in frames:
            now = frame.time
            yield frame
            del frame
            self.note(now, session)

    def note(self, now: float, session: Session) -> None:
        """A frame has been watched: read memory, tell progress."""
        assert self._memory is not None
        counts = session.meter.counts
        self._memory.sample(now, session.kv_bytes, counts["visual_in"], counts["visual_kept"])
        self.events.frame(now)

    def reply(
        self, clip: ClipInfo, watched: Watched, question: Question, first: bool, damage: Damage | None = None
    ) -> Record:
        """The record of one answer from what was watched. first: no earlier record tells the cost of watching."""
        from vtc_cli.report import measured
        from vtc_cli.report.record import build_record

        settings, session, info = self.settings, watched.session, self._loaded().info
        before, routed = copy.deepcopy(session.meter.sums), copy.deepcopy(session.meter.routed)
        self.events.asking(question)
        answer = session.ask(
            question.text,
            choices=question.choices,
            temperature=settings.temperature,
            seed=settings.seed,
            max_new_tokens=settings.max_new_tokens,
            on_token=self.events.token,
        )
        assert self._memory is not None
        cold = watched.cold_seconds + answer.seconds["first_token"] if first else None
        return build_record(
            video=clip.source,
            asked=Asked(question.text, question.choices, question.id),
            settings=self._plain,
            clip=clip,
            model=info,
            sampling=watched.sampling(info.frames_per_unit),
            methods=method_facts(watched.methods, info),
            cache=watched.cache(answer),
            outcome=outcome(answer),
            damage=damage,
            counts=measured.counts(session.meter.counts, answer.counts),
            work=measured.work(
                session.meter.sums,
                before,
                captured=(info.tower, len(session.captured)),
                products=session.meter.products,
                routed=session.meter.routed,
                routed_before=routed,
            ),
            seconds=measured.seconds(
                watched.stage_seconds,
                answer.seconds,
                load=self._load_seconds,
                watch=watched.watch_seconds,
                first_token_cold=cold,
            ),
            memory=self._memory.use(),
            threads=_threads(),
            reused=not first,
        )

    def _loaded(self) -> VideoLM:
        if self._model is None:
            raise RuntimeError("prepare() has not been called")
        return self._model


def _threads() -> int:
    import torch

    return torch.get_num_threads()
