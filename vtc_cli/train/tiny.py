"""The training of the bundled model, from nothing to a checkpoint folder.

`python -m vtc_cli.train.tiny` runs or resumes it; the same recipe and folder always continue the same run.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import torch

from vtc_cli.train.architecture import build
from vtc_cli.train.checkpoint import save
from vtc_cli.train.forward import Blocks
from vtc_cli.train.language import language_batch, language_loss
from vtc_cli.train.loop import Stage, run
from vtc_cli.train.tokenizer import make_tokenizer, special_ids
from vtc_cli.train.vision import Heads, vision_batch, vision_loss
from vtc_cli.train.warm import warm_start


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights.

    steps per stage; units: per step; peak: highest learning rate; begin_from: checkpoint folder whose weights a run
    begins with, random ones when it is empty.
    """

    vision_steps: int = 1300
    language_steps: int = 1500
    units: int = 32
    peak: float = 1.5e-3
    seed: int = 0
    depth: int = 8
    hidden: int = 192
    layers: int = 8
    text_hidden: int = 256
    begin_from: str = ""


def start(folder: Path, recipe: Recipe) -> Any:
    """The untrained model of a run; makes the tokenizer if the run has none."""
    if not (folder / "tokenizer.json").exists():
        make_tokenizer(folder)
    sizes = {name: getattr(recipe, name) for name in ("depth", "hidden", "layers", "text_hidden", "seed")}
    model = build(special_ids(folder), **sizes)
    if recipe.begin_from:
        warm_start(model, folder, Path(recipe.begin_from))
    return model


def train_vision(folder: Path, recipe: Recipe, device: torch.device, blocks: Blocks) -> None:
    """Stage one: the tower alone, on single units."""
    tower = start(folder, recipe).model.visual.to(device)
    torch.manual_seed(recipe.seed)
    heads = Heads(tower.config.out_hidden_size, len(tower.config.deepstack_visual_indexes)).to(device)

    def loss(batch: tuple[torch.Tensor, torch.Tensor], step: int) -> tuple[torch.Tensor, dict[str, float]]:
        return vision_loss(tower, heads, *batch, step, torch.bfloat16, blocks)

    named = [*tower.named_parameters(), *heads.named_parameters(prefix="heads")]
    make = partial(vision_batch, units=recipe.units)
    modules = {"tower": tower, "heads": heads}
    run(Stage("vision", make, loss, modules, named, recipe.vision_steps, recipe.peak), folder)


def train_language(folder: Path, recipe: Recipe, device: torch.device, blocks: Blocks) -> None:
    """Stage two: the decoder, on films of one to eight units, over the tower of stage one."""
    model = start(folder, recipe).to(device)
    model.model.visual.load_state_dict(_modules(folder, "vision")["tower"])
    model.model.visual.requires_grad_(False)
    decoder = model.model.language_model

    def loss(batch: Mapping[str, Any], step: int) -> tuple[torch.Tensor, dict[str, float]]:
        return language_loss(model, batch, step, torch.bfloat16, blocks)

    make = partial(language_batch, folder=str(folder), steps=recipe.language_steps, films=recipe.units)
    named = list(decoder.named_parameters())
    run(Stage("language", make, loss, {"decoder": decoder}, named, recipe.language_steps, recipe.peak), folder)


def trained(folder: Path, recipe: Recipe) -> Any:
    """The model of a run, as far as it has come."""
    model = start(folder, recipe)
    model.model.visual.load_state_dict(_modules(folder, "vision")["tower"])
    model.model.language_model.load_state_dict(_modules(folder, "language")["decoder"])
    return model


def _modules(folder: Path, stage: str) -> dict[str, Any]:
    modules: dict[str, Any] = torch.load(folder / f"{stage}.pt", weights_only=True, map_location="cpu")["modules"]
    return modules


def card(folder: Path, recipe: Recipe, notes: str = "") -> str:
    """The model card: what it is, how it was made, what the last log lines of its training say.

    notes: what happened to this run that the recipe does not say.
    """
    last = {}
    for stage in ("vision", "language"):
        lines = (folder / f"{stage}.jsonl").read_text().splitlines()
        last[stage] = json.loads(lines[-1])
    hours = sum(line["seconds"] for line in last.values()) / 3600
    return f"""---
license: apache-2.0
pipeline_tag: video-text-to-text
---
# tiny

A small Qwen3-VL-architecture model trained from scratch on a procedural world of moving coloured shapes and digits.
It answers questions about that world only. It exists so that every code path and every accuracy figure of `vtc`
can be had offline, on any machine; do not expect it to understand real footage.

- Tower: {recipe.depth} blocks of width {recipe.hidden}; decoder: {recipe.layers} layers of width {recipe.text_hidden}.
- 128 x 128 pixels, two frames per unit, 64 language-model tokens per unit.
- Questions: colour of a shape, shape of a colour, is there a ..., how many ..., which way does ... move, which digit.

## How it was made

    python -m vtc_cli.train.tiny --recipe '{json.dumps(asdict(recipe))}'

{hours:.1f} hours, one thread, bfloat16 products over fp32 weights. Stage one taught the tower dense labels of
every cell; stage two taught the decoder to answer, with the tower frozen. Only whole units were shown: no pruned or
merged tokens.
{notes}

Last training figures (running means of ten steps, training films, teacher-forced):

    vision   {json.dumps(last["vision"])}
    language {json.dumps(last["language"])}

Accuracy on films it has never seen, through mp4 files and the whole tool: `benchmarks/results/tiny_accuracy.json`
of the project, made by `python -m benchmarks.tiny_accuracy`.
"""


def main() -> None:
    """Run or resume both stages and write the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/tiny"), help="where the run lives")
    parser.add_argument("--recipe", type=json.loads, default={}, help=f"JSON of {[f.name for f in fields(Recipe)]}")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--threads", type=int, default=1, help="more than the free cores is many times slower")
    parser.add_argument("--compile", action="store_true", help="fuse the blocks: faster, needs a C++ compiler")
    parser.add_argument("--notes", default="", help="for the model card: what the recipe does not say")
    parser.add_argument("--output", type=Path, help="checkpoint folder (default: FOLDER/checkpoint)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    recipe = Recipe(**options.recipe)
    blocks = Blocks.choose(options.compile)
    train_vision(options.folder, recipe, options.device, blocks)
    train_language(options.folder, recipe, options.device, blocks)
    output = options.output or options.folder / "checkpoint"
    made = card(options.folder, recipe, options.notes)
    size = save(trained(options.folder, recipe), options.folder, output, made)
    print(f"{output}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
