"""What a whole session reports is what torch counts while it runs: loading, watching, pruning, asking."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from tests.report.counting import counter
from tests.support.checkpoints import random_qwen3_vl
from vtc_cli import CachePolicy, Frame, LayerView, Session, VideoLM, load_model
from vtc_cli.report import flops, measured


@pytest.fixture
def model(tmp_path: Path) -> VideoLM:
    return load_model(str(random_qwen3_vl(tmp_path / "model", layers=4)), device="cpu", dtype="float32")


@pytest.mark.parametrize(
    ("pruner", "layers"),
    [
        (None, None),
        ("uniform:retain=1/2", None),
        (None, "fastv:layer=1"),
        ("uniform:retain=2/3", "fastv:retain=1/4"),
        ("hiprune:retain=1/2", None),
        ("visionzip:contextual=0,retain=3/4", "fastv:layer=1"),
    ],
)
def test_reported_work_equals_counted_work(tmp_path: Path, pruner: str | None, layers: str | None) -> None:
    model = load_model(str(random_qwen3_vl(tmp_path / "model", layers=4)), device="cpu", dtype="float32")
    generator = torch.Generator().manual_seed(0)
    frames = [
        Frame(float(second), torch.randint(0, 256, (3, 64, 96), dtype=torch.uint8, generator=generator))
        for second in range(8)
    ]
    dims, tower = model.info.decoder, model.info.tower

    with counter() as watching:
        session = Session(model, pruner=pruner, layers=layers, cache="window", budget=64, chunk=2, evidence=False)
        session.watch(frames)
    captured = (tower, len(session.captured))
    watched = measured.work(session.meter.sums, captured=captured, routed=session.meter.routed)
    assert (watched.method is not None) == (pruner is not None and not pruner.startswith("uniform"))
    assert (watched.layers is not None) == (watched.prefill.spared_rows > 0) == (layers is not None)
    assert session.meter.counts["units"] == 4
    assert session.evicted > 0
    assert watching.get_total_flops() == flops.tower(tower, watched.vision) + flops.decoder(
        dims, watched.prefill, "square"
    ) + (watched.layers.flops if watched.layers else 0) + (watched.method or 0)

    before, routed = deepcopy(session.meter.sums), deepcopy(session.meter.routed)
    with counter() as asking:
        session.ask("What moves?", max_new_tokens=5)
    asked = measured.work(session.meter.sums, before, routed=session.meter.routed, routed_before=routed)
    if layers is not None:
        assert asked.layers is not None
        assert watched.layers is not None
        # Text alone: nothing to rank, and every layer runs every row of it.
        assert asked.layers.flops == watched.layers.flops
        more = {now - before for now, before in zip(asked.layers.rows, watched.layers.rows, strict=True)}
        assert more == {asked.question.rows}
    assert asking.get_total_flops() == flops.decoder(dims, asked.question, "square") + flops.decoder(
        dims, asked.decode, "square"
    )


class Projecting(CachePolicy):
    """Ranks entries by their keys along a direction: one product for each layer."""

    seen: ClassVar[list[tuple[int, ...]]] = []

    def select(self, view: LayerView, keep: int) -> torch.Tensor:
        self.seen.append(tuple(view.keys.shape))
        along = (view.keys @ torch.ones(view.keys.shape[-1], 1))[..., 0]
        return along.argsort(dim=-1, descending=True, stable=True)[:, :keep].sort().values


def test_products_of_methods_are_counted_for_every_unit_and_compaction(model: VideoLM) -> None:
    generator = torch.Generator().manual_seed(0)
    frames = [
        Frame(float(second), torch.randint(0, 256, (3, 64, 96), dtype=torch.uint8, generator=generator))
        for second in range(16)
    ]
    session = Session(model, pruner="divprune:retain=1/2", cache=None)
    session.watch(frames)
    tokens, units = session.geometry.tokens, session.meter.counts["units"]
    assert session.meter.products == units * 2 * tokens * tokens * model.info.decoder.hidden  # all cosines of a unit
    work = measured.work(session.meter.sums, captured=(model.info.tower, 0), products=session.meter.products)
    assert work.method == session.meter.products

    cached = Session(model, cache=Projecting(), budget=64)
    cached.watch(frames)
    compactions = cached.meter.counts["compactions"]
    heads, full, width = Projecting.seen[0]
    assert compactions > 1
    assert cached.meter.products == compactions * model.info.decoder.layers * 2 * heads * full * width

    plain = Session(model, pruner="uniform:retain=1/2", cache="window", budget=64)
    plain.watch(frames)
    assert plain.meter.products == 0
    assert measured.work(plain.meter.sums, captured=(model.info.tower, 0)).method is None


def test_no_time_is_told_for_a_method_that_is_not_there(model: VideoLM) -> None:
    session = Session(model, cache="window", budget=4096)
    session.watch([Frame(float(second), torch.zeros(3, 64, 96, dtype=torch.uint8)) for second in range(4)])
    assert session.meter.seconds["method"] == 0.0
