"""InfiniPot-V against the selections of the authors' own code, and of a reference that keeps places aligned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from vtc_infinipot_v import InfiniPotV, select
from vtc_infinipot_v.scores import distinctiveness, value_norms
from vtc_infinipot_v.selection import smooth

from vtc_cli.engine.slab import Slab

FOLDER = Path(__file__).parents[3] / "shared" / "golden" / "infinipot_v"
CASES = json.loads((FOLDER / "index.json").read_text())["cases"] if FOLDER.exists() else []

if not CASES:
    pytest.skip("the golden vectors are not here", allow_module_level=True)


def chosen(kind: str, **params: object) -> list[Any]:
    wanted = [
        case
        for case in CASES
        if case["kind"] == kind and all(case["params"].get(key) == value for key, value in params.items())
    ]
    return [pytest.param(case, id=case["name"]) for case in wanted]


OURS = chosen("single_pass", method="infinipot-v")
STREAMS = [case for case in chosen("stream") if case.values[0]["params"].get("method", "infinipot-v") == "infinipot-v"]


def labels(heads: int, count: int, tokens: int) -> tuple[Tensor, Tensor]:
    index = torch.arange(count).expand(heads, count)
    return index // tokens, index % tokens


def settings(params: dict[str, Any], layer: int) -> dict[str, Any]:
    recent = params.get("recent_ratio") or params["recent_frames"] / params["block_frames"]
    return {
        "unit_tokens": params["tokens_per_frame"],
        "alpha": params["alpha"],
        "recent": recent,
        "pooling": "official" if params["adaptive_pooling"] else "off",
        "grid": (params["grid_h"], params["grid_w"]) if params.get("grid_h") else None,
        "layer": layer,
        "layers": params["layers"],
    }


@pytest.mark.parametrize("align", ["packed", "patch"])
@pytest.mark.parametrize("case", [case for case in OURS if "file" in case.values[0] and "ties" not in case.id])
def test_s3_s4_one_pass_keeps_what_the_authors_code_keeps(case: dict[str, Any], align: str) -> None:
    """Nothing has been evicted yet, so both alignments see the same frames."""
    params, data = case["params"], load_file(FOLDER / case["file"])
    tokens, keep = params["tokens_per_frame"], params["keep_frames"] * params["tokens_per_frame"]
    for layer in range(params["layers"]):
        keys, values = (data[f"{name}.{layer}"][0, :, params["system_size"] :] for name in "kv")
        heads, count = keys.shape[:2]
        frame, patch = labels(heads, count, tokens)
        kept = select(keys, values, frame, patch, keep, align=align, **settings(params, layer))
        expected = data[f"selected.{layer}"].long()
        if params["dtype"] == "float32":
            assert torch.equal(kept, expected), f"layer {layer}"
        else:  # the authors' scores are rounded to the storage type: equal ones may be told apart differently
            shared = [len(set(a.tolist()) & set(b.tolist())) for a, b in zip(kept, expected, strict=True)]
            assert min(shared) >= 0.9 * expected.shape[1]
        if f"van_score.{layer}" in data:
            everything = torch.ones_like(frame, dtype=torch.bool)
            own = settings(params, layer)
            norms = value_norms(values)
            norms = smooth(norms, frame, patch, everything, own["pooling"], own["grid"], layer, own["layers"])
            torch.testing.assert_close(norms, data[f"van_score.{layer}"], atol=1e-5, rtol=1e-5)
        if f"tar_score.{layer}" in data:
            past = data[f"tar_score.{layer}"].shape[1]
            scores = distinctiveness(keys, patch, frame >= past // tokens, torch.ones_like(frame, dtype=torch.bool))
            torch.testing.assert_close(scores[:, :past], data[f"tar_score.{layer}"], atol=2e-6, rtol=0)


@pytest.mark.parametrize("case", [case for case in OURS if "ties" in case.id])
def test_s11_a_still_video_is_decided_by_order(case: dict[str, Any]) -> None:
    """The authors' choice among equals is arbitrary; ours is the earliest, and just as good by their scores."""
    params, data = case["params"], load_file(FOLDER / case["file"])
    tokens, keep = params["tokens_per_frame"], params["keep_frames"] * params["tokens_per_frame"]
    keys, values = data["k.0"][0, :, params["system_size"] :], data["v.0"][0, :, params["system_size"] :]
    frame, patch = labels(*keys.shape[:2], tokens)
    kept = select(keys, values, frame, patch, keep, align="packed", **settings(params, 0))
    recent = max(1, int(params["frames_in"] * params["recent_ratio"]))
    by_keys = keep - round((1 - params["alpha"]) * keep) - recent * tokens
    first = keys.shape[1] - recent * tokens
    for head, places in enumerate(kept.tolist()):
        assert places[:by_keys] == list(range(by_keys))
        assert places[-recent * tokens :] == list(range(first, keys.shape[1]))
        rest = value_norms(values)[head, by_keys:first]
        best = (rest.topk(keep - by_keys - recent * tokens).indices + by_keys).sort().values.tolist()
        assert places[by_keys : -recent * tokens] == best
    assert kept.shape == data["selected.0"].shape


