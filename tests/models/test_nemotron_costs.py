"""What Nemotron Omni is said to cost: bytes of cache and states, rows that come, counted compute."""

from __future__ import annotations

import torch

from tests.models.nemotron import HEIGHT, QUESTION, WIDTH, Loaded
from tests.report.counting import counter
from tests.support.checkpoints import random_pixels
from vtc_cli.engine.recurrent import RecurrentLayer
from vtc_cli.models.catalog import facts_of
from vtc_cli.models.device import Placement
from vtc_cli.models.sketch import sketch
from vtc_cli.report import flops
from vtc_cli.report.flops import Forwards


def test_its_record_says_what_was_loaded(nemotron: Loaded) -> None:
    info = nemotron.model.info
    assert (info.family, info.frames_per_unit) == ("nemotron-h-omni", 2)
    assert info.parameters == sum(value.numel() for value in nemotron.reference.parameters())
    assert (info.decoder.layers, info.decoder.cached, info.decoder.recurrent) == (6, 2, (0, 1, 3, 4))
    assert facts_of(nemotron.folder).kv_bytes_per_token("float32") == info.kv_bytes_per_token == 2 * 2 * 2 * 16 * 4
    slab = nemotron.slab(nemotron.spans(nemotron.watch(random_pixels(6, HEIGHT, WIDTH))))
    assert slab.nbytes == slab.held * info.kv_bytes_per_token
    assert [isinstance(layer, RecurrentLayer) for layer in slab.layers] == [True, True, False, True, True, False]
    states = [state.recurrent_states[0] for state in slab.states]
    assert info.decoder.state_bytes == sum(state.nbytes for state in states if state is not None) > 0


def test_a_plan_counts_the_rows_that_come(nemotron: Loaded) -> None:
    units = nemotron.watch(random_pixels(4, HEIGHT, WIDTH))
    drawn = sketch(nemotron.folder, Placement("cpu", "", "float32", ""), "x", nemotron.model.info.parameters)
    assert drawn.info.decoder == nemotron.model.info.decoder
    assert drawn.geometry((1280, 720)) == nemotron.model.geometry((1280, 720))
    first, _, second, last = nemotron.spans(units)
    assert (drawn.prefix(), drawn.question(QUESTION)) == (len(first), len(last))
    assert drawn.around_unit(*units[1].span) + len(units[1].tokens) == len(second)


def test_counted_compute_follows_the_weights(nemotron: Loaded) -> None:
    """The counter sees neither experts nor the recurrence, so blocks are counted against their weights."""
    dims, layers = nemotron.model.info.decoder, nemotron.model._decoder.layers
    products = 0
    for layer in layers:
        kind, mixer = layer.block_type, layer.mixer
        if kind == "full_attention":
            continue
        linear = [part.weight.numel() for part in mixer.modules() if isinstance(part, torch.nn.Linear)]
        products += sum(linear)
        if kind == "linear_attention":
            products += mixer.conv1d.weight.numel() + 3 * mixer.intermediate_size * mixer.ssm_state_size
        if kind == "moe":
            chosen = nemotron.model.model.config.text_config.num_experts_per_tok
            each = [part[0].numel() for name, part in mixer.named_parameters() if ".experts." in f".{name}"]
            products += chosen * sum(each) + mixer.gate.weight.numel()
    assert dims.row_products == products
    attention = sum(
        part.weight.numel() for layer in layers for part in layer.mixer.modules()
        if layer.block_type == "full_attention" and isinstance(part, torch.nn.Linear)
    )  # fmt: skip
    counted = flops.decoder(dims, Forwards.one(1, 0))
    head = dims.hidden * dims.vocab
    assert counted == 2 * (products + attention + head) + 2 * 4 * dims.head_dim * dims.heads


def test_counted_compute_of_the_tower_equals_the_counter(nemotron: Loaded) -> None:
    images = random_pixels(4, HEIGHT, WIDTH)
    with counter() as measured:
        nemotron.watch(images)
    tower, patches = nemotron.model.info.tower, nemotron.model.geometry((WIDTH, HEIGHT)).patches
    # Rows of the class and of registers are run besides, and not counted.
    low, high = (flops.tower(tower, Forwards.one(patches + rows, 0, logits=0) * 2) for rows in (0, 5))
    assert low < measured.get_total_flops() < 1.01 * high
