"""LoRA adapters: what training added to a model, folded into its weights when it is loaded.

A folded adapter costs nothing while the model runs, and leaves the model's modules as every method expects them.
"""

from __future__ import annotations

import importlib.util
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vtc_cli.errors import MachineError, UsageError
from vtc_cli.models.weights import read_header

_CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


@dataclass(frozen=True)
class Lora:
    """An adapter on this machine. name: as the user gave it."""

    name: str
    folder: Path


def find_lora(name: str) -> Lora:
    """The adapter called `name`: a folder, or a hub id, which is fetched when it is not in the cache.

    Raises UsageError for a name that can be neither, MachineError for what cannot be had or is no LoRA adapter.
    """
    if importlib.util.find_spec("peft") is None:
        raise MachineError("--adapter needs peft, which is not installed.", "pip install 'vtc-cli[lora]'")
    folder = folder_of(name) or _fetch(name)
    try:
        config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
        kind = config["peft_type"]
    except FileNotFoundError as error:
        raise MachineError(f"{folder} holds no {_CONFIG}, so it is not an adapter.", "Check --adapter.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MachineError(f"{folder / _CONFIG} cannot be read: {error}.", "Save the adapter again.") from error
    if kind != "LORA":
        raise MachineError(f"{name} is a {kind} adapter; only LoRA is folded into weights.", "Use a LoRA adapter.")
    if not (folder / _WEIGHTS).is_file():
        raise MachineError(
            f"{folder} holds no {_WEIGHTS}; other formats are pickles that can run code.",
            "Save it again where you trust it, with safe_serialization=True.",
        )
    return Lora(name, folder)


def folder_of(name: str) -> Path | None:
    """The folder called `name`; None for a hub id, which is somewhere else. Raises UsageError for any other name."""
    folder = Path(os.path.expanduser(name))
    if folder.is_dir():
        return folder
    if name.count("/") != 1 or name.startswith((".", "~", os.sep)):
        raise UsageError(f"there is no adapter folder {name}.", "Check the path; a hub id is owner/name.")
    return None


def fold(model: Any, lora: Lora, name: str) -> Any:
    """`model` with the adapter's changes in its weights. name: how messages call the model.

    Raises MachineError when the adapter was made for another model, or is damaged.
    """
    from peft import PeftModel, get_peft_model_state_dict

    wrong = "Use the model that adapter_config.json names as its base."
    stored = set(read_header(lora.folder / _WEIGHTS))
    try:
        changed = PeftModel.from_pretrained(model, str(lora.folder))
    except (ValueError, RuntimeError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise MachineError(f"the adapter {lora.name} does not fit {name}: {reason}", wrong) from error
    # A weight that finds no place is only warned about there.
    lost = stored ^ set(get_peft_model_state_dict(changed))
    if lost:
        raise MachineError(
            f"the adapter {lora.name} does not fit {name}: {len(lost)} of its weights have no counterpart "
            f"({min(lost)}).",
            wrong,
        )
    return changed.merge_and_unload()


def _fetch(name: str) -> Path:
    from huggingface_hub import constants, snapshot_download

    from vtc_cli.models.hub import absent, hub_errors, online
    from vtc_cli.models.quiet import quiet

    here = not online()
    with hub_errors(name, None), quiet():
        folder = Path(
            snapshot_download(
                name,
                cache_dir=constants.HF_HUB_CACHE,
                allow_patterns=[_CONFIG, _WEIGHTS],
                local_files_only=here,
            )
        )
    if here and not (folder / _WEIGHTS).is_file():
        raise absent(name)
    return folder
