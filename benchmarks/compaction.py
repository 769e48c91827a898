"""What one compaction by InfiniPot-V costs, against watching the frames between two of them.

    python -m benchmarks.compaction

Sizes are those of Qwen2.5-VL-3B with random weights: a budget of 6,144 entries, 128 tokens (512 patches) per unit of
two frames. Compactions run over all 36 layers of a real slab, as the session calls them. The decoder and the tower run
a few layers each, and their times are scaled to all of them; embeddings, mergers and the output layer are left out,
which only makes the frame cheaper than it is. Everything in one run, best of several repeats.
Writes benchmarks/results/compaction.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.machine import provenance
from vtc_cli.engine.slab import Slab
from vtc_cli.methods import choose
from vtc_cli.models.rotary import rotation_of

RESULTS = Path(__file__).parent / "results"
LAYERS, HEADS, KV_HEADS, WIDTH, HIDDEN, INNER = 36, 16, 2, 128, 2048, 11008
TOWER_LAYERS, TOWER_FULL, TOWER_HIDDEN, TOWER_INNER = 32, 4, 1280, 3420
BUDGET, GRID, PREFIX, FRAMES_PER_UNIT = 6144, (8, 16), 14, 2
TOKENS = GRID[0] * GRID[1]


def best(call: Callable[[], object], repeats: int, device: str) -> float:
    """Seconds of the fastest of `repeats` calls, after one to warm up."""
    found = []
    for turn in range(repeats + 1):
        began = time.perf_counter()
        call()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        if turn:
            found.append(time.perf_counter() - began)
    return min(found)


def decoder(layers: int, device: str, dtype: torch.dtype) -> Any:
    """The text decoder of Qwen2.5-VL-3B with fewer layers."""
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLTextConfig, Qwen2_5_VLTextModel

    config = Qwen2_5_VLTextConfig(
        vocab_size=64,
        hidden_size=HIDDEN,
        intermediate_size=INNER,
        num_hidden_layers=layers,
        num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS,
        rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0, "mrope_section": [16, 24, 24]},
        bos_token_id=None,
        eos_token_id=None,
    )
    with torch.device(device):
        return Qwen2_5_VLTextModel(config).to(dtype).eval()


def tower(layers: list[int], device: str, dtype: torch.dtype) -> Any:
    """The vision tower of Qwen2.5-VL-3B with as many layers; `layers` names those with full attention."""
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
        Qwen2_5_VisionTransformerPretrainedModel,
        Qwen2_5_VLVisionConfig,
    )

    config = Qwen2_5_VLVisionConfig(
        depth=len(layers),
        hidden_size=TOWER_HIDDEN,
        intermediate_size=TOWER_INNER,
        num_heads=16,
        out_hidden_size=HIDDEN,
        fullatt_block_indexes=[index for index, full in enumerate(layers) if full],
    )
    with torch.device(device):
        return Qwen2_5_VisionTransformerPretrainedModel(config).to(dtype).eval()


def positions(first: int, units: int) -> Tensor:
    """int64 [3, units * TOKENS]: time by unit, rows and columns by place, as the family counts."""
    place = torch.arange(TOKENS).repeat(units)
    unit = torch.arange(first, first + units).repeat_interleave(TOKENS)
    return torch.stack([PREFIX + 2 * unit, PREFIX + place // GRID[1], PREFIX + place % GRID[1]])


def fill(slab: Slab, units: int, first: int, dtype: torch.dtype, device: str) -> None:
    """Append whole units of random keys and values to every layer."""
    place = torch.arange(TOKENS, dtype=torch.int32).repeat(units)
    unit = torch.arange(first, first + units, dtype=torch.int32).repeat_interleave(TOKENS)
    slab.expect(unit.to(device), place.to(device), positions(first, units).to(device))
    for layer in range(len(slab.blocks)):
        keys, values = torch.randn(2, 1, KV_HEADS, len(place), WIDTH, dtype=dtype, device=device)
        slab.update(keys, values, layer)


def compaction(options: argparse.Namespace, spec: str, rotation: Any, dtype: torch.dtype) -> dict[str, float]:
    """Seconds of one compaction of a full cache that earlier ones have already thinned; units between two of them."""
    policy: Any = choose(spec).method
    slab = Slab(LAYERS, PREFIX + BUDGET, rotation=rotation)
    none = torch.full((PREFIX,), -1, dtype=torch.int32, device=options.device)
    slab.expect(none, none, torch.arange(PREFIX, device=options.device).expand(3, -1))
    for layer in range(LAYERS):
        slab.update(*torch.randn(2, 1, KV_HEADS, PREFIX, WIDTH, dtype=dtype, device=options.device), layer)
    slab.pin(PREFIX)
    slab.grid = GRID
    keep = int(policy.target * BUDGET)
    between = (BUDGET - keep) // TOKENS
    fill(slab, BUDGET // TOKENS, 0, dtype, options.device)
    seconds, units = [], BUDGET // TOKENS
    for _ in range(options.repeats + 1):
        if options.device.startswith("cuda"):
            torch.cuda.synchronize()
        began = time.perf_counter()
        slab.compact(lambda view: policy.select(view, keep))
        if options.device.startswith("cuda"):
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
        fill(slab, between, units, dtype, options.device)
        units += between
    return {"seconds": min(seconds[1:]), "units_between": between, "frames_between": between * FRAMES_PER_UNIT}


@torch.inference_mode()
def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures of one run."""
    torch.manual_seed(0)
    device, dtype = options.device, getattr(torch, options.dtype)
    text = decoder(options.layers, device, dtype)
    rotation = rotation_of(text, "qwen2.5-vl")
    slab = Slab(options.layers, PREFIX + BUDGET + TOKENS)
    held = int(0.875 * BUDGET)  # half way between two compactions
    none = torch.full((held,), -1, dtype=torch.int32, device=device)
    slab.expect(none, none)
    for layer in range(options.layers):
        slab.update(*torch.randn(2, 1, KV_HEADS, held, WIDTH, dtype=dtype, device=device), layer)
    rows, where = torch.randn(1, TOKENS, HIDDEN, dtype=dtype, device=device), positions(43, 1)[:, None].to(device)
    mark = slab.snapshot()

    def prefill() -> None:
        text(inputs_embeds=rows, position_ids=where, past_key_values=slab, use_cache=True)
        slab.rollback(mark)

    prefilling = best(prefill, options.repeats, device) / options.layers * LAYERS
    patches = torch.randn(4 * TOKENS, 3 * 2 * 14 * 14, dtype=dtype, device=device)
    shape = torch.tensor([[1, 2 * GRID[0], 2 * GRID[1]]], device=device)
    each = {}
    for kind, full in (("window", False), ("full", True)):
        # Patch embedding and merger are in both; two depths tell the layers from them.
        one, two = (tower([full] * depth, device, dtype) for depth in (1, 1 + options.tower_layers))
        times = [best(lambda part=part: part(patches, grid_thw=shape), options.repeats, device) for part in (one, two)]
        each[kind] = (times[1] - times[0]) / options.tower_layers
    vision = each["window"] * (TOWER_LAYERS - TOWER_FULL) + each["full"] * TOWER_FULL
    frame = (prefilling + vision) / FRAMES_PER_UNIT
    found = {}
    for name, spec in (
        ("infinipot-v", "infinipot-v"),
        ("infinipot-v, pooling=grid", "infinipot-v:pooling=grid"),
        ("infinipot-v, score_keys=rotated", "infinipot-v:score_keys=rotated"),
        ("window", "window"),
    ):
        known = rotation if "rotated" not in spec and name != "window" else None
        one_compaction = compaction(options, spec, known, dtype)
        amortised = one_compaction["seconds"] / one_compaction["frames_between"]
        found[name] = {**one_compaction, "seconds_per_frame": amortised, "share_of_frame": amortised / frame}
    return {
        "sizes": {
            "layers": LAYERS, "kv_heads": KV_HEADS, "head_dim": WIDTH, "hidden": HIDDEN, "intermediate": INNER,
            "tower_layers": TOWER_LAYERS, "tower_hidden": TOWER_HIDDEN, "budget": BUDGET, "target": 0.75,
            "tokens_per_unit": TOKENS, "patches_per_unit": 4 * TOKENS, "frames_per_unit": FRAMES_PER_UNIT,
        },
        "measured_layers": {"decoder": options.layers, "tower": options.tower_layers},
        "dtype": options.dtype,
        "device": device,
        "prefill_seconds_per_unit": prefilling,
        "tower_seconds_per_unit": vision,
        "seconds_per_frame": frame,
        "entries_held_at_prefill": held,
        "compactions": found,
    }  # fmt: skip


def main() -> None:
    """One run, written to the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="bfloat16", choices=("float32", "bfloat16"))
    parser.add_argument("--layers", type=int, default=2, help="decoder layers to run, scaled to 36")
    parser.add_argument("--tower-layers", type=int, default=2, help="tower layers of each kind to run, scaled to 32")
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--output", type=Path, default=RESULTS / "compaction.json")
    options = parser.parse_args()
    found = measure(options)
    report = {"what": (__doc__ or "").splitlines()[0], **found, **provenance()}
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
