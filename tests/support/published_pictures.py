"""Published benchmarks about pictures in miniature: the files and fields of their authors, a few questions each."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from tests.support.tables import BLUE, RED, as_csv, as_json, as_parquet


def gqa(root: Path) -> None:
    kinds = {"structural": "query", "semantic": "attr", "detailed": "colour"}
    row = {"id": "201307251", "imageId": "n161313", "question": "Which colour?", "answer": "blue", "types": kinds}
    as_parquet(root / "testdev_balanced_instructions/testdev-00000-of-00001.parquet", [row])
    images = [
        {"id": name, "image": {"bytes": content, "path": None}} for name, content in (("n1", RED), ("n161313", BLUE))
    ]
    as_parquet(root / "testdev_balanced_images/testdev-00000-of-00001.parquet", images)


def gqa_original(root: Path) -> None:
    row = {"imageId": "n161313", "question": "Which colour?", "answer": "blue", "types": {"structural": "query"}}
    as_json(root / "testdev_balanced_questions.json", {"201307251": row})
    (root / "images").mkdir()
    (root / "images/n161313.jpg").write_bytes(BLUE)


def pope(root: Path) -> None:
    rows = [
        {
            "id": str(number),
            "question_id": str(number + 1),
            "question": f"Is there a {thing} in the image?",
            "answer": answer,
            "image_source": "COCO_val2014_000000310196",
            "image": {"bytes": RED, "path": None},
            "category": category,
        }
        for number, (thing, answer, category) in enumerate(
            (("dog", "yes", "random"), ("cat", "no", "random"), ("cow", "no", "adversarial"))
        )
    ]
    as_parquet(root / "data/test-00000-of-00001.parquet", rows)


def pope_original(root: Path) -> None:
    rows = [
        ("random", "dog", "yes"),
        ("random", "cat", "no"),
        ("adversarial", "cow", "no"),
    ]
    for category in ("random", "adversarial"):
        lines = [
            {
                "question_id": number,
                "image": "COCO_val2014_000000310196.jpg",
                "text": f"Is there a {thing} in the image?",
            }
            | {"label": label}
            for number, (kind, thing, label) in enumerate(rows, 1)
            if kind == category
        ]
        (root / f"coco_pope_{category}.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (root / "val2014").mkdir()
    (root / "val2014/COCO_val2014_000000310196.jpg").write_bytes(RED)


ANSWERS = ["nokia"] * 6 + ["Nokia 3310", "nokia", "phone", "toy"]


def textvqa(root: Path) -> None:
    row = {"image_id": "003a8ae2", "question_id": 34602, "question": "what is the brand?", "answers": ANSWERS}
    as_parquet(root / "data/validation-00000-of-00001.parquet", [{**row, "image": {"bytes": RED, "path": None}}])


def textvqa_original(root: Path) -> None:
    row = {"image_id": "003a8ae2", "question_id": 34602, "question": "what is the brand?", "answers": ANSWERS}
    as_json(root / "TextVQA_0.5.1_val.json", {"dataset_type": "val", "data": [row]})
    (root / "train_images").mkdir()
    (root / "train_images/003a8ae2.jpg").write_bytes(RED)


def mmbench(root: Path) -> None:
    fields = {"question": "Which colour?", "answer": "B", "A": "blue", "B": "red", "C": "nan", "D": "nan"}
    more = {"hint": "nan", "category": "attribute", "source": "made", "L2-category": "finegrained", "split": "dev"}
    row = {"index": 241, **fields, **more, "image": {"bytes": RED, "path": None}}
    as_parquet(root / "en/dev-00000-of-00001.parquet", [row])


def mmbench_tsv(root: Path) -> None:
    picture = base64.b64encode(RED + b"\0" * 200_000).decode()  # a cell longer than the csv module allows by itself
    row = {"index": 241, "question": "Which colour?", "hint": "", "A": "blue", "B": "red", "C": "", "D": ""}
    row |= {"answer": "B", "category": "attribute", "image": picture, "l2-category": "finegrained", "split": "dev"}
    shifted = {**row, "index": 1_000_241, "A": "red", "B": "blue", "answer": "A", "image": "241"}
    as_csv(root / "MMBench_DEV_EN.tsv", [row, shifted], "\t")
