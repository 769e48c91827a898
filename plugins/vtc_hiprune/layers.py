"""Which two layers of a vision tower HiPrune looks at."""

from __future__ import annotations

from vtc_cli import ModelInfo

CLIP_LARGE = (23, 1024)
"""Layers and width of CLIP-L as the LLaVA families use it: up to the last layer but one."""

CLIP_LARGE_OBJECT = 9
"""The authors' object layer in that tower (README of their code; its deep layer is the last of the 23)."""


def layers_for(model: ModelInfo, layer: int = 0, deep: int = 0) -> tuple[int, int]:
    """(object layer, deep layer), 1-based; 0 stands for the family's default.

    By default the object layer is 9 in the CLIP-L of the LLaVA families, as published, and elsewhere the middle one, as
    the authors chose for Qwen2.5-VL (16 of 32); the deep layer is the last, whose output the language model receives.
    Where a tower attends within windows in most layers, only those that see the whole picture count: the last of them
    up to the middle, and the last of all.
    Raises ValueError for a layer the tower does not have, or one with window attention.
    """
    tower = model.tower
    whole = [number for number in range(1, tower.layers + 1) if number not in tower.windowed]
    if not whole:
        raise ValueError(f"no layer of {model.name}'s vision tower sees the whole picture")
    for name, number in (("layer", layer), ("deep", deep)):
        if number > tower.layers:
            raise ValueError(
                f"{name}={number} is outside the vision tower of {model.name}, which has layers 1 to {tower.layers}"
            )
        if number in tower.windowed:
            raise ValueError(
                f"{name}={number} attends within windows in {model.name}, so its scores cannot be compared over the "
                f"picture; layers that see all of it: {', '.join(map(str, whole))}"
            )
    clip = model.family.startswith("llava") and (tower.layers, tower.hidden) == CLIP_LARGE
    usual = CLIP_LARGE_OBJECT if clip else (tower.layers + 1) // 2
    return layer or max((number for number in whole if number <= usual), default=whole[0]), deep or whole[-1]
