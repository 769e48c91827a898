"""HiPrune keeps what the authors' code kept, wherever that code kept what it was asked to."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from vtc_hiprune import cosine, select, select_with_text

from tests.plugins.golden import SHARED, index
from vtc_cli.models.received import token_scores

INDEX = index("hiprune")
pytestmark = pytest.mark.skipif(not INDEX["cases"], reason="no golden vectors beside the repository")
EDGES = {"clamp": "official", "strict": "strict"}


@cache
def tensors(family: str) -> dict[str, Tensor]:
    return load_file(SHARED / "hiprune" / INDEX["families"][family]["file"])


def cases(*families: str) -> list[Any]:
    """At least one parameter, so that an absent folder shows as a skip and not as nothing."""
    found = [pytest.param(case, id=case["name"]) for case in INDEX["cases"] if case["family"] in families]
    return found or [pytest.param({}, id="absent")]


def honest(case: dict[str, Any]) -> bool:
    """Whether the authors' code did what it was asked: no crash, no tie decided by chance, no token lost."""
    counted = case.get("official_keep_count", case["budget"]) == case["budget"]
    return case["official_error"] is None and not case.get("ties") and counted


def test_the_vectors_are_there_in_number() -> None:
    assert sum(case["family"] == "select_qwen" and honest(case) for case in INDEX["cases"]) >= 40


@pytest.mark.parametrize("case", cases("select_qwen"))
def test_selection(case: dict[str, Any]) -> None:
    data, name = tensors("select_qwen"), case["name"]
    scores, grid = (data[f"{name}/obj"], data[f"{name}/deep"]), (case["H"], case["W"])
    if not case["budget"]:
        with pytest.raises(ValueError, match="at least 1"):
            select(*scores, grid, 0, case["alpha"])
        return
    kept = select(*scores, grid, case["budget"], case["alpha"], edge="official")
    assert len(kept) == min(case["budget"], case["N"])
    if honest(case):
        assert kept.tolist() == data[f"{name}/official_keep"].tolist()
    for rule, edge in EDGES.items():
        if f"{name}/ours_{rule}_keep" in data:
            ours = select(*scores, grid, case["budget"], case["alpha"], edge=edge)  # type: ignore[arg-type]
            assert ours.tolist() == data[f"{name}/ours_{rule}_keep"].tolist()


@pytest.mark.parametrize("case", cases("llava_encode_images"))
def test_tiles_of_24_by_24(case: dict[str, Any]) -> None:
    data, name = tensors("llava_encode_images"), case["name"]
    for tile in range(case["tiles"]):
        scores = data[f"{name}/obj"][tile], data[f"{name}/deep"][tile]
        if case["official_error"] is None:
            kept = select(*scores, (24, 24), case["per_tile_budget"], case["alpha"], edge="official")
            assert kept.tolist() == data[f"{name}/tile{tile}/official_keep"].tolist()
            strict = select(*scores, (24, 24), case["per_tile_budget"], case["alpha"])
            assert strict.tolist() == data[f"{name}/tile{tile}/ours_strict_keep"].tolist()
        else:  # more than there are: everything, where the authors' code fails
            assert select(*scores, (24, 24), case["per_tile_budget"]).tolist() == list(range(576))


@pytest.mark.parametrize("case", cases("llava_anyres_order"))
def test_tiles_of_a_large_picture_are_chosen_one_by_one(case: dict[str, Any]) -> None:
    data, name = tensors("llava_anyres_order"), case["name"]
    order = data[f"{name}/official_order_tile_patch"]
    for tile in range(case["tiles"]):
        scores = data[f"{name}/obj"][tile], data[f"{name}/deep"][tile]
        kept = select(*scores, (24, 24), case["per_tile_budget"], case["alpha"], edge="official")
        assert kept.tolist() == sorted(order[order[:, 0] == tile][:, 1].tolist())


@pytest.mark.parametrize("case", cases("qwen_tower_e2e"))
def test_from_attention_maps_to_kept_tokens(case: dict[str, Any]) -> None:
    """Maps in the tower's window order -> scores in raster order -> the tokens and positions the decoder saw."""
    data, name = tensors("qwen_tower_e2e"), case["name"]
    order = data[f"{name}/window_index"].long().argsort()
    found = {}
    for layer in ("obj", "deep"):
        if f"{name}/raw_attention_{layer}" not in data:  # a large map is not stored
            found[layer] = data[f"{name}/{layer}_scores"]
            continue
        received = data[f"{name}/raw_attention_{layer}"].mean(0).sum(0)  # heads, then all queries
        found[layer] = token_scores(received, 1, case["spatial_merge_size"], order)[0]
        torch.testing.assert_close(found[layer], data[f"{name}/{layer}_scores"], rtol=1e-4, atol=1e-6)
    grid, budget = (case["H"], case["W"]), case["budget"]
    kept = select(found["obj"], found["deep"], grid, budget, case["alpha"], edge="official")
    assert kept.tolist() == data[f"{name}/ours_clamp_keep"].tolist()
    if case["official_keep_count"] == budget:
        assert kept.tolist() == data[f"{name}/official_keep"].tolist()
        full, gathered = data[f"{name}/position_ids_full"], data[f"{name}/position_ids_kept"]
        rows = torch.cat([torch.arange(4), 4 + kept, torch.arange(4 + case["N"], full.shape[1])])
        assert torch.equal(full[:, rows], gathered)  # kept tokens and the text after them stay where they were


@pytest.mark.parametrize("case", cases("ours_pp"))
def test_with_text(case: dict[str, Any]) -> None:
    data, name = tensors("ours_pp"), case["name"]
    near = cosine(data[f"{name}/visual"], data[f"{name}/text_tokens"])
    kept = select_with_text(
        data[f"{name}/obj"], data[f"{name}/deep"], near, (case["H"], case["W"]), case["budget"], case["alpha"],
        case["beta"], case["text_quota"], case["sign"], EDGES[case["edge"]],  # type: ignore[arg-type]
    )  # fmt: skip
    assert kept.tolist() == data[f"{name}/keep"].tolist()
    assert len(kept) == case["n_keep"]
    by_text = set(kept.tolist()) - set(data[f"{name}/base_keep"].tolist())
    assert by_text == set(data[f"{name}/text_selected"].tolist())
