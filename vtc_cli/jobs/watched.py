"""One video after watching, and what its records say of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vtc_cli.report.facts import CacheFacts, Evidence, Outcome, Sampling
from vtc_cli.video.sampling import SamplingPlan

if TYPE_CHECKING:
    from vtc_cli.engine.answer import Answer
    from vtc_cli.engine.session import Session
    from vtc_cli.models.contract import Geometry


@dataclass(frozen=True)
class Watched:
    """One session after watching.

    stage_seconds: of decoding and of each of the session's stages; part of it was spent in the decoding thread.
    watch_seconds, cold_seconds: wall time of watching, and of opening and watching together.
    """

    session: Session
    plan: SamplingPlan
    geometry: Geometry
    kept_per_unit: int
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

    def cache(self, policy: str, answer: Answer) -> CacheFacts:
        """The bounded cache as the answer found it. policy: what the user calls it."""
        session = self.session
        allowance, peaks = session.allowance, session.meter.peaks
        return CacheFacts(
            policy=policy,
            budget_entries=allowance.entries if allowance is not None else None,
            budget_bytes=allowance.bytes if allowance is not None else None,
            reason=allowance.reason if allowance is not None else None,
            entries_peak=peaks.get("kv_budgeted_entries"),
            bytes_peak=peaks.get("kv_budgeted_bytes"),
            evicted=answer.evicted,
            compactions=session.meter.counts["compactions"],
        )


def outcome(answer: Answer) -> Outcome:
    """What came of a question."""
    evidence = None if answer.evidence is None else [Evidence(item.time, item.score) for item in answer.evidence]
    return Outcome(answer.text, answer.posterior, answer.finish, evidence, answer.notes)
