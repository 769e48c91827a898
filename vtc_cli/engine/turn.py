"""One question and its answer, on top of the video and gone afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

from torch import Tensor

from vtc_cli.engine.answer import Answer
from vtc_cli.engine.beginning import prompt_rows
from vtc_cli.engine.context import Context, Placed
from vtc_cli.engine.decode import Decoded, Sampler, TextStream, decode, posterior
from vtc_cli.engine.evidence import attending
from vtc_cli.errors import UsageError
from vtc_cli.models.contract import Cursor, Span


@dataclass(frozen=True)
class Turn:
    """What is asked and how it is to be answered; see `Session.ask`."""

    question: str
    choices: Mapping[str, str] = field(default_factory=dict)
    temperature: float = 0.0
    seed: int = 0
    limit: int = 128
    on_token: Callable[[str], None] | None = None
    evidence: bool = True

    def check(self, context: Context, room: int) -> None:
        """Raise UsageError when the turn cannot be: before any forward."""
        if not self.question.strip():
            raise UsageError("the question is empty")
        if self.temperature < 0 or self.limit < 1:
            raise UsageError(
                f"temperature {self.temperature} and max_new_tokens {self.limit}: at least 0 and 1 are wanted"
            )
        if self.choices:
            context.model.label_ids(list(self.choices))
        prompt = len(context.model.question(context.cursor, self.question, self.choices or None))
        answer = 0 if self.choices else self.limit - 1  # the last token is never appended
        if prompt + answer > room:
            raise UsageError(
                f"the question takes {prompt:,} entries and its answer up to {answer:,}: {prompt + answer:,} > "
                f"{room:,} reserved for a turn",
                "shorten the question, lower --max-new-tokens, or give the session a larger max_turn",
            )

    def spans(self, context: Context, cut: Sequence[Placed]) -> list[Span]:
        """The rows of the cut unit, if any, and of the question, after what `context` holds."""
        return prompt_rows(context, cut, self.question, self.choices or None)

    def take(self, context: Context, cut: Sequence[Placed], began: float) -> Answer:
        """Append the cut unit, if any, and the question; answer; leave the cache as it was, whatever happens."""
        slab, meter = context.slab, context.meter
        with context.passing() as mark:
            with meter.time("first_token"):
                spans = self.spans(context, cut)
                watcher = attending(slab, context.model.info.attention) if self.evidence else nullcontext()
                with watcher as attended:
                    logits = context.forward(Span.join(spans), "question")
                times = context.times | {unit.index: unit.span for unit, _ in cut}
                evidence = attended.evidence(times) if attended is not None else None
            answered = self._choose(context, logits) if self.choices else self._write(context, logits, spans[-1].cursor)
        decoded, text, shares, first = answered
        completing = sum(len(span) for _, span in cut)
        meter.add("questions")
        meter.add("prompt", len(spans[-1]))
        meter.add("generated", len(decoded.ids))
        return Answer(
            text=text,
            ids=decoded.ids,
            finish="choices" if self.choices else decoded.finish,
            posterior=shares,
            evidence=evidence,
            counts={
                "context": mark.held,
                "completing": completing,
                "prompt": len(spans[-1]),
                "generated": len(decoded.ids),
            },
            seconds={"first_token": first - began, "generate": time.perf_counter() - first},
            evicted=meter.counts["evicted"],
            notes=_notes(context),
        )

    def _choose(self, context: Context, logits: Tensor) -> tuple[Decoded, str, dict[str, float] | None, float]:
        labels = list(self.choices)
        with context.meter.time("first_token"):
            ids = context.model.label_ids(labels)
            shares = posterior(logits, labels, ids)
        best = max(labels, key=lambda label: shares[label])
        if self.on_token is not None:
            self.on_token(best)
        return Decoded((ids[labels.index(best)],), "stop"), best, shares, time.perf_counter()

    def _write(
        self, context: Context, logits: Tensor, cursor: Cursor
    ) -> tuple[Decoded, str, dict[str, float] | None, float]:
        model, show = context.model, self.on_token
        stream = TextStream(model.text) if show else None
        pick = Sampler(self.temperature, self.seed).pick
        with context.meter.time("first_token"):
            first_token = pick(logits)
            first = time.perf_counter()

        def tell(token: int) -> None:
            if stream is not None and show is not None and (piece := stream.add(token)):
                show(piece)

        def append(token: int) -> Tensor:
            nonlocal cursor
            span = model.continuation(cursor, [token])
            cursor = span.cursor
            return context.forward(span, "decode")

        with context.meter.time("generate"):
            decoded = decode(first_token, append, pick, stop=model.stop_ids, limit=self.limit, on_token=tell)
        if stream is not None and show is not None and (piece := stream.finish()):
            show(piece)
        return decoded, model.text(decoded.ids), None, first


def _notes(context: Context) -> tuple[str, ...]:
    trained = context.model.info.context
    if context.slab.numbered:
        note = f"entries are numbered by their place in the cache: the video would have passed {trained:,} positions"
        return (*context.caveats, note)
    if context.cursor.next > trained:
        return (*context.caveats, f"positions have passed {trained:,}, the length the model was trained for")
    return context.caveats
