"""The whole of training a manager: films to decisions, decisions to an adapter, and what it is worth on other films."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from vtc_cli import MachineError, UsageError
from vtc_cli.memory import Lesson, Log, Narrator, TrainingRequest, held_out, model_key
from vtc_mm_mem.training.artefact import write_facts
from vtc_mm_mem.training.decisions import Decision, Sampling, Table, shuffled
from vtc_mm_mem.training.exact import Course, train_exactly
from vtc_mm_mem.training.policy import LABELS, TextPolicy

if TYPE_CHECKING:
    from vtc_mm_mem.method import MMMem


@dataclass(frozen=True)
class Recipe:
    """Everything that can be chosen about a training; see `Sampling` and `Course`.

    exact: score all three actions instead of sampling groups with TRL. group: actions sampled per state. rank, alpha,
    dropout: of the adapter. answers, length, valid: weights of the reward's parts. shuffled: deal the rewards of each
    state to its actions at random, the control under which nothing can be learnt. held_out: share of the films.
    """

    exact: bool = False
    epochs: int = 3
    rate: float = 1e-5
    beta: float = 0.1
    batch: int = 8
    group: int = 8
    rank: int = 64
    alpha: int = 128
    dropout: float = 0.05
    answers: float = 1.0
    length: float = 0.1
    valid: float = 0.5
    window: int = 16
    most: int = 6
    explore: float = 0.3
    budget: float = 240.0
    held_out: float = 0.33
    shuffled: bool = False
    seed: int = 0

    @property
    def weights(self) -> tuple[float, float, float]:
        return (self.answers, self.length, self.valid)

    @staticmethod
    def of(options: Mapping[str, Any]) -> Recipe:
        """Raises UsageError for an unknown key."""
        known = {item.name for item in fields(Recipe)}
        if unknown := sorted(set(options) - known):
            raise UsageError(f"training has no option {unknown[0]!r}", f"there are: {', '.join(sorted(known))}")
        return Recipe(**options)


@dataclass(frozen=True)
class Worth:
    """Mean reward over the same states: of the policy without its habit, before and after (expected), of the rules, of
    the best action in each state, and of drawing an action blindly. answers: the same of the answers alone."""

    states: int
    before: float
    after: float
    rules: float
    best: float
    blind: float

    def as_json(self) -> dict[str, float]:
        """Rounded."""
        return {name: round(value, 6) for name, value in asdict(self).items()}


def train_manager(
    method: MMMem, lessons: Sequence[Lesson], model: Any, narrator: Narrator, request: TrainingRequest
) -> Path:
    """Train and write an artefact to `request.output`. See `VideoMemory.train`.

    Raises UsageError without decisions to learn from, MachineError where PEFT or TRL is missing.
    """
    recipe = Recipe.of({"seed": request.seed, **request.options})
    tell: Callable[[str], None] = request.step or (lambda text: None)
    policy = TextPolicy(model)
    _check_peft()
    if not recipe.exact:
        from vtc_mm_mem.training.grpo import check_trl

        check_trl()
    request.folder.mkdir(parents=True, exist_ok=True)
    learnt, apart = _decisions(method, lessons, narrator, recipe, request.log, tell)
    report = train_on(policy, learnt, apart, recipe, request.folder, tell, model.tokenizer, request.output)
    options = {name: getattr(method, name) for name in ("merge", "same", "longest", "shortest")}
    actions = dict(zip(LABELS, policy.actions, strict=True))
    write_facts(request.output, model_key(model), actions, report["habit"], options, report)
    return request.output


def _decisions(
    method: MMMem,
    lessons: Sequence[Lesson],
    narrator: Narrator,
    recipe: Recipe,
    log: Log,
    tell: Callable[[str], None],
) -> tuple[list[Decision], list[Decision]]:
    """Decisions to learn from, and those of films kept apart."""
    sampling = Sampling(recipe.window, recipe.most, recipe.explore, recipe.budget, recipe.seed)
    table = Table(method, narrator, sampling, log)
    parts: list[list[Decision]] = []
    for films in held_out(lessons, recipe.held_out):
        parts.append([])
        for lesson in films:
            found = list(table.of(lesson))
            parts[-1] += found
            tell(f"{lesson.name}: {len(found)} decisions")
    if not parts[0]:
        raise UsageError("the films hold no decision to learn from", "give more films, or longer ones")
    return parts[0], parts[1]


def train_on(
    policy: TextPolicy,
    learnt: Sequence[Decision],
    apart: Sequence[Decision],
    recipe: Recipe,
    folder: Path,
    tell: Callable[[str], None],
    tokenizer: Any,
    output: Path | None,
) -> dict[str, Any]:
    """Train on a table and say what it is worth; the adapter is written to `output`, if it is given."""
    prompts, others = [policy.ids(one.state) for one in learnt], [policy.ids(one.state) for one in apart]
    taught = shuffled(learnt, recipe.seed) if recipe.shuffled else learnt
    curve: list[tuple[int, float]] = []

    def step(number: int, of: int, reward: float) -> None:
        curve.append((number, round(reward, 6)))
        tell(f"step {number} of {of}: reward {reward:.4f}")

    was = policy.network.training
    frozen = {name: part.requires_grad for name, part in policy.network.named_parameters()}
    habit = policy.habit(prompts)
    with policy.without(habit):
        before = [_shares(policy, prompts), _shares(policy, others)]
        tuned = _tuned(policy, prompts, taught, recipe, folder, tokenizer, step)
        tuned.eval()
        after = [_shares(policy, prompts), _shares(policy, others)]
    if output is not None:
        _save(tuned, output)
    network = tuned.unload()
    network.train(was)
    for name, part in network.named_parameters():
        part.requires_grad_(frozen.get(name, False))
    report = {
        "recipe": asdict(recipe),
        "habit": dict(zip(LABELS, habit, strict=True)),
        "learnt_from": worth(learnt, before[0], after[0], recipe.weights).as_json(),
        "kept_apart": worth(apart, before[1], after[1], recipe.weights).as_json() if apart else None,
        "apart": [
            {"film": one.film, "before": round(old, 6), "after": round(new, 6)}
            for one, old, new in zip(
                apart,
                expected(apart, before[1], recipe.weights),
                expected(apart, after[1], recipe.weights),
                strict=True,
            )
        ],
        "curve": curve,
    }
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return report


def _tuned(
    policy: TextPolicy,
    prompts: Sequence[Sequence[int]],
    taught: Sequence[Decision],
    recipe: Recipe,
    folder: Path,
    tokenizer: Any,
    step: Callable[[int, int, float], None],
) -> Any:
    """The policy's network with an adapter that has learnt."""
    from peft import LoraConfig, get_peft_model

    course = Course(recipe.epochs, recipe.rate, recipe.beta, recipe.batch, recipe.seed)
    lora = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=policy.projections(),
        bias="none",
    )
    torch.manual_seed(recipe.seed)  # of the adapter's first weights
    if not recipe.exact:
        from vtc_mm_mem.training.grpo import train_grpo

        return train_grpo(
            policy, tokenizer, lora, prompts, taught, recipe.weights, course, recipe.group, folder / "trl", step
        )
    tuned = get_peft_model(policy.network, lora)
    tuned.train()
    mine = [part for part in tuned.parameters() if part.requires_grad]
    rewards = torch.tensor([one.total(recipe.weights) for one in taught])
    train_exactly(policy, mine, tuned.disable_adapter, prompts, rewards, course, step)
    return tuned


