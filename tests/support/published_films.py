"""Published benchmarks about films in miniature: the files and fields of their authors, a few questions each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.tables import BLUE, RED, as_csv, as_json, as_parquet, films


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
