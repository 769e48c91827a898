"""The self-test of search: it tells vectors that mean something from vectors that do not."""

from __future__ import annotations

import numpy as np

from tests.cli.conftest import checkpoint, place, vtc  # noqa: F401
from vtc_cli.memory.searching import terms
from vtc_cli.memory.self_test import SENTENCES, try_search


def meant(text: str) -> np.ndarray:
    """Knows which sentence a question is about."""
    number = next(at for at, item in enumerate(SENTENCES) if text in item)
    return np.eye(len(SENTENCES), dtype=np.float32)[number]


def test_the_other_words_are_others() -> None:
    for body, same, other in SENTENCES:
        assert set(terms(same)) & set(terms(body))
        assert not set(terms(other)) & set(terms(body)), body


def test_vectors_that_mean_something_find_what_words_do_not() -> None:
    same, other = try_search(meant)
    assert (same.asked, same.meaning, same.both) == (16, 16, 16)
    assert same.words >= 15
    assert other.meaning == other.both == 16
    assert other.words <= 2


def test_without_vectors_words_decide() -> None:
    same, other = try_search(lambda text: None)
    assert (same.meaning, other.meaning) == (0, 0)
    assert same.both == same.words >= 15
    assert other.both <= 2


def test_the_doctor_tries_a_model(vtc) -> None:  # noqa: F811
    import json

    found = json.loads(vtc("doctor", "--retrieval", "--json").out)["checks"]
    tried = {check["name"]: check for check in found if check["topic"] == "retrieval"}
    assert "mean of word embeddings" in tried["model"]["found"]
    assert "first of 16 sentences: by words" in tried["in its words"]["found"]
    assert tried["in other words"]["state"] in ("ok", "warning")
    assert vtc("doctor", "--model", "tiny").code == 2
    missing = json.loads(vtc("doctor", "--retrieval", "--model", "./none", "--json").out)["checks"][-1]
    assert (missing["topic"], missing["state"]) == ("retrieval", "broken")