def worth(
    decisions: Sequence[Decision],
    before: Sequence[Sequence[float]],
    after: Sequence[Sequence[float]],
    weights: Sequence[float],
) -> Worth:
    """See `Worth`. before, after: the policy's shares in each state."""
    totals = [one.total(weights) for one in decisions]
    count = len(decisions)
    was, now = (math.fsum(expected(decisions, shares, weights)) / count for shares in (before, after))
    rules = math.fsum(total[LABELS.index(one.rule)] for one, total in zip(decisions, totals, strict=True)) / count
    best, blind = math.fsum(map(max, totals)) / count, math.fsum(map(math.fsum, totals)) / (count * len(LABELS))
    return Worth(count, was, now, rules, best, blind)


def expected(decisions: Sequence[Decision], shares: Sequence[Sequence[float]], weights: Sequence[float]) -> list[float]:
    """The mean reward of drawing from the policy in each state. shares: the policy's."""
    return [
        math.fsum(share * reward for share, reward in zip(row, one.total(weights), strict=True))
        for one, row in zip(decisions, shares, strict=True)
    ]


def _shares(policy: TextPolicy, prompts: Sequence[Sequence[int]]) -> list[list[float]]:
    with policy.not_learning():
        return [policy.log_probs([prompt])[0].exp().tolist() for prompt in prompts]


def _save(tuned: Any, output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
        tuned.save_pretrained(str(output))
    except OSError as error:
        raise MachineError(f"{output} cannot be written: {error}", "make room, or name another --output") from None


def _check_peft() -> None:
    try:
        import peft  # noqa: F401
    except ImportError as error:
        raise MachineError(f"training a manager needs PEFT ({error})", "pip install 'vtc-cli[train]'") from None
