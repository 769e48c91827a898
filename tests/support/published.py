"""Published benchmarks in miniature: the same files and fields as their authors', two or three questions each."""

from __future__ import annotations

import base64
import csv
import io
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tests.support.clips import write_clip


def picture(colour: tuple[int, int, int]) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (48, 32), colour).save(out, "PNG")
    return out.getvalue()


RED, BLUE = picture((200, 20, 20)), picture((20, 20, 200))


def as_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def as_csv(path: Path, rows: Sequence[dict[str, Any]], delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def as_parquet(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """One row per group, so that a reader has to find the right one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), path, row_group_size=1)


def films(root: Path, *names: str) -> None:
    """The same four seconds of film under every name."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if name == names[0]:
            write_clip(root / name)
        else:
            shutil.copy(root / names[0], root / name)


def videomme(root: Path) -> None:
    def row(video: str, name: str, duration: str, number: int, answer: str) -> dict[str, Any]:
        return {
            "video_id": video,
            "duration": duration,
            "domain": "Knowledge",
            "sub_category": "Astronomy",
            "url": "",
            "videoID": name,
            "question_id": f"{video}-{number}",
            "task_type": "OCR Problems",
            "question": f"Question {number}?",
            "options": ["A. Apples.", "B. Candles.", "C. Berries.", "D. None."],
            "answer": answer,
        }

    rows = [row("001", "fFjv93ACGo8", "short", 1, "C"), row("001", "fFjv93ACGo8", "short", 2, "A")]
    as_parquet(root / "videomme/test-00000-of-00001.parquet", [*rows, row("601", "-Xy_z", "long", 1, "D")])
    films(root, "data/fFjv93ACGo8.mp4", "data/-Xy_z.mp4")


def mlvu(root: Path) -> None:
    for task in (
        *("1_plotQA", "2_needle", "3_ego", "4_count", "5_order", "6_anomaly_reco", "7_topic_reasoning"),
        *("8_sub_scene", "9_summary"),
    ):
        fields: dict[str, Any] = {"video": "film_1.mp4", "duration": 480.0, "question": f"About {task}?"}
        if task[0] not in "89":
            fields |= {"candidates": ["Yellow", "Red", "Green", "Blue"], "answer": "Red"}
        else:
            fields |= {"answer": "A long description."}
        as_json(root / f"MLVU/json/{task}.json", [{**fields, "question_type": task[2:]}])
        films(root / f"MLVU/video/{task}", "film_1.mp4")


def longvideobench(root: Path) -> None:
    rows = [
        {
            "video_id": "86CxyhFV9MI",
            "video_path": "86CxyhFV9MI.mp4",
            "subtitle_path": "86CxyhFV9MI_en.json",
            "id": f"86CxyhFV9MI_{number}",
            "question": f"Question {number}?",
            "candidates": ["A. is one", "two", "three", "four", "five"],
            "correct_choice": number,
            "duration_group": group,
            "duration": 12.0,
            "question_category": "S2E",
        }
        for number, group in enumerate((15, 3600))
    ]
    as_json(root / "lvb_val.json", rows)
    films(root, "videos/86CxyhFV9MI.mp4")


def egoschema(root: Path) -> None:
    options = [f"{letter}. C does {number}." for number, letter in enumerate("ABCDE")]
    row = {
        "question_idx": "7",
        "question": "What does c do?",
        "video_idx": "0074f737",
        "option": options,
        "answer": "3",
    }
    as_parquet(root / "Subset/test-00000-of-00001.parquet", [row])
    films(root, "videos/0074f737.mp4")


def egoschema_original(root: Path) -> None:
    options = {f"option {number}": f"C does {number}." for number in range(5)}
    asked = [{"q_uid": name, "question": "What does c do?", **options} for name in ("0074f737", "unknown")]
    as_json(root / "questions.json", asked)
    as_json(root / "subset_answers.json", {"0074f737": 3})
    films(root, "good_clips_git/0074f737.mp4")


def vnbench(root: Path) -> None:
    options = ["cat", "dog", "cow", "pig"]
    rows = [
        {
            "video": "/VNBench_new/10109006686_cnt_edit1.mp4",
            "question": "What is shown?",
            "options": options[number:] + options[:number],
            "gt": "dog",
            "gt_option": "ABCD"[(1 - number) % 4],
            "needle_time": [2.0],
            "length": 30,
            "type": "cnt_edit1",
            "try": number,
        }
        for number in range(4)
    ]
    as_json(root / "VNBench-main-4try.json", rows)
    films(root, "VNBench_new/10109006686_cnt_edit1.mp4")


def mvbench(root: Path) -> None:
    """Whole films: parts by start and end, pictures in a folder, another suffix than the table's."""
    options = {"question": "What happens?", "candidates": ["One.", "Two."], "answer": "Two."}
    bounds = {"start": 1.0, "end": 3.0}
    as_json(root / "json/action_sequence.json", [{"video": "ZS9XR.mp4", **options, **bounds}])
    as_json(root / "json/action_antonym.json", [{"video": "166583.webm", **options}])
    as_json(root / "json/episodic_reasoning.json", [{"video": "friends_s03e09", **options, "start": 0.0, "end": 1.0}])
    films(root, "video/star/Charades_v1_480/ZS9XR.mp4", "video/ssv2_video/166583.mp4")
    frames = root / "video/tvqa/frames_fps3_hq/friends_s03e09"
    frames.mkdir(parents=True)
    for number in range(6):
        (frames / f"{number + 1:05d}.png").write_bytes(RED if number < 3 else BLUE)


def mvbench_parts(root: Path) -> None:
    """Films with the parts cut out already."""
    options = {"question": "What happens?", "candidates": ["One.", "Two."], "answer": "Two."}
    as_json(root / "json/action_sequence.json", [{"video": "ZS9XR.mp4", **options, "start": 1.0, "end": 3.0}])
    films(root, "video/star/Charades_segment/ZS9XR.mp4")


def streamingbench(root: Path) -> None:
    def row(kind: str, task: str, number: int, time: str, options: str, answer: str = "B") -> dict[str, Any]:
        return {
            "question_id": f"{kind}_sample_1_{number}",
            "task_type": task,
            "question": f"Question {number}?",
            "time_stamp": time,
            "answer": answer,
            "options": options,
            "frames_required": "single",
            "temporal_clue_type": "Prior",
        }

    real, sequential = "Real-Time Visual Understanding", "Sequential Question Answering"
    lettered, bare = "['A. One.', \"B. Two's.\", 'C. Three.', 'D. Four.']", '["One.", "Two.", "Three.", "Four."]'
    folder = root / "StreamingBench"
    rows = [row(real, "Object Perception", 1, "00:00:01", lettered), row(real, "Counting", 2, "00:03", bare, "A")]
    as_csv(folder / "Real_Time_Visual_Understanding.csv", rows)
    later, sooner = (
        row(sequential, sequential, 2, "00:00:03", bare),
        row(sequential, sequential, 1, "00:00:02", bare, "D"),
    )
    as_csv(folder / "Sequential_Question_Answering.csv", [later, sooner])
    rows = [row("Contextual Understanding", "Misleading Context Understanding", 1, "00:00:02", bare)]
    as_csv(folder / "Contextual_Understanding.csv", rows)
    as_csv(folder / "Proactive_Output.csv", [{"question_id": "x", "ground_truth_time_stamp": "00:00:01"}])
    films(
        root,
        "Real-Time Visual Understanding_1-50/sample_1/video.mp4",
        "Sequential Question Answering_1-25/sample_1/video.mp4",
        "Misleading Context Understanding/sample_1/video.mp4",
        "Proactive Output_1-25/sample_1/video.mp4",
    )


def ovobench(root: Path) -> None:
    as_json(
        root / "ovo_bench_new.json",
        [
            {
                "id": 0,
                "task": "EPM",
                "video": "Ego4D/clips/ec4a.mp4",
                "realtime": 2,
                "question": "Who was there?",
                "answer": "nobody",
                "options": ["somebody", "nobody"],
                "gt": 1,
            },
            {
                "id": 1,
                "task": "REC",
                "video": "perception_test/video_1.mp4",
                "activity": "breaking something",
                "test_info": [{"realtime": 1, "count": 0}, {"realtime": 3.5, "count": 2}],
            },
            {
                "id": 2,
                "task": "SSR",
                "video": "COIN/x.mp4",
                "tutorial": "Tea",
                "test_info": [{"realtime": 1, "step": "boil water", "type": 1}],
            },
            {
                "id": 3,
                "task": "CRR",
                "video": "COIN/x.mp4",
                "question": "What comes next?",
                "answer": "tea",
                "test_info": [{"realtime": 3, "type": 0}],
            },
        ],
    )
    films(root, *(f"src_videos/{name}.mp4" for name in ("Ego4D/clips/ec4a", "perception_test/video_1", "COIN/x")))


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


LAYOUTS: dict[str, tuple[str, Callable[[Path], None]]] = {
    made.__name__: (made.__name__.partition("_")[0], made)
    for made in (
        *(videomme, mlvu, longvideobench, egoschema, egoschema_original, vnbench, mvbench, mvbench_parts),
        *(streamingbench, ovobench, gqa, gqa_original, pope, pope_original, textvqa, textvqa_original),
        *(mmbench, mmbench_tsv),
    )
}
