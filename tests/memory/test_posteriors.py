"""The gate: entropy in nats over labels, and how much of the model's mass is on labels at all."""

from __future__ import annotations

import math

import pytest
import torch

from vtc_cli.memory import Weighed, posterior
from vtc_cli.memory.narrator import weighed


def of(*shares: float, coverage: float = 1.0):
    logs = {
        label: math.log(share * coverage) if share else -math.inf
        for label, share in zip("ABCDEFGH", shares, strict=False)
    }
    return posterior([Weighed(logs)])


@pytest.mark.parametrize(
    ("shares", "nats", "confident"),
    [
        ((0.25, 0.25, 0.25, 0.25), 1.386, False),
        ((0.5, 0.5, 0, 0), 0.693, False),
        ((0.8, 0.1, 0.05, 0.05), 0.708, False),
        ((0.9, 0.05, 0.03, 0.02), 0.428, True),
        ((0.97, 0.01, 0.01, 0.01), 0.168, True),
        ((0.8, 0.2), 0.5004, False),
    ],
)
def test_the_table_of_the_gate(shares, nats, confident) -> None:
    found = of(*shares)
    assert found.entropy == pytest.approx(nats, abs=6e-4)
    assert found.confident() is confident


def test_no_label_at_all_is_not_certainty() -> None:
    found = of(0, 0, 0, 0)
    assert set(found.shares.values()) == {0.25}
    assert (found.coverage, found.confident()) == (0.0, False)


def test_a_label_with_little_mass_is_not_certainty() -> None:
    found = of(1.0, 0, 0, coverage=1e-4)
    assert found.shares["A"] == 1.0
    assert found.coverage == pytest.approx(1e-4)
    assert not found.confident()


def test_only_whole_labels_count() -> None:
    # 0: "B", 1: "Based", 2: "T", 3: "The", 4: "A", 5: " A"
    logits = torch.tensor([0.0, 9.0, 0.0, 9.0, 0.0, 0.0])
    reading = weighed(logits, ["A", "B"], [[4, 5], [0]])
    found = posterior([reading])
    assert found.shares["A"] == pytest.approx(2 / 3)
    assert found.coverage < 1e-3
    assert weighed(torch.full((6,), -math.inf), ["A", "B"], [[4], [0]]).logs == {"A": -math.inf, "B": -math.inf}


def test_orders_are_averaged_in_logs() -> None:
    readings = [Weighed({"A": math.log(0.8), "B": math.log(0.2)}), Weighed({"A": math.log(0.2), "B": math.log(0.8)})]
    assert posterior(readings).shares == pytest.approx({"A": 0.5, "B": 0.5})
    with pytest.raises(ValueError, match="same labels"):
        posterior([readings[0], Weighed({"A": 0.0})])
