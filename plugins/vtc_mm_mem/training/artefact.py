"""A trained manager on disk: a LoRA adapter as PEFT writes it, and what it may be used with. Nothing in it is code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from vtc_cli import UsageError
from vtc_mm_mem.training.state import STATE_VERSION

SCHEMA = "vtc.manager/1"
FILE, CONFIG, WEIGHTS = "vtc_manager.json", "adapter_config.json", "adapter_model.safetensors"
AGAIN = "`vtc train manager` makes one"


def write_facts(
    folder: Path,
    model: str,
    actions: Mapping[str, int],
    habit: Mapping[str, float],
    options: Mapping[str, Any],
    told: Any,
) -> None:
    """What the adapter beside it may be used with. model: the key of its weights; habit: log shares that the policy
    was trained without; options: of the memory it was trained for; told: of the training, for people."""
    facts = {
        "schema": SCHEMA,
        "state": STATE_VERSION,
        "model": model,
        "actions": dict(actions),
        "habit": dict(habit),
        "options": dict(options),
        "training": told,
    }
    (folder / FILE).write_text(json.dumps(facts, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def check_artefact(folder: Path) -> dict[str, Any]:
    """The facts of a trained manager. Raises UsageError: it is none, not whole, or of another version."""
    if not folder.is_dir():
        raise UsageError(f"manager {str(folder)!r} is neither rules nor vlm nor a folder", AGAIN)
    try:
        facts: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"{folder} is not a trained manager: {Path(error.filename).name} is missing", AGAIN) from None
    except (OSError, ValueError) as error:
        raise UsageError(f"the manager {folder} cannot be read: {error}", AGAIN) from None
    if not isinstance(facts, dict) or facts.get("schema") != SCHEMA:
        raise UsageError(f"{folder / FILE} is not of a manager that this vtc reads ({SCHEMA})", AGAIN)
    if facts.get("state") != STATE_VERSION:
        raise UsageError(
            f"the manager {folder} reads states of version {facts.get('state')}, and this vtc writes {STATE_VERSION}",
            "train it again with this vtc",
        )
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise UsageError(f"the adapter in {folder} is not LoRA", AGAIN)
    if not (folder / WEIGHTS).is_file():
        raise UsageError(f"{folder} is not a trained manager: {WEIGHTS} is missing", AGAIN)
    habit = facts.get("habit", {})
    if not isinstance(habit, dict) or not all(isinstance(value, int | float) for value in habit.values()):
        raise UsageError(f"the habit in {folder / FILE} is no number for each action", AGAIN)
    return facts


def check_fits(folder: Path, facts: Mapping[str, Any], model: str, actions: Mapping[str, int]) -> None:
    """Raise UsageError when the manager was trained on another model, or its labels are other tokens there."""
    if facts.get("model") != model:
        raise UsageError(
            f"the manager {folder} was trained on {facts.get('model')}, and {model} is loaded",
            "index with that model, or train a manager for this one",
        )
    if facts.get("actions") != dict(actions):
        raise UsageError(f"the manager {folder} writes other tokens for its actions than {model} does", AGAIN)


def habit_in(facts: Mapping[str, Any], labels: Sequence[str]) -> tuple[float, ...]:
    """What to take off the scores of the actions; nothing in a manager that was trained before habits were."""
    return tuple(float(facts.get("habit", {}).get(label, 0.0)) for label in labels)


def artefact_digest(folder: Path) -> str:
    """Names the weights and what they read: 16 hex digits, the same wherever the folder lies."""
    digest = blake2b(digest_size=8)
    for name in (CONFIG, WEIGHTS):
        digest.update((folder / name).read_bytes())
    facts = json.loads((folder / FILE).read_text(encoding="utf-8"))
    digest.update(json.dumps([STATE_VERSION, facts.get("habit", {})], sort_keys=True).encode())
    return digest.hexdigest()
