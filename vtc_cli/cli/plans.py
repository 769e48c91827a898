"""A plan and a probe as text: rows of facts under a narrow column of names, like the report of a run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from vtc_cli.cli.answers import one_line
from vtc_cli.models.device import AS_ASKED
from vtc_cli.models.spread import in_words
from vtc_cli.report.units import count, length, method_text, operations, size, split_text

if TYPE_CHECKING:
    from vtc_cli.jobs.plan import VideoPlan
    from vtc_cli.video.probing import Probe


def print_plan(plan: VideoPlan, details: bool = False) -> None:
    """Print a plan on stdout: laid out for the width of a terminal, one fact per line in a pipe or file."""
    if not sys.stdout.isatty():
        print(plan_text(plan, details), flush=True)
        return
    from rich.console import Console

    from vtc_cli.report.terminal import SEPARATOR, Rows

    table = [(name, [text.split(SEPARATOR)], "") for name, text in _rows(plan, details)]
    Console(highlight=False).print(Rows(table))


def plan_text(plan: VideoPlan, details: bool = False) -> str:
    """The rows of a plan. details: everything the reader knows of the file, as `vtc probe` shows it."""
    return "\n".join(f" {name:<11} {one_line(text)}" for name, text in _rows(plan, details))


def _rows(plan: VideoPlan, details: bool) -> list[tuple[str, str]]:
    return [*(_details(plan.probe) if details else _clip(plan.probe)), *_cost(plan)]


def _clip(seen: Probe) -> Iterator[tuple[str, str]]:
    long = length(seen.duration) if seen.duration is not None else "length unknown"
    yield "clip", f"{seen.source} · {long} · {seen.size[0]}×{seen.size[1]} · {seen.codec}"


def _details(seen: Probe) -> Iterator[tuple[str, str]]:
    yield from _clip(seen)
    rate = "unknown" if seen.declared_fps is None else f"{seen.declared_fps:g} frames per second"
    varies = {True: ", variable", False: ", constant", None: ""}[seen.variable_rate]
    frames = "" if seen.declared_frames is None else f" · {count(seen.declared_frames)} frames declared"
    yield "rate", f"{rate}{varies}{frames}"
    start = f" · first picture at {seen.start_offset:.3f} s of the container" if seen.start_offset else ""
    clockwork = "from the container" if seen.times == "container" else "assumed from a rate"
    yield "times", f"{clockwork}{start}"
    turned = f"rotated by {seen.rotation}°" if seen.rotation else "upright"
    shape = f" · pixels {seen.pixel_shape:.3g} times as wide as high" if abs(seen.pixel_shape - 1) > 1e-3 else ""
    yield "picture", f"{seen.container} · {turned}{' · mirrored' if seen.mirrored else ''}{shape}"
    sound = f"{len(seen.audio)} audio ({', '.join(seen.audio)})" if seen.audio else "no audio"
    texts = f"{len(seen.subtitles)} subtitles ({', '.join(seen.subtitles)})" if seen.subtitles else "no subtitles"
    yield "tracks", f"{sound} · {texts}"
    yield "readers", f"{seen.frames_reader}; moments: {seen.at_reader or 'none'} ({seen.at_reason})"
    yield "digest", seen.digest or "none (a stream)"


def _cost(plan: VideoPlan) -> Iterator[tuple[str, str]]:
    sampling = plan.sampling
    frames = "unknown" if sampling.frames is None else count(sampling.frames)
    yield "frames", f"{frames} at {sampling.fps:.3g} per second{f' ({sampling.limit})' if sampling.limit else ''}"
    for note in plan.notes:
        yield "note", note
    model, tokens, cache = plan.model, plan.tokens, plan.cache
    if model is None or tokens is None or cache is None or plan.flops is None or plan.memory is None:
        return
    yield "model", f"{model.name} · {model.device} ({model.device_reason}) · {model.dtype} ({model.dtype_reason})"
    if model.name_reason != AS_ASKED:
        yield "", f"chosen by auto: {model.name_reason}"
    yield "method", " · ".join(method_text(item.stage, item.name, item.options) for item in plan.methods)
    width, height = tokens.size
    yield "units", f"{count(tokens.units)} of {model.frames_per_unit} frames, resized to {width}×{height}"
    share = tokens.visual_kept / tokens.visual_in
    yield (
        "tokens",
        f"{tokens.per_unit} per unit → {tokens.kept_per_unit} kept; "
        f"{count(tokens.visual_in)} in all → {count(tokens.visual_kept)} ({share:.1%})",
    )
    yield "", f"{count(tokens.video)} with time tags, after a prefix of {tokens.prefix}; {tokens.question} per question"
    yield (
        "cache",
        f"{cache.policy}, {count(cache.budget_entries)} tokens allowed ({cache.reason}); "
        f"{count(cache.bytes_per_token)} bytes each, {size(cache.bytes)} at the most",
    )
    if cache.split is not None:
        yield "", split_text(asdict(cache.split))
    if cache.evicted:
        kept = 1 - cache.evicted / tokens.video
        gone = f"{count(cache.evicted)} of {count(tokens.video)} evicted in {cache.compactions} compactions"
        yield "", f"{gone} ({kept:.1%} stay)"
    else:
        yield "", "nothing evicted"
    yield (
        "compute",
        f"vision {operations(plan.flops.vision)} · prefill {operations(plan.flops.prefill)} · "
        f"question {operations(plan.flops.question)} · {operations(plan.flops.token)} per answer token (analytic)",
    )
    memory = plan.memory
    yield (
        "memory",
        f"about {size(memory.total)} beside Python and its libraries: weights {size(memory.weights)} · "
        f"cache {size(memory.cache)} · frames {size(memory.frames)} · working {size(memory.working)}",
    )
    if memory.elsewhere:
        rest = (f"{size(amount)} {in_words(place, model.device)}" for place, amount in memory.elsewhere.items())
        yield "", f"on {model.device}; more weights: {', '.join(rest)}"
