"""Which moments a session can still be asked about."""

from __future__ import annotations

import pytest
import torch

from vtc_cli import Frame, Session
from vtc_cli.methods.registry import choose


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    from tests.support.checkpoints import random_qwen3_vl
    from vtc_cli import load_model

    return load_model(str(random_qwen3_vl(tmp_path_factory.mktemp("held"))), device="cpu")


def film(count: int) -> list[Frame]:
    generator = torch.Generator().manual_seed(0)
    return [
        Frame(float(second), torch.randint(0, 256, (3, 32, 48), dtype=torch.uint8, generator=generator))
        for second in range(count)
    ]


def test_everything_is_held_where_nothing_was_evicted(model):
    session = Session(model, pruner="uniform:retain=1/2")
    assert session.held() == []
    session.watch(film(5))
    held = session.held()
    assert [(item.unit, item.start, item.end) for item in held] == [(0, 0.0, 1.0), (1, 2.0, 3.0), (2, 4.0, 4.0)]
    rows = choose("uniform:retain=1/2").method.budget(model.geometry((48, 32)).tokens)
    assert {item.entries for item in held} == {float(rows)}


def test_a_window_holds_its_newest_units_and_asking_changes_nothing(model):
    tokens = model.geometry((48, 32)).tokens
    session = Session(model, cache="window:target=1", budget=3 * (tokens + 20))
    session.watch(film(40))
    held = session.held()
    assert held[-1].end == 39.0
    assert held[0].unit > 0
    assert [item.unit for item in held] == list(range(held[0].unit, 20))
    assert session.evicted > 0
    session.ask("what?", max_new_tokens=2)
    assert session.held() == held
