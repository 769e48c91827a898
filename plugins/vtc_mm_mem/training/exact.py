"""The exact variant: with three actions the expectation needs no sampling. All three are scored, weighed by the policy.

The gradient is that of GRPO in the limit of an endless group: advantages are rewards around the policy's own mean, over
their spread in the group, and a KL term holds the policy near the model without its adapter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vtc_mm_mem.training.policy import TextPolicy

LEAST_SPREAD = 0.01
"""Rewards that lie closer than this tell nothing: a hundredth of a share is noise of the answering model."""


@dataclass(frozen=True)
class Course:
    """How to train. rate: of AdamW. beta: of the KL. batch: states of a step. epochs: over all states. seed: of their
    order and of dropout. clip: of the gradient's norm."""

    epochs: int = 3
    rate: float = 1e-5
    beta: float = 0.1
    batch: int = 8
    seed: int = 0
    clip: float = 1.0


def advantages(rewards: Tensor, shares: Tensor) -> Tensor:
    """[n, 3] of rewards and of the policy's shares: around the policy's mean, over the spread of the three."""
    mean = (shares * rewards).sum(-1, keepdim=True)
    spread = rewards.std(-1, keepdim=True, unbiased=False).clamp_min(LEAST_SPREAD)
    return (rewards - mean) / spread


def train_exactly(
    policy: TextPolicy,
    parameters: Sequence[torch.nn.Parameter],
    reference: Callable[[], AbstractContextManager[None]],
    prompts: Sequence[Sequence[int]],
    rewards: Tensor,
    course: Course,
    step: Callable[[int, int, float], None],
) -> None:
    """Train `parameters` in place.

    reference: a context in which the policy is the one it began as. prompts: token ids of each state. rewards: [n, 3].
    step: called with (step, of how many, mean reward expected of the batch).
    """
    optimiser = torch.optim.AdamW(parameters, lr=course.rate, weight_decay=0.0)
    rng = np.random.default_rng(course.seed)
    torch.manual_seed(course.seed)
    per_epoch = -(-len(prompts) // course.batch)
    number = 0
    for _ in range(course.epochs):
        order = rng.permutation(len(prompts))
        for first in range(0, len(order), course.batch):
            chosen = order[first : first + course.batch].tolist()
            words, worth = [prompts[place] for place in chosen], rewards[chosen]
            with torch.no_grad(), reference():
                held = policy.log_probs(words)
            logs = policy.log_probs(words)
            shares = logs.exp()
            gain = (shares * advantages(worth.to(logs), shares.detach())).sum(-1).mean()
            divergence = (shares * (logs - held)).sum(-1).mean()
            optimiser.zero_grad()
            (course.beta * divergence - gain).backward()
            torch.nn.utils.clip_grad_norm_(parameters, course.clip)
            optimiser.step()
            number += 1
            step(number, per_epoch * course.epochs, float((shares.detach().cpu() * worth).sum(-1).mean()))