@pytest.mark.parametrize("case", [case for case in OURS if "raises" in case.values[0]])
def test_what_breaks_the_authors_code_is_refused_or_works(case: dict[str, Any]) -> None:
    params = case["params"]
    tokens = params["tokens_per_frame"]
    count, keep = round(params["frames_in"] * tokens), params["keep_frames"] * tokens
    keys, values = torch.randn(
        2, params["heads"], count, params["head_dim"], generator=torch.Generator().manual_seed(1)
    )
    frame, patch = labels(params["heads"], count, tokens)
    reasons = {"error_alpha_too_small_for_recent": "raise alpha", "error_partial_frame": "no multiple of 6"}
    for layer in range(params["layers"]):
        if reason := reasons.get(case["name"]):
            with pytest.raises(ValueError, match=reason):
                select(keys, values, frame, patch, keep, align="packed", **settings(params, layer))
        else:
            kept = select(keys, values, frame, patch, keep, align="packed", **settings(params, layer))
            assert kept.shape == (params["heads"], keep)


@pytest.mark.parametrize("case", STREAMS)
def test_streams_keep_the_same_tokens_after_every_round(case: dict[str, Any]) -> None:
    params, data = case["params"], load_file(FOLDER / case["file"])
    tokens, system = params["tokens_per_frame"], params["system_size"]
    align = "packed" if "packed" in params["mode"] else "patch"
    for layer in range(params["layers"]):
        keys, values = data[f"k.{layer}"][0], data[f"v.{layer}"][0]
        heads = len(keys)
        held = torch.arange(system).expand(heads, system)
        for number, plan in enumerate(case["rounds"]):
            first, last = (system + edge * tokens for edge in plan["frames"])
            held = torch.cat([held, torch.arange(first, last).expand(heads, -1)], dim=1)
            if plan["keep_frames"] is not None:
                seen = held[:, system:]
                mine = [block.gather(1, seen[..., None].expand(-1, -1, block.shape[-1])) for block in (keys, values)]
                frame, patch = (seen - system) // tokens, (seen - system) % tokens
                kept = select(*mine, frame, patch, plan["keep_frames"] * tokens, align=align, **settings(params, layer))
                held = torch.cat([held[:, :system], seen.gather(1, kept)], dim=1)
            assert torch.equal(held, data[f"round{number}.cached_token_ids.{layer}"].long()), f"round {number}"


@pytest.mark.parametrize("case", [case for case in STREAMS if not case.values[0]["params"]["adaptive_pooling"]])
def test_the_policy_on_the_slab_keeps_the_same_tokens(case: dict[str, Any]) -> None:
    """The same stream through the engine's cache: the policy finds frames, places and recent units by itself."""
    params, data = case["params"], load_file(FOLDER / case["file"])
    tokens, system, layers = params["tokens_per_frame"], params["system_size"], params["layers"]
    recent = settings(params, 0)["recent"]
    align = "packed" if "packed" in params["mode"] else "patch"
    policy = InfiniPotV(alpha=params["alpha"], recent=recent, align=align, score_keys="rotated")
    slab = Slab(layers, system + params["block_frames"] * tokens)

    def append(first: int, last: int) -> None:
        rows = torch.arange(first, last)
        visual = rows >= system
        slab.expect(
            torch.where(visual, (rows - system) // tokens, -1).int(),
            torch.where(visual, (rows - system) % tokens, -1).int(),
        )
        for layer in range(layers):
            slab.update(data[f"k.{layer}"][:, :, first:last], data[f"v.{layer}"][:, :, first:last], layer)

    append(0, system)
    slab.pin(system)
    for number, plan in enumerate(case["rounds"]):
        append(*(system + edge * tokens for edge in plan["frames"]))
        if plan["keep_frames"] is not None:
            keep = plan["keep_frames"] * tokens
            slab.compact(lambda view, keep=keep: policy.select(view, keep))
        for layer in range(layers):
            view = slab.view(layer)
            held = view.unit.long() * tokens + view.patch + system
            assert torch.equal(held, data[f"round{number}.cached_token_ids.{layer}"].long()[:, system:])
