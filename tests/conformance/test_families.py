"""Every family with every registered method: each pruner, each cache policy and each layer policy at least once.

The whole product of pruners and caches runs on one family, in `test_together`; the others take a set of pairs in which
every method occurs.
"""

from __future__ import annotations

from itertools import cycle
from typing import Any

import pytest
import torch

from tests.conformance.pairing import BUDGET, QUESTION, check_pair
from tests.conformance.registered import of_stage
from tests.models.families import BUILDERS as QWEN_AND_GLM
from tests.support.checkpoints import random_pixels
from tests.support.nemotron_checkpoints import random_nemotron_h_omni
from vtc_cli import CachePolicy, Frame, LayerPolicy, Session, TokenPruner, UsageError, VideoLM, load_model
from vtc_cli.models.registry import cannot

BUILDERS = {**QWEN_AND_GLM, "nemotron-h-omni": random_nemotron_h_omni}
OTHERS = sorted(set(BUILDERS) - {"qwen3-vl"})


def covering() -> list[Any]:
    """Pairs of a pruner and a cache, as many as there are of the more numerous kind."""
    pruners: list[Any] = [pytest.param(lambda: None, id="none"), *of_stage(TokenPruner)]
    caches: list[Any] = of_stage(CachePolicy)
    longer = max(len(pruners), len(caches))
    pairs = zip(range(longer), cycle(pruners), cycle(caches), strict=False)
    return [pytest.param(a.values[0], b.values[0], id=f"{a.id}|{b.id}") for _, a, b in pairs]


def test_every_method_is_in_some_pair() -> None:
    named = {name for pair in covering() for name in str(pair.id).split("|")}
    wanted = [parameter.id for stage in (TokenPruner, CachePolicy) for parameter in of_stage(stage)]  # type: ignore[type-abstract]
    assert set(map(str, wanted)) <= named
    assert len(covering()) < len(wanted)


@pytest.fixture(scope="module", params=OTHERS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> VideoLM:
    # Deep enough for methods that name a layer of the tower by its usual number.
    folder = BUILDERS[request.param](tmp_path_factory.mktemp("checkpoint") / "model", vision_depth=6, vision_hidden=16)
    return load_model(str(folder), device="cpu", dtype="float32")


@pytest.mark.parametrize(("pruner", "cache"), covering())
def test_pruner_and_cache_compose(model: VideoLM, pruner: Any, cache: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    check_pair(model, pruner, cache, monkeypatch)


def test_chunks_and_calls_change_nothing(model: VideoLM) -> None:
    frames = [Frame(float(number), picture) for number, picture in enumerate(random_pixels(25, 64, 96, seed=4))]
    sessions, answers = [], []
    for chunk, step in ((1, 25), (2, 9), (7, 25)):
        session = Session(model, cache="infinipot-v", budget=BUDGET, pixels=64 * 96, chunk=chunk)
        for start in range(0, 25, step):
            session.watch(frames[start : start + step])
        sessions.append(session._context.slab)
        answers.append(session.ask(QUESTION, max_new_tokens=4).ids)
    one = sessions[0]
    assert one.compactions > 0
    assert answers[0] == answers[1] == answers[2]
    for other in sessions[1:]:
        for mine, theirs in zip(one.blocks, other.blocks, strict=True):
            assert mine.held == theirs.held
            for name in ("unit", "patch"):
                assert torch.equal(getattr(mine, name)[:, : mine.held], getattr(theirs, name)[:, : mine.held])
            torch.testing.assert_close(mine.keys[:, :, : mine.held], theirs.keys[:, :, : mine.held], atol=1e-4, rtol=0)
        for mine, theirs in zip(one.snapshot().states, other.snapshot().states, strict=True):
            if mine.memory is not None:  # a layer may keep neither entries nor a state
                torch.testing.assert_close(mine.memory, theirs.memory, atol=1e-4, rtol=0)


@pytest.mark.parametrize("make", of_stage(LayerPolicy))
def test_layer_policy_runs_or_is_refused(model: VideoLM, make: Any) -> None:
    frames = [Frame(float(number), picture) for number, picture in enumerate(random_pixels(21, 64, 96, seed=4))]
    options: dict[str, Any] = {"budget": BUDGET, "pixels": 64 * 96, "question": QUESTION, "cache": "window"}
    if why := cannot(model.info.family, "layers"):
        with pytest.raises(UsageError, match=why):
            Session(model, layers=make(), **options)
        return
    session = Session(model, layers=make(), **options)
    session.watch(frames)
    context, slab = session._context, session._context.slab
    for length, gone, ran in zip(slab.lengths, context._dropped, session.meter.routed["prefill"].rows, strict=True):
        assert length + gone == ran
        assert length - slab.pinned <= BUDGET
    mark = slab.snapshot()
    answers = [session.ask(QUESTION, max_new_tokens=4) for _ in range(2)]
    assert slab.snapshot() == mark
    assert answers[0].ids == answers[1].ids
