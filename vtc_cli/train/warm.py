"""Beginning from a model that is trained already, instead of from random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from vtc_cli.errors import MachineError


def warm_start(model: Any, run: Path, checkpoint: Path) -> None:
    """Copy the weights of a checkpoint folder of the same shape into `model`, in place.

    Token embeddings are matched by what the tokens spell, so the two may have different vocabularies. run: the folder
    with the new tokenizer.json. Raises MachineError when the folder cannot be read or its model has another shape.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights = load_file(checkpoint / "model.safetensors")
        table = weights.pop("model.language_model.embed_tokens.weight")
        old = _vocabulary(checkpoint)
    except (OSError, SafetensorError, KeyError) as error:
        raise MachineError(f"cannot begin from {checkpoint}: {error}", "name a folder that `vtc train` wrote") from None
    weights.pop("lm_head.weight", None)
    own = model.state_dict()
    for name, value in weights.items():
        if name not in own or own[name].shape != value.shape:
            raise MachineError(
                f"cannot begin from {checkpoint}: its `{name}` does not fit the model of this recipe",
                "use the recipe's sizes that the checkpoint was made with",
            )
    model.load_state_dict({name: value.float() for name, value in weights.items()}, strict=False)
    new = _vocabulary(run)
    embeddings = model.model.language_model.embed_tokens.weight
    shared = sorted(set(old) & set(new))
    with torch.no_grad():
        embeddings[[new[token] for token in shared]] = table[[old[token] for token in shared]].float()


def _vocabulary(folder: Path) -> dict[str, int]:
    from tokenizers import Tokenizer

    return dict(Tokenizer.from_str((folder / "tokenizer.json").read_text(encoding="utf-8")).get_vocab())
