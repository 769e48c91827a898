"""The training of the bundled model, from nothing to a checkpoint folder."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import torch

from vtc_cli.train.architecture import build
from vtc_cli.train.loop import Stage, run
from vtc_cli.train.tokenizer import make_tokenizer, special_ids
from vtc_cli.train.vision import Heads, vision_batch, vision_loss

SEED = 0


def start(folder: Path) -> torch.nn.Module:
    """The untrained model of a run; makes the tokenizer if the run has none."""
    if not (folder / "tokenizer.json").exists():
        make_tokenizer(folder)
    return build(special_ids(folder), seed=SEED)


def train_vision(folder: Path, steps: int, units: int, peak: float) -> None:
    """Stage one: the tower alone, on single units."""
    model = start(folder)
    tower = model.model.visual
    torch.manual_seed(SEED)
    heads = Heads(tower.config.out_hidden_size, len(tower.config.deepstack_visual_indexes))

    def loss(batch: tuple[torch.Tensor, torch.Tensor], step: int) -> tuple[torch.Tensor, dict[str, float]]:
        return vision_loss(tower, heads, *batch, step, torch.bfloat16)

    named = [*tower.named_parameters(), *heads.named_parameters(prefix="heads")]
    run(
        Stage("vision", partial(vision_batch, units=units), loss, {"tower": tower, "heads": heads}, named, steps, peak),
        folder,
    )


def main() -> None:
    """`python -m vtc_cli.train.tiny`: run or resume a stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/tiny"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--vision-steps", type=int, default=1300)
    parser.add_argument("--units", type=int, default=32)
    parser.add_argument("--peak", type=float, default=1.5e-3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    train_vision(options.folder, options.vision_steps, options.units, options.peak)


if __name__ == "__main__":
    main()
