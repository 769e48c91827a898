"""Trying a model from end to end: each step does the thing itself, on a clip made on the spot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from vtc_cli.errors import UsageError, VtcError
from vtc_cli.jobs.settings import Settings
from vtc_cli.jobs.setup import load_for, resolve_model
from vtc_cli.models.registry import cannot
from vtc_cli.report.units import size

if TYPE_CHECKING:
    from torch import Tensor

    from vtc_cli.engine.session import Session
    from vtc_cli.models.contract import Geometry, Span, Unit, VideoLM
    from vtc_cli.video.frame import Frame

State = Literal["ok", "failed", "without"]
QUESTION = "What happens in this video?"
TRIED = {"pruner": "uniform:retain=1/2", "layers": "fastv", "cache": "window"}
"""One method of each stage, the plainest."""
_NAMES = {"pruner": "pruners", "layers": "layer policies", "cache": "cache policies"}
TOLERANCE = {"float32": 1e-3, "float16": 1e-2, "bfloat16": 5e-2}
"""Of the largest logit: how far two orders of the same sums may lie apart."""


@dataclass(frozen=True)
class Step:
    """One finding. state: `without` is what this model, or this installation, does not have. fix: what mends it."""

    name: str
    state: State
    found: str
    fix: str | None = None


@dataclass(frozen=True)
class Checkup:
    """All steps, in order. exit_code: 0 when none failed; else as the error that stopped loading, or 1."""

    model: str
    steps: tuple[Step, ...]
    exit_code: int

    @property
    def ok(self) -> bool:
        """Whether no step failed."""
        return not self.exit_code

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"model": self.model, "ok": self.ok, "steps": [asdict(step) for step in self.steps]}


def check_model_runs(settings: Settings) -> Checkup:
    """Load the model of `settings` and try it. What goes wrong is a step, never raised."""
    name = settings.model
    try:
        settings, reason = resolve_model(settings)
        model = load_for(settings, reason)
    except VtcError as error:
        return Checkup(name, (Step("loading", "failed", error.message, error.hint),), error.exit_code)
    info = model.info
    loaded = (
        f"{info.family}, {info.parameters:,} parameters, {size(info.weight_bytes)} in {info.dtype} on {info.device} "
        f"({info.device_reason}), attention {info.attention}"
    )
    trial = _Trial(model, settings)
    steps = [Step("loading", "ok", loaded)]
    for title, what in trial.steps():
        try:
            steps.append(what())
        except VtcError as error:
            steps.append(Step(title, "failed", error.message, error.hint))
        except Exception as error:
            steps.append(Step(title, "failed", f"{type(error).__name__}: {error}", "please report this"))
    failed = any(step.state == "failed" for step in steps)
    return Checkup(name, tuple(steps), 1 if failed else 0)


class _Trial:
    """A loaded model and eight frames of a square that moves over a shaded ground."""

    def __init__(self, model: VideoLM, settings: Settings):
        self.model = model
        self.settings = settings
        self.frames = moving_square(8)

    def steps(self) -> Iterator[tuple[str, Callable[[], Step]]]:
        yield "pictures", self.pictures
        yield "answer", self.answer
        yield "streaming", self.streaming
        for stage, spec in TRIED.items():
            yield _NAMES[stage], lambda stage=stage, spec=spec: self.stage(stage, spec)  # type: ignore[misc]

    def pictures(self) -> Step:
        """Frames through preprocessing and the vision tower."""
        import torch

        geometry, units = self._units()
        rows = {unit.tokens.shape[0] for unit in units}
        if rows != {geometry.tokens} or not all(torch.isfinite(unit.tokens).all() for unit in units):
            return Step("pictures", "failed", "the tower gives rows that are not finite, or not one for each token")
        if torch.equal(units[0].tokens, units[-1].tokens):
            return Step("pictures", "failed", "different pictures give the same rows: the tower does not look at them")
        height, width = geometry.size
        return Step("pictures", "ok", f"{len(units)} units of {geometry.tokens} tokens at {width} x {height} pixels")

    def answer(self) -> Step:
        """A question, asked twice: the second answer shows whether the first left a trace."""
        session = self._session(None)
        one, other = (session.ask(QUESTION, max_new_tokens=12) for _ in range(2))
        if one.ids != other.ids:
            return Step("answer", "failed", "the same question is answered differently when it is asked again")
        said = " ".join(one.text.split())
        tokens = "1 token" if len(one.ids) == 1 else f"{len(one.ids)} tokens"
        return Step("answer", "ok", f"{tokens}, the same when asked again: {said[:80]!r}")

    def streaming(self) -> Step:
        """The logits of the first answer token, watched unit by unit and in one forward."""
        model = self.model
        spans = self._spans(self._units()[1])
        from vtc_cli.models.contract import Span

        whole, parts = self._logits([Span.join(spans)]), self._logits(spans)
        apart, largest = float((whole - parts).abs().max()), float(whole.abs().max())
        allowed = TOLERANCE[model.info.dtype] * largest
        found = f"{len(spans)} forwards and one differ by {apart:.2g} in logits up to {largest:.3g}"
        if not apart <= allowed:  # not a number counts as apart
            return Step("streaming", "failed", f"{found}; {allowed:.2g} is allowed in {model.info.dtype}")
        return Step("streaming", "ok", f"{found} ({allowed:.2g} allowed)")

    def stage(self, stage: str, spec: str) -> Step:
        """One method of a stage, run; or why none does."""
        name = _NAMES[stage]
        if why := cannot(self.model.info.family, stage):
            return Step(name, "without", why)
        try:
            session = self._session(stage, spec)
        except UsageError as error:
            if "there is no method" not in error.message:
                raise
            return Step(name, "without", error.message, error.hint)
        answer = session.ask(QUESTION, max_new_tokens=4)
        counts = session.meter.counts
        if stage == "pruner":
            found = f"{spec}: {counts['visual_kept']} of {counts['visual_in']} tokens kept"
            worked = 0 < counts["visual_kept"] < counts["visual_in"]
        elif stage == "cache":
            found = f"{spec}: {session.evicted} entries evicted, {session.entries} held"
            worked = session.evicted > 0
        else:
            rows = session.meter.routed["prefill"].rows
            found = f"{spec}: {rows[0]} rows enter the decoder, {rows[-1]} reach its last layer"
            worked = rows[-1] < rows[0]
        return Step(name, "ok" if worked and answer.ids else "failed", found)

    def _session(self, stage: str | None, spec: str | None = None) -> Session:
        from vtc_cli.engine.session import Session

        units = self._units()[1]
        rows = len(self._spans(units)[1])
        options: dict[str, Any] = {"cache": None} if stage is None else {"cache": "window", stage: spec}
        if stage == "cache":
            options["budget"] = 2 * rows + rows // 2  # of four units, or eight, some must go
        session = Session(self.model, pixels=self.settings.pixels, question=QUESTION, chunk=2, max_turn=256, **options)
        session.watch(self.frames)
        return session

    def _units(self) -> tuple[Geometry, list[Unit]]:
        height, width = self.frames[0].image.shape[-2:]
        geometry = self.model.geometry((width, height), self.settings.pixels)
        return geometry, self.model.encode(self.model.prepare(self.frames, geometry), geometry)

    def _spans(self, units: Sequence[Unit]) -> list[Span]:
        from vtc_cli.models.contract import Cursor

        spans = [self.model.open(Cursor(), self.settings.system)]
        for unit in units:
            spans.append(self.model.place(spans[-1].cursor, unit))
        return [*spans, self.model.question(spans[-1].cursor, QUESTION)]

    def _logits(self, spans: Sequence[Span]) -> Tensor:
        """Logits [vocab] of the last row, the spans put one after another into a cache of their own."""
        from vtc_cli.engine.slab import Slab

        dims = self.model.info.decoder
        slab = Slab(dims.layers, sum(map(len, spans)), recurrent=dims.recurrent, windows=dims.windows)
        for span in spans:
            slab.expect(span.unit, span.patch, span.positions)
            logits = self.model.forward(span, slab)
        return logits.cpu()


def moving_square(count: int) -> list[Frame]:
    """Frames of 160 x 120 pixels, two a second, that no two of are alike."""
    import torch

    from vtc_cli.video.frame import Frame

    down, across = torch.meshgrid(torch.linspace(0, 120, 120), torch.linspace(0, 120, 160), indexing="ij")
    ground = torch.stack([down, across, 120 - down]).to(torch.uint8)
    frames = []
    for number in range(count):
        image = ground.clone()
        left = 8 + number * 110 // max(1, count - 1)
        image[:, 40:80, left : left + 40] = torch.tensor([230, 60, 40], dtype=torch.uint8)[:, None, None]
        frames.append(Frame(number / 2, image))
    return frames
