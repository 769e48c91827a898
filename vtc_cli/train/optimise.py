"""The optimiser both stages share: Muon for the blocks' matrices, AdamW for everything else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

EMBEDDING = 2.5
GAIN = 4.0
FALL, LAST = 0.33, 0.04  # share of the steps over which the rate falls, and to which share of the peak


class Optimiser:
    """Two optimisers under one learning-rate curve: a warm-up, a level stretch, and a fall over the last third.

    Level, because a run may then be made longer while it goes on. named: the parameters to train. peak: learning rate
    of both (Muon's is matched to AdamW's update size); token embeddings, seldom touched, learn EMBEDDING times as fast,
    and the gains of queries and keys GAIN times: how sharp a look can be is their product, thousands of tokens need
    sharp ones, and at the common rate they rise for a whole run without getting there.
    """

    def __init__(self, named: Iterable[tuple[str, nn.Parameter]], peak: float, steps: int):
        matrices: list[nn.Parameter] = []
        rest: list[nn.Parameter] = []
        embeddings: list[nn.Parameter] = []
        gains: list[nn.Parameter] = []
        for name, parameter in named:
            # The mergers' wide matrices would cost more to orthogonalise than the rest of a step.
            if parameter.ndim == 2 and ("blocks." in name or "layers." in name):
                matrices.append(parameter)
            elif "embed_tokens" in name:
                embeddings.append(parameter)
            elif name.endswith(("q_norm.weight", "k_norm.weight")):
                gains.append(parameter)
            else:
                rest.append(parameter)
        self.parameters = matrices + rest + embeddings + gains
        groups = [
            {"params": rest, "scale": 1.0},
            {"params": embeddings, "scale": EMBEDDING},
            {"params": gains, "scale": GAIN},
        ]
        self.parts: list[torch.optim.Optimizer] = [
            torch.optim.Muon(matrices, lr=peak, weight_decay=0.02, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(
                [group for group in groups if group["params"]], lr=peak, betas=(0.9, 0.98), weight_decay=0.0
            ),
        ]
        self.peak, self.steps, self.warmup = peak, steps, min(150, steps // 8 + 1)

    def rate(self, step: int) -> float:
        """Learning rate at a step."""
        if step < self.warmup:
            return self.peak * (step + 1) / self.warmup
        left = max(0.0, (self.steps - step) / (FALL * self.steps))
        return self.peak * (LAST + (1 - LAST) * min(1.0, left))

    def step(self, step: int, clip: float = 1.0) -> float:
        """Apply the gradients; returns their norm before clipping."""
        norm = nn.utils.clip_grad_norm_(self.parameters, clip)
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = self.rate(step) * group.get("scale", 1.0)
            part.step()
            part.zero_grad(set_to_none=True)
        return float(norm)

    def state(self) -> list[Mapping[str, Any]]:
        """For a checkpoint."""
        return [part.state_dict() for part in self.parts]

    def load(self, states: list[Any]) -> None:
        """From a checkpoint."""
        for part, state in zip(self.parts, states, strict=True):
            part.load_state_dict(state)
