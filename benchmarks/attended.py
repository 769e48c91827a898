"""Where the attention of each layer of the tower gathers: how much of what is shown the most attended tokens hold.

    python -m benchmarks.attended                  # 40 films, up to four units of each: a minute on a core
    python -m benchmarks.attended --films 10 -o attended.json

For every layer, the tokens of a unit are ordered by the attention they receive, and of the tokens that hold a thing, a
digit or a word by the bundled world's own label map, the share among the first ones is told, for several sizes. `drawn`
is what tokens drawn at random hold: the size itself.
"""

from __future__ import annotations

import argparse
import json
from fractions import Fraction
from itertools import islice
from pathlib import Path

import torch

from benchmarks.machine import provenance
from benchmarks.truth import SEED, shown
from vtc_cli import VideoLM, load_model
from vtc_cli.bench.suites.tiny import TinySuite, Wanted

SHARES = ("1/3", "2/9", "1/9", "1/18")
UNITS = 4  # of a film


def main() -> None:
    """Measure, print a table, write the figures."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--model", default="tiny")
    asked.add_argument("--films", type=int, default=40)
    asked.add_argument("--seed", type=int, default=SEED, help="other films")
    asked.add_argument("-o", "--output", type=Path, help="where the figures go")
    options = asked.parse_args()
    model = load_model(options.model)
    units, things, layers = attended(model, TinySuite(Wanted(seed=options.seed)), options.films)
    print(f"{units} units, {things:.1f} tokens of each hold something")
    print(f"{'layer':<8}", *(f"{share:>6}" for share in SHARES))
    drawn = {"drawn": [float(Fraction(share)) for share in SHARES]}
    for name, held in {**layers, **drawn}.items():
        print(f"{name:<8}", *(f"{100 * share:>5.0f}%" for share in held))
    if options.output:
        model_is = {"name": model.info.name, "revision": model.info.revision}
        result = {"schema": "vtc.attended/1", **provenance(), "model": model_is, "seed": options.seed, "units": units}
        result |= {"tokens_of_things": things, "shares": SHARES, "layers": layers}
        options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def attended(model: VideoLM, suite: TinySuite, films: int) -> tuple[int, float, dict[str, list[float]]]:
    """How many units were seen, how many tokens of each hold something, and per layer the share of those among the
    most attended tokens, for each of `SHARES`. Layers that attend within windows are left out."""
    tower, per_unit = model.info.tower, model.info.frames_per_unit
    layers = [layer for layer in range(1, tower.layers + 1) if layer not in tower.windowed]
    found = {layer: [0] * len(SHARES) for layer in layers}
    units = things = 0
    for case in islice(suite.cases(), films):
        frames, labels = shown(suite, case, per_unit)
        height, width = frames[0].image.shape[-2:]
        geometry = model.geometry((width, height))
        whole = len(frames) // per_unit
        for number in sorted({whole * part // UNITS for part in range(UNITS)}) if whole else ():
            prepared = model.prepare(frames[number * per_unit : (number + 1) * per_unit], geometry)
            (unit,) = model.encode(prepared, geometry, first=number, capture=layers)
            thing = labels(unit) > 0
            units, things = units + 1, things + int(thing.sum())
            for layer in layers:
                order = unit.scores[layer].cpu().argsort(descending=True, stable=True)
                for place, share in enumerate(SHARES):
                    most = max(1, round(len(thing) * Fraction(share)))
                    found[layer][place] += int(thing[order[:most]].sum())
    held = {str(layer): [count / max(1, things) for count in counts] for layer, counts in found.items()}
    return units, things / max(1, units), held


if __name__ == "__main__":
    with torch.no_grad():
        main()
