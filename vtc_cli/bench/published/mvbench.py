"""MVBench (Li et al., 2024): twenty tasks of 200 short films each.

Layout: `json/<task>.json` and `video/...`: whole films, of which each question is about a part, or the parts cut out
already (`..._segment`); the films of one task may be folders of pictures, three per second.
"""

from __future__ import annotations

from functools import partial

from vtc_cli.bench.published.asking import Loaded, choice
from vtc_cli.bench.published.folder import Folder
from vtc_cli.bench.published.tables import Row, read_json
from vtc_cli.bench.table_suite import Item
from vtc_cli.errors import UsageError
from vtc_cli.video import open_clip
from vtc_cli.video.frame import Clip

WHOLE = {  # task -> folders that hold its films whole
    "action_sequence": ("star/Charades_v1_480",),
    "action_prediction": ("star/Charades_v1_480",),
    "action_antonym": ("ssv2_video", "ssv2_video_mp4"),
    "fine_grained_action": ("Moments_in_Time_Raw/videos",),
    "unexpected_action": ("FunQA_test/test",),
    "object_existence": ("clevrer/video_validation",),
    "object_interaction": ("star/Charades_v1_480",),
    "object_shuffle": ("perception/videos",),
    "moving_direction": ("clevrer/video_validation",),
    "action_localization": ("sta/sta_video",),
    "scene_transition": ("scene_qa/video",),
    "action_count": ("perception/videos",),
    "moving_count": ("clevrer/video_validation",),
    "moving_attribute": ("clevrer/video_validation",),
    "state_change": ("perception/videos",),
    "fine_grained_pose": ("nturgbd", "nturgbd_convert"),
    "character_order": ("perception/videos",),
    "egocentric_navigation": ("vlnqa",),
    "episodic_reasoning": ("tvqa/frames_fps3_hq",),
    "counterfactual_inference": ("clevrer/video_validation",),
}
PARTS = {  # task -> the folder that holds the parts cut out
    "action_sequence": "star/Charades_segment",
    "action_prediction": "star/Charades_segment",
    "object_interaction": "star/Charades_segment",
    "action_localization": "sta/sta_video_segment",
    "episodic_reasoning": "tvqa/video_fps3_hq_segment",
}
RATE = 3.0  # pictures per second in folders of them


def load(folder: Folder) -> Loaded:
    """Skills are the tasks; the official figure is their mean."""
    there = {path.stem: path for path in folder.files("json/*.json")}
    cut = frozenset(task for task, parts in PARTS.items() if folder.has(parts))
    unknown = sorted(there.keys() - WHOLE.keys())
    if unknown:
        raise UsageError(f"{there[unknown[0]]}: no task of MVBench is called so", "is this the published folder?")
    items = [
        _item(task, number, row, task in cut)
        for task in WHOLE
        if task in there
        for number, row in enumerate(read_json(there[task]))
    ]
    return Loaded(items, partial(_open, folder, cut), "test")


def _item(task: str, number: int, row: Row, cut: bool) -> Item:
    options, answer = row["candidates"], row["answer"]
    if answer not in options:
        raise UsageError(f"{row.where}: the answer {answer!r} is none of the candidates")
    bounds = {}
    if task in PARTS and not cut:
        bounds = {"start": float(row["start"]), "end": float(row["end"])}
    name = f"{task}-{number}"
    return choice(row, f"{task}:{row['video']}", row["question"], options, options.index(answer), task, name, **bounds)


def _open(folder: Folder, cut: frozenset[str], film: str) -> Clip:
    task, _, name = film.partition(":")
    path = folder.find(*(f"{place}/{name}" for place in ((PARTS[task],) if task in cut else WHOLE[task])))
    return open_clip(f"{path}?fps={RATE:g}" if path.is_dir() else str(path))
