"""One resumable training loop for every stage: step, log, checkpoint, stop when asked."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vtc_cli.train.optimise import Optimiser
from vtc_cli.train.stream import batches


class Stopped(Exception):  # noqa: N818 (nothing went wrong)
    """The run was asked to stop; what it has learnt is in its folder."""


class Watcher:
    """What a run tells whoever watches it, and whether it is to stop. This one prints, and never stops a run."""

    def said(self, text: str) -> None:
        """Something worth a line: where a run goes on, and its figures now and then."""
        print(text)

    def stepped(self, stage: str, step: int, steps: int, loss: float) -> None:
        """`step` of `steps` are done; the last one had this loss."""

    def stop(self) -> bool:
        """Asked after every step. True ends the run with `Stopped` once it is saved."""
        return False


@dataclass
class Stage:
    """What one stage of training needs.

    name: used for its files. make: step -> batch (pure, runs in a worker process). loss: batch and step -> scalar and
    figures to log. modules: name -> module to save. trained: which parameters learn.
    """

    name: str
    make: Callable[[int], Any]
    loss: Callable[[Any, int], tuple[torch.Tensor, dict[str, float]]]
    modules: dict[str, nn.Module]
    trained: list[tuple[str, nn.Parameter]]
    steps: int
    peak: float


def run(stage: Stage, folder: Path, every: int = 100, workers: int = 1, watcher: Watcher | None = None) -> None:
    """Train a stage to its last step, from its checkpoint if there is one.

    Writes `<name>.pt` (atomically, every `every` steps) and `<name>.jsonl` (one line per ten steps) into `folder`.
    Raises Stopped when the watcher wants it to stop; it is saved by then.
    """
    watcher = watcher or Watcher()
    folder.mkdir(parents=True, exist_ok=True)
    saved = folder / f"{stage.name}.pt"
    optimiser = Optimiser(stage.trained, stage.peak, stage.steps)
    first, spent = 0, 0.0
    if saved.exists():
        state = torch.load(saved, weights_only=True)
        for name, module in stage.modules.items():
            module.load_state_dict(state["modules"][name])
        first, spent = state["step"], state["seconds"]
        if first < stage.steps:
            optimiser.load(state["optimiser"])
        watcher.said(f"{stage.name}: resumed at step {first} of {stage.steps}")
    if first >= stage.steps:
        return
    started = time.monotonic()
    sums: dict[str, list[float]] = {}
    with open(folder / f"{stage.name}.jsonl", "a") as log:
        for step, batch in enumerate(batches(stage.make, first, stage.steps, workers), first):
            loss, figures = stage.loss(batch, step)
            loss.backward()
            figures |= {"loss": loss.item(), "norm": optimiser.step(step)}
            for name, value in figures.items():
                if value == value:  # a skill that the batch did not hold is NaN
                    sums.setdefault(name, []).append(value)
            if (step + 1) % 10 == 0 or step + 1 == stage.steps:
                line = {name: round(sum(values) / len(values), 4) for name, values in sums.items()}
                line |= {"step": step + 1, "seconds": round(spent + time.monotonic() - started, 1)}
                print(json.dumps(line), file=log, flush=True)
                sums = {}
                if (step + 1) % 50 == 0:
                    watcher.said(f"{stage.name} {json.dumps(line)}")
            watcher.stepped(stage.name, step + 1, stage.steps, figures["loss"])
            stopping = watcher.stop() and step + 1 < stage.steps
            if stopping or (step + 1) % every == 0 or step + 1 == stage.steps:
                _save(stage, optimiser, saved, step + 1, spent + time.monotonic() - started)
            if stopping:
                raise Stopped(f"{stage.name} stopped after step {step + 1} of {stage.steps}")


def _save(stage: Stage, optimiser: Optimiser, path: Path, step: int, seconds: float) -> None:
    state = {
        "step": step,
        "seconds": seconds,
        "modules": {name: module.state_dict() for name, module in stage.modules.items()},
        "optimiser": optimiser.state(),
    }
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)
