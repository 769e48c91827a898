"""Beginning from a model that is trained already, instead of from random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from vtc_cli.errors import MachineError

NEVER_USED = "ÿ"  # how byte-level BPE spells the byte 0xFF
COLLAPSED = 0.8  # cosine with it from which an embedding counts as never learnt


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
    # Tokens that no text of the first training had were all pushed the same way, into one vector: like the byte that
    # UTF-8 never has. Learning to tell them apart again takes longer than beginning anew.
    likeness = torch.cosine_similarity(table.float(), table[old[NEVER_USED]].float()[None])
    shared = sorted(token for token in set(old) & set(new) if likeness[old[token]] < COLLAPSED)
    with torch.no_grad():
        spread = table[[old[token] for token in shared]].float().std()
        embeddings.normal_(0.0, float(spread), generator=torch.Generator().manual_seed(0))
        embeddings[[new[token] for token in shared]] = table[[old[token] for token in shared]].float()


def _vocabulary(folder: Path) -> dict[str, int]:
    from tokenizers import Tokenizer

    return dict(Tokenizer.from_str((folder / "tokenizer.json").read_text(encoding="utf-8")).get_vocab())
