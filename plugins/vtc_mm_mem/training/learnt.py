"""A trained manager at work: the adapter is laid over the model for one token, the likeliest action is taken."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from vtc_cli import UsageError
from vtc_cli.memory import Narrator, model_key
from vtc_mm_mem.judging import Sight
from vtc_mm_mem.training.artefact import check_artefact, check_fits, habit_in
from vtc_mm_mem.training.lora import Lora
from vtc_mm_mem.training.policy import LABELS, TextPolicy
from vtc_mm_mem.training.state import ACTIONS, state_of


class Learnt:
    """See `Decider`."""

    def __init__(self, policy: TextPolicy, lora: Lora, habit: Sequence[float]):
        self._policy, self._lora, self._habit = policy, lora, habit

    @classmethod
    def load(cls, folder: Path, narrator: Narrator) -> Learnt:
        """The manager of a folder. Raises UsageError when it does not go with the narrator's model."""
        facts = check_artefact(folder)
        model: Any = getattr(narrator, "model", None)
        if model is None:
            raise UsageError("a trained manager needs a model to run on", "use manager=rules")
        policy = TextPolicy(model)
        check_fits(folder, facts, model_key(model), dict(zip(LABELS, policy.actions, strict=True)))
        return cls(policy, Lora.read(folder, policy.network), habit_in(facts, LABELS))

    @torch.no_grad()
    def decide(self, sight: Sight) -> str:
        """See `Decider.decide`."""
        with self._policy.without(self._habit), self._lora.on(self._policy.network):
            logs = self._policy.log_probs([self._policy.ids(state_of(sight))])[0]
        return ACTIONS[LABELS[int(logs.argmax())]]
