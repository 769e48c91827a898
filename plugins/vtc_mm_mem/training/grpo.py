"""SIB-GRPO with TRL's `GRPOTrainer`: groups of sampled actions, one token each, rewards looked up in the table.

TRL's own KL estimate is a term of the loss and not of the reward, and its sequence ratio is a geometric mean: for
actions of one token both come to what the paper writes.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from vtc_cli import MachineError
from vtc_mm_mem.training.decisions import Decision, Reward
from vtc_mm_mem.training.exact import Course
from vtc_mm_mem.training.policy import LABELS, TextPolicy

EPSILON = 0.2


def check_trl() -> None:
    """Raise MachineError where TRL is not installed."""
    try:
        import datasets  # noqa: F401
        import trl  # noqa: F401
    except ImportError as error:
        raise MachineError(
            f"training with GRPO needs TRL ({error})", "pip install 'vtc-cli[train]', or train with --exact"
        ) from None


def train_grpo(
    policy: TextPolicy,
    tokenizer: Any,
    lora: Any,
    prompts: Sequence[Sequence[int]],
    decisions: Sequence[Decision],
    weights: Sequence[float],
    course: Course,
    group: int,
    folder: Path,
    step: Callable[[int, int, float], None],
) -> Any:
    """Train a LoRA adapter on the policy's network; the network with the adapter.

    lora: PEFT's configuration. weights: of the three parts of a reward. group: actions sampled per state. Raises
    MachineError where TRL is missing.
    """
    check_trl()
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    from datasets import Dataset
    from transformers import PrinterCallback, TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    device = policy.network.get_input_embeddings().weight.device
    batch = max(1, course.batch)
    settings = GRPOConfig(
        output_dir=str(folder),
        beta=course.beta,
        epsilon=EPSILON,
        num_generations=group,
        generation_batch_size=batch * group,
        per_device_train_batch_size=batch * group,
        loss_type="grpo",
        importance_sampling_level="sequence",
        temperature=1.0,
        max_completion_length=2,
        learning_rate=course.rate,
        lr_scheduler_type="constant",
        max_grad_norm=course.clip,
        num_train_epochs=course.epochs,
        reward_weights=list(weights),
        seed=course.seed,
        use_cpu=device.type == "cpu",
        bf16=False,
        gradient_checkpointing=False,
        report_to=[],
        save_strategy="no",
        logging_strategy="steps",
        logging_steps=1,
        disable_tqdm=True,
    )
    generator = torch.Generator().manual_seed(course.seed)

    def rollout(rows: list[str], trainer: Any) -> dict[str, Any]:
        """One action for each prompt, which come repeated for their group: drawn from the three tokens alone."""
        chosen = [prompts[int(row)] for row in rows]
        distinct = list(dict.fromkeys(map(int, rows)))
        with policy.not_learning():
            logs = policy.log_probs([prompts[row] for row in distinct]).cpu()
        table = dict(zip(distinct, logs, strict=True))
        drawn = [int(torch.multinomial(table[int(row)].exp(), 1, generator=generator)) for row in rows]
        return {
            "prompt_ids": [list(ids) for ids in chosen],
            "completion_ids": [[policy.actions[action]] for action in drawn],
            "logprobs": [[float(table[int(row)][action])] for row, action in zip(rows, drawn, strict=True)],
        }

    label_of = dict(zip(policy.actions, LABELS, strict=True))

    def part(name: str, of: Callable[[Reward], float]) -> Callable[..., list[float | None]]:
        def reward(prompts: list[str], completion_ids: list[list[int]], **_: Any) -> list[float | None]:
            return [
                of(decisions[int(row)].rewards[label_of[int(ids[0])]])
                for row, ids in zip(prompts, completion_ids, strict=True)
            ]

        reward.__name__ = name
        return reward

    class Tell(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "reward" in logs:
                step(state.global_step, state.max_steps, float(logs["reward"]))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = GRPOTrainer(
            model=policy.network,
            reward_funcs=[
                part("answers", lambda one: one.answers),
                part("length", lambda one: one.length),
                part("valid", lambda one: one.valid),
            ],
            args=settings,
            train_dataset=Dataset.from_list([{"prompt": str(row)} for row in range(len(decisions))]),
            processing_class=tokenizer,
            peft_config=lora,
            rollout_func=rollout,
            callbacks=[Tell()],
        )
        trainer.remove_callback(PrinterCallback)  # it prints to stdout, where results go
        trainer.train()
    return trainer.accelerator.unwrap_model(trainer.model)
