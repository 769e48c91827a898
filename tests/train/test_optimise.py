"""Every parameter is trained once, at its own share of the common rate."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from vtc_cli.train.optimise import EMBEDDING, GAIN, LAST, Optimiser


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed_tokens = nn.Embedding(7, 8)
        self.layers = nn.ModuleList([nn.Linear(8, 8)])
        self.q_norm, self.k_norm, self.norm = nn.RMSNorm(4), nn.RMSNorm(4), nn.RMSNorm(8)


def test_rates():
    net = Net()
    optimiser = Optimiser(net.named_parameters(), 1e-2, 100)
    rates = {}
    optimiser.step(50)
    for part in optimiser.parts:
        for group in part.param_groups:
            rates |= {id(parameter): group["lr"] for parameter in group["params"]}
    assert len(rates) == len(optimiser.parameters) == len(list(net.parameters()))
    found = {name: rates[id(parameter)] for name, parameter in net.named_parameters()}
    plain = {name: rate for name, rate in found.items() if name in ("norm.weight", "layers.0.weight", "layers.0.bias")}
    assert set(plain.values()) == {optimiser.rate(50)}
    assert found["embed_tokens.weight"] == pytest.approx(EMBEDDING * optimiser.rate(50))
    assert found["q_norm.weight"] == found["k_norm.weight"] == pytest.approx(GAIN * optimiser.rate(50))


def test_the_rate_rises_stays_and_falls():
    optimiser = Optimiser(Net().named_parameters(), 1e-2, 100)
    rates = [optimiser.rate(step) for step in range(101)]
    assert rates[0] < rates[5] < rates[13] == rates[60] == 1e-2
    assert rates[60:68] == [1e-2] * 8
    assert all(before > after for before, after in pairwise(rates[67:]))
    assert rates[100] == pytest.approx(1e-2 * LAST)


def test_the_norm_of_the_gradients_is_told_before_clipping():
    net = Net()
    optimiser = Optimiser(net.named_parameters(), 1e-2, 100)
    before = net.norm.weight.detach().clone()
    net.norm(torch.full((1, 8), 3.0)).sum().mul(100.0).backward()
    assert optimiser.step(50) == pytest.approx(100 * 8**0.5, rel=1e-3)
    assert net.norm.weight.grad is None
    assert not torch.equal(before, net.norm.weight)
