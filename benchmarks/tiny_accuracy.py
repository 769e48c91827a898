"""How well the bundled model answers, through the whole tool: film -> mp4 -> decode -> watch -> ask.

    python -m benchmarks.tiny_accuracy --per-skill 250

Films come from the split training never sees. Each is written as an H.264 mp4 and answered by the public API;
the same questions are asked about the same film with its pictures replaced by noise, so that what can be guessed
without looking is measured, not assumed. Writes benchmarks/results/tiny_accuracy.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from math import sqrt
from pathlib import Path

import numpy as np
import torch

from benchmarks.machine import provenance
from vtc_cli import Frame, Session, load_model, open_clip
from vtc_cli.train.world import ask_some, make_film, write_mp4
from vtc_cli.train.world.questions import ANSWERS, SKILLS

RESULTS = Path(__file__).parent / "results"
# (seconds, scenes, aspect, share): short and long, square and wide.
KINDS = ((4.0, 1, 1.0, 0.3), (6.0, 1, 16 / 9, 0.3), (8.0, 1, 1.0, 0.2), (12.0, 3, 16 / 9, 0.2))


def wilson(right: int, n: int) -> tuple[float, float]:
    """95 % interval of a proportion."""
    z, p = 1.96, right / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return round(middle - half, 4), round(middle + half, 4)


def noise(frames: list[Frame], seed: int) -> list[Frame]:
    """The same moments, with pictures of noise."""
    generator = torch.Generator().manual_seed(seed)
    return [
        Frame(frame.time, torch.randint(0, 256, frame.image.shape, dtype=torch.uint8, generator=generator))
        for frame in frames
    ]


def main() -> None:
    """Ask until every skill has enough questions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--per-skill", type=int, default=250)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--unseen-phrasing", action="store_true")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    model = load_model(options.model, device="cpu")
    seen: Counter[str] = Counter()
    right: Counter[tuple[str, str]] = Counter()
    answers: Counter[tuple[str, str]] = Counter()
    began, films = time.time(), 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        while any(seen[skill] < options.per_skill for skill in SKILLS):
            seed = options.first_seed + films
            rng = np.random.default_rng((5, seed))
            seconds, scenes, aspect, _ = KINDS[rng.choice(len(KINDS), p=[kind[-1] for kind in KINDS])]
            film = make_film(seed, "test", seconds, scenes, aspect)
            write_mp4(film, path)
            clip = open_clip(str(path))
            frames = list(clip.frames(1.0))
            clip.close()
            films += 1
            questions = ask_some(film, rng, 12, options.unseen_phrasing)
            questions = [question for question in questions if seen[question.skill] < options.per_skill]
            for name, shown in (("seeing", frames), ("blind", noise(frames, seed))):
                session = Session(model, chunk=4, evidence=False)
                session.watch(shown)
                for question in questions:
                    said = session.ask(question.text, max_new_tokens=8).text.strip()
                    right[name, question.skill] += said == question.answer
            for question in questions:
                seen[question.skill] += 1
                answers[question.skill, question.answer] += 1
    skills = {}
    for skill in SKILLS:
        n = seen[skill]
        skills[skill] = {
            "n": n,
            "accuracy": round(right["seeing", skill] / n, 4),
            "interval_95": wilson(right["seeing", skill], n),
            "blind": round(right["blind", skill] / n, 4),
            "chance": round(1 / len(ANSWERS[skill]), 4),
            "most_common_answer": round(max(answers[skill, a] for a in ANSWERS[skill]) / n, 4),
        }
        print(f"{skill:8} {skills[skill]}")
    report = {
        "what": __doc__.splitlines()[0],
        "model": model.info.name,
        "revision": model.info.revision,
        "phrasing": "unseen" if options.unseen_phrasing else "as in training",
        "films": films,
        "first_seed": options.first_seed,
        "seconds": round(time.time() - began, 1),
        "skills": skills,
        **provenance(),
    }
    RESULTS.mkdir(exist_ok=True)
    name = "tiny_accuracy_unseen.json" if options.unseen_phrasing else "tiny_accuracy.json"
    (options.output or RESULTS / name).write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
