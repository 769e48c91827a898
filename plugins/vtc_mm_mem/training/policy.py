"""The policy: a language model reads a state and puts its next-token mass on N, M and D."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from vtc_cli import UsageError
from vtc_cli.memory import prompt_ids
from vtc_mm_mem.training.state import ACTIONS, MEANT, prompt_of

LABELS = tuple(ACTIONS)
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj")


class TextPolicy:
    """A loaded model as a policy over text. Its modules may carry an adapter; this reads whatever they compute.

    A model that has answered many questions by letter may put all its mass on one of three letters, whatever the state
    says. From there no sampled action ever differs, and the gradient is nothing: so this habit is measured once and
    taken off (Zhao et al., ICML 2021, calibrate a prompt in the same way), in training as in use.

    Raises UsageError for a model that is not one of transformers' with a decoder of its own.
    """

    def __init__(self, model: Any):
        self._model = model
        self.network: Any = getattr(model, "model", None)
        inner = getattr(self.network, "model", None)
        if inner is None or not hasattr(inner, getattr(model, "DECODER", "")):
            raise UsageError(
                f"{model.info.name} is not a model whose manager can be trained", "`vtc models` lists those that can"
            )
        self.actions: list[int] = model.label_ids(LABELS)

    def ids(self, state: str) -> list[int]:
        """Token ids of the whole prompt, as the model's own chat template writes it, without a video."""
        return prompt_ids(self._model, prompt_of(state), MEANT)

    def log_probs(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        """Log probability of N, M, D at the first place of the answer, fp32 [n, 3], shares of the three alone."""
        device = self.network.get_input_embeddings().weight.device
        longest = max(map(len, prompts))
        # Padding comes after the last word: a causal decoder never sees it.
        ids = torch.tensor([[*prompt, *[0] * (longest - len(prompt))] for prompt in prompts], device=device)
        mask = torch.tensor([[1] * len(prompt) + [0] * (longest - len(prompt)) for prompt in prompts], device=device)
        hidden = self.network.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        last = torch.tensor([len(prompt) - 1 for prompt in prompts], device=device)
        rows = hidden[torch.arange(len(prompts), device=device), last]
        head = self.network.get_output_embeddings()
        logits = head(rows)[:, self.actions].float()
        return torch.log_softmax(logits, -1)

    def habit(self, prompts: Sequence[Sequence[int]]) -> tuple[float, ...]:
        """What the policy makes of each action in the mean over states: log shares, in the order of `LABELS`."""
        with self.not_learning():
            logs = torch.stack([self.log_probs([prompt])[0] for prompt in prompts])
        return tuple(logs.double().mean(0).tolist())

    @contextmanager
    def without(self, habit: Sequence[float]) -> Iterator[None]:
        """While it lasts, whoever reads the network's scores finds those of the actions less by `habit`."""
        head = self.network.get_output_embeddings()
        less = torch.zeros(head.weight.shape[0], device=head.weight.device)
        less[self.actions] = torch.tensor(habit, device=less.device, dtype=less.dtype)
        handle = head.register_forward_hook(lambda module, words, scores: scores.float() - less)
        try:
            yield
        finally:
            handle.remove()

    @contextmanager
    def not_learning(self) -> Iterator[None]:
        """While it lasts the network drops nothing out and no gradients are kept; its mode is then what it was."""
        was = self.network.training
        self.network.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            self.network.train(was)

    def projections(self) -> list[str]:
        """Names, in the network, of the decoder's attention projections: where an adapter goes. Nothing in the tower.

        Raises UsageError where there are none by these names.
        """
        decoder = getattr(self.network.model, self._model.DECODER)
        inside = {id(module) for module in decoder.modules()}
        found = [
            name
            for name, module in self.network.named_modules()
            if name.rpartition(".")[2] in PROJECTIONS and id(module) in inside
        ]
        if not found:
            raise UsageError(
                f"the decoder of {self._model.info.name} has no {', '.join(PROJECTIONS)}", "train on another model"
            )
        return found
