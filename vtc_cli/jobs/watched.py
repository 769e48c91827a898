"""One video after watching, and what its records say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from vtc_cli.jobs.split import Split
from vtc_cli.methods.registry import Chosen
from vtc_cli.report.facts import CacheFacts, Evidence, MethodFacts, Outcome, Sampling
from vtc_cli.video.sampling import SamplingPlan

if TYPE_CHECKING:
    from vtc_cli.engine.answer import Answer
    from vtc_cli.engine.session import Session
    from vtc_cli.models.contract import Geometry, ModelInfo


@dataclass(frozen=True)
class Watched:
    """One session after watching.

    methods: as they ran, the pruner sized where one budget was given; split: how that was spent.
    stage_seconds: of decoding and of each of the session's stages; part of it was spent in the decoding thread.
    watch_seconds, cold_seconds: wall time of watching, and of opening and watching together.
    """

    session: Session
    methods: Mapping[str, Chosen]
    plan: SamplingPlan
    geometry: Geometry
    kept_per_unit: int
    split: Split | None
    stage_seconds: dict[str, float]
    watch_seconds: float
    cold_seconds: float

    def sampling(self, frames_per_unit: int) -> Sampling:
        """Which frames were watched, and at what size."""
        plan, geometry = self.plan, self.geometry
        return Sampling(
            fps=plan.fps,
            start=plan.start,
            end=plan.end,
            frames=plan.frames,
            frames_per_unit=frames_per_unit,
            size=(geometry.size[1], geometry.size[0]),
            grid=geometry.grid,
            tokens_per_unit=geometry.tokens,
            kept_per_unit=self.kept_per_unit,
        )

    def cache(self, answer: Answer) -> CacheFacts:
        """The bounded cache as the answer found it."""
        session = self.session
        allowance, peaks = session.allowance, session.meter.peaks
        return CacheFacts(
            policy=self.methods["cache"].name,
            budget_entries=allowance.entries if allowance is not None else None,
            budget_bytes=allowance.bytes if allowance is not None else None,
            reason=allowance.reason if allowance is not None else None,
            entries_peak=peaks.get("kv_budgeted_entries"),
            bytes_peak=peaks.get("kv_budgeted_bytes"),
            evicted=answer.evicted,
            compactions=session.meter.counts["compactions"],
            split=None if self.split is None else asdict(self.split),
        )


def method_facts(methods: Mapping[str, Chosen], info: ModelInfo | None) -> list[MethodFacts]:
    """What records say of methods. info: the model they run with, None where none was loaded."""
    return [
        MethodFacts(
            chosen.stage,
            chosen.name,
            chosen.options if info is None else dict(chosen.method.options_on(info)),
            chosen.distribution,
            chosen.version,
        )
        for chosen in methods.values()
    ]


def outcome(answer: Answer) -> Outcome:
    """What came of a question."""
    evidence = None if answer.evidence is None else [Evidence(item.time, item.score) for item in answer.evidence]
    return Outcome(answer.text, answer.posterior, answer.finish, evidence, answer.notes)
