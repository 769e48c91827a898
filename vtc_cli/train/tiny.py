"""The training of the bundled model, from nothing to a checkpoint folder.

The same recipe and folder always continue the same run; `vtc train tiny` is the command for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch

from vtc_cli.train.architecture import build
from vtc_cli.train.checkpoint import save
from vtc_cli.train.forward import Blocks
from vtc_cli.train.language import language_batch, language_loss
from vtc_cli.train.loop import Stage, Watcher, run
from vtc_cli.train.readouts import Readouts
from vtc_cli.train.recipe import Recipe, command
from vtc_cli.train.tokenizer import make_tokenizer, special_ids
from vtc_cli.train.vision import Heads, vision_batch, vision_loss
from vtc_cli.train.warm import warm_start
from vtc_cli.train.world.questions import SKILLS


def start(folder: Path, recipe: Recipe) -> Any:
    """The untrained model of a run; makes the tokenizer if the run has none."""
    if not (folder / "tokenizer.json").exists():
        make_tokenizer(folder)
    sizes = {name: getattr(recipe, name) for name in ("depth", "hidden", "layers", "text_hidden", "seed")}
    model = build(special_ids(folder), **sizes)
    if recipe.begin_from:
        warm_start(model, folder, Path(recipe.begin_from))
    return model


def train_vision(
    folder: Path, recipe: Recipe, device: torch.device, blocks: Blocks, watcher: Watcher | None = None
) -> None:
    """Stage one: the tower alone, on single units."""
    tower = start(folder, recipe).model.visual.to(device)
    torch.manual_seed(recipe.seed)
    heads = Heads(tower.config.out_hidden_size, len(tower.config.deepstack_visual_indexes)).to(device)

    def loss(batch: tuple[torch.Tensor, torch.Tensor], step: int) -> tuple[torch.Tensor, dict[str, float]]:
        return vision_loss(tower, heads, *batch, step, torch.bfloat16, blocks)

    named = [*tower.named_parameters(), *heads.named_parameters(prefix="heads")]
    make = partial(vision_batch, units=recipe.units)
    modules = {"tower": tower, "heads": heads}
    run(Stage("vision", make, loss, modules, named, recipe.vision_steps, recipe.peak), folder, watcher=watcher)


def train_language(
    folder: Path, recipe: Recipe, device: torch.device, blocks: Blocks, watcher: Watcher | None = None
) -> None:
    """Stage two: the decoder, on films of one to 128 units, over the tower of stage one."""
    model = start(folder, recipe).to(device)
    model.model.visual.load_state_dict(_modules(folder, "vision")["tower"])
    model.model.visual.requires_grad_(False)
    decoder = model.model.language_model
    torch.manual_seed(recipe.seed)
    readouts = Readouts(recipe.text_hidden).to(device)

    def loss(batch: Mapping[str, Any], step: int) -> tuple[torch.Tensor, dict[str, float]]:
        return language_loss(model, readouts, batch, step, torch.bfloat16, blocks)

    make = partial(language_batch, folder=str(folder), steps=recipe.language_steps, films=recipe.units)
    named = [*decoder.named_parameters(), *readouts.named_parameters(prefix="readouts")]
    modules = {"decoder": decoder, "readouts": readouts}
    stage = Stage("language", make, loss, modules, named, recipe.language_steps, recipe.peak)
    run(stage, folder, watcher=watcher)


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

A small Qwen3-VL-architecture model trained from scratch on a procedural world of moving coloured shapes, digits and
words.
It answers questions about that world only. It exists so that every code path and every accuracy figure of `vtc`
can be had offline, on any machine; do not expect it to understand real footage.

- Tower: {recipe.depth} blocks of width {recipe.hidden}; decoder: {recipe.layers} layers of width {recipe.text_hidden}.
- Two frames per unit, 64 language-model tokens for 128 x 128 pixels; trained on 96 x 96 to 160 x 160.
- Questions: {", ".join(SKILLS)}; in its own words or by the letter of an option.

## How it was made

    {command(recipe)}

Recipe: `{json.dumps(asdict(recipe))}`

{hours:.1f} hours, one thread, bfloat16 products over fp32 weights. Stage one taught the tower dense labels of
every cell; stage two taught the decoder to answer, with the tower frozen. Only whole units were shown: no pruned or
merged tokens.
{notes}

Last training figures (running means of ten steps, training films, teacher-forced):

    vision   {json.dumps(last["vision"])}
    language {json.dumps(last["language"])}

Accuracy on films it has never seen, through the whole tool: `vtc bench --blind`.
"""


def make_tiny(
    folder: Path,
    recipe: Recipe,
    output: Path,
    device: torch.device,
    blocks: Blocks,
    notes: str = "",
    watcher: Watcher | None = None,
) -> int:
    """Run or resume both stages and write the checkpoint folder `output`; returns the bytes of its weights."""
    train_vision(folder, recipe, device, blocks, watcher)
    train_language(folder, recipe, device, blocks, watcher)
    return save(trained(folder, recipe), folder, output, card(folder, recipe, notes))
