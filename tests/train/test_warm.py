"""Beginning from trained weights: everything is taken over, embeddings by what their tokens spell."""

import shutil

import pytest
import torch

from vtc_cli.errors import MachineError
from vtc_cli.train import tokenizer
from vtc_cli.train.architecture import build
from vtc_cli.train.tokenizer import special_ids
from vtc_cli.train.warm import warm_start

SIZES = {"depth": 2, "hidden": 64, "layers": 2, "text_hidden": 64}
TABLE = "model.language_model.embed_tokens.weight"


def vocabulary(folder):
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()


@pytest.fixture(scope="module")
def smaller(tmp_path_factory, quick_tokenizer):
    """A folder with another tokenizer."""
    folder = tmp_path_factory.mktemp("smaller")
    usual = tokenizer.corpus
    tokenizer.corpus = lambda: (text.upper() if number % 3 else text for number, text in enumerate(usual(films=30)))
    tokenizer.make_tokenizer(folder, vocabulary=400)
    tokenizer.corpus = usual
    return folder


def test_embeddings_are_matched_by_token(trained_folder, smaller):
    from safetensors.torch import load_file

    checkpoint = trained_folder / "checkpoint"
    given = load_file(checkpoint / "model.safetensors")
    model = build(special_ids(smaller), seed=5, **SIZES)
    warm_start(model, smaller, checkpoint)
    own = model.state_dict()
    for name, value in given.items():
        if name not in (TABLE, "lm_head.weight"):
            assert torch.equal(own[name], value.float()), name
    old, new = vocabulary(trained_folder), vocabulary(smaller)
    assert sum(old[token] != row for token, row in new.items() if token in old) > 10
    assert sum(token not in old for token in new) > 10
    table = given[TABLE].float()
    learnt = torch.cosine_similarity(table, table[old["ÿ"]][None]) < 0.8  # 0xFF is in no text
    copied = {token: row for token, row in new.items() if token in old and learnt[old[token]]}
    assert 10 < len(copied) < len(new) - 10
    for token, row in copied.items():
        assert torch.equal(own[TABLE][row], table[old[token]]), token
    fresh = own[TABLE][[row for token, row in new.items() if token not in copied]]
    likeness = torch.cosine_similarity(fresh[:, None], fresh[None], dim=-1)
    assert likeness.fill_diagonal_(0).abs().mean() < 0.2  # what was never learnt can be told apart
    assert own["lm_head.weight"].data_ptr() == own[TABLE].data_ptr()


def test_another_shape_is_an_error(trained_folder, smaller):
    model = build(special_ids(smaller), **{**SIZES, "hidden": 128})
    with pytest.raises(MachineError, match="does not fit"):
        warm_start(model, smaller, trained_folder / "checkpoint")


@pytest.mark.parametrize("spoil", ["missing", "cut", "tokenizer"])
def test_a_damaged_checkpoint_is_an_error(trained_folder, smaller, tmp_path, spoil):
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(trained_folder / "checkpoint", checkpoint)
    if spoil == "missing":
        shutil.rmtree(checkpoint)
    elif spoil == "cut":
        (checkpoint / "model.safetensors").write_bytes((checkpoint / "model.safetensors").read_bytes()[:1000])
    else:
        (checkpoint / "tokenizer.json").unlink()
    with pytest.raises(MachineError, match="cannot begin from"):
        warm_start(build(special_ids(smaller), **SIZES), smaller, checkpoint)
