"""The bundled checkpoint: an ordinary folder that fits the package, and a model that sees."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from vtc_cli import Frame, Session, load_model, open_clip
from vtc_cli.models.catalog import TINY_FOLDER
from vtc_cli.train.world import ask_some, is_right, make_film, write_mp4

FILMS = 16
ASKED = 8
SKILLS = (
    "colour",
    "shape",
    "exists",
    "count",
    "motion",
    "digit",
    "word",
    "place",
    "relation",
    "order",
    "absent",
    "relevance",
)
MOST_THINGS = 4  # in one scene


@pytest.fixture(scope="module")
def model():
    return load_model("tiny", device="cpu")


@pytest.fixture(scope="module")
def asked(model, tmp_path_factory):
    """(skill, right when seeing, right when shown noise) of questions about films that training never saw."""
    folder = tmp_path_factory.mktemp("films")
    found = []
    for seed in range(FILMS):
        film = make_film(900_000 + seed, "test", 4.0, aspect=1.0 if seed % 2 else 16 / 9, max_things=MOST_THINGS)
        path = folder / f"{seed}.mp4"
        write_mp4(film, path, fps=5, height=192)
        frames = list(open_clip(str(path)).frames(1.0))
        generator = torch.Generator().manual_seed(seed)
        noise = [
            Frame(frame.time, torch.randint(0, 256, frame.image.shape, dtype=torch.uint8, generator=generator))
            for frame in frames
        ]
        sessions = []
        for shown in (frames, noise):
            session = Session(model, chunk=2, evidence=False)
            session.watch(shown)
            sessions.append(session)
        for question in ask_some(film, np.random.default_rng(seed), ASKED, skills=SKILLS):
            said = [session.ask(question.text, max_new_tokens=6).text for session in sessions]
            found.append((question.skill, *(is_right(question, text) for text in said)))
    return found


def test_the_package_stays_small():
    files = [path for path in TINY_FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 25e6
    assert {"config.json", "model.safetensors", "tokenizer.json", "video_preprocessor_config.json", "README.md"} <= {
        path.name for path in files
    }


def test_every_part_of_a_large_model_is_there(model):
    info = model.info
    assert info.tower.layers >= 8
    assert info.decoder.layers >= 8
    assert info.tower.deep >= 1
    assert info.decoder.kv_heads < info.decoder.heads
    assert info.frames_per_unit == 2
    assert model.geometry((640, 640)).tokens == 64
    assert 36 <= model.geometry((1280, 720)).tokens <= 64


def test_it_sees(asked):
    """Far above what the same questions give without pictures; the exact figures are in benchmarks/results."""
    seeing = sum(right for _, right, _ in asked) / len(asked)
    blind = sum(right for _, _, right in asked) / len(asked)
    assert len(asked) > 100
    assert seeing >= 0.9
    assert blind <= seeing - 0.3


def test_no_skill_is_missing(asked):
    right, total = Counter(), Counter()
    for skill, seeing, _ in asked:
        right[skill] += seeing
        total[skill] += 1
    assert all(right[skill] / total[skill] >= 0.7 for skill in total if total[skill] >= 10), (right, total)


def test_the_card_says_how_it_was_made():
    card = (Path(TINY_FOLDER) / "README.md").read_text()
    assert "vtc train tiny" in card or "vtc_cli.train.tiny" in card
    assert "seed" in card
