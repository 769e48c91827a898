"""A microscopic run: learns, resumes exactly, and leaves an ordinary checkpoint."""

import json

import pytest
import torch

from vtc_cli.train.checkpoint import save
from vtc_cli.train.tiny import Recipe, card, train_language, train_vision, trained

CPU = torch.device("cpu")
SIZES = {"units": 4, "depth": 2, "hidden": 64, "layers": 2, "text_hidden": 64}
RECIPE = Recipe(vision_steps=12, language_steps=12, peak=1e-2, **SIZES)


def losses(folder, stage):
    return [json.loads(line)["loss"] for line in (folder / f"{stage}.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    train_vision(folder, RECIPE, CPU)
    train_language(folder, RECIPE, CPU)
    return folder


@pytest.mark.parametrize("stage", ["vision", "language"])
def test_loss_falls(folder, stage):
    values = losses(folder, stage)
    assert values[-1] < 0.95 * values[0]


def test_an_interrupted_run_ends_like_an_uninterrupted_one(folder, tmp_path):
    class Cut(Exception):
        pass

    def cut_at_second_report(_):
        raise Cut

    from vtc_cli.train import tiny

    original = tiny.run

    def cut_run(stage, where, **rest):
        original(stage, where, every=5, workers=0, say=cut_at_second_report)

    tiny.run = cut_run
    try:
        short = Recipe(vision_steps=60, peak=1e-2, **SIZES)
        with pytest.raises(Cut):  # raised by the report at step 50, after the checkpoint of step 45
            train_vision(tmp_path, short, CPU)
        tiny.run = lambda stage, where, **rest: original(stage, where, every=5, workers=0, say=lambda _: None)
        train_vision(tmp_path, short, CPU)
        train_vision(tmp_path / "straight", short, CPU)
    finally:
        tiny.run = original
    resumed = torch.load(tmp_path / "vision.pt", weights_only=True)["modules"]["tower"]
    straight = torch.load(tmp_path / "straight" / "vision.pt", weights_only=True)["modules"]["tower"]
    assert resumed.keys() == straight.keys()
    for name, value in straight.items():
        assert torch.equal(value, resumed[name]), name


def test_the_checkpoint_is_an_ordinary_folder(folder, tmp_path):
    from transformers import AutoTokenizer, Qwen3VLForConditionalGeneration

    model = trained(folder, RECIPE)
    wanted = model.model.visual.pos_embed.weight.to(torch.bfloat16)
    size = save(model, folder, tmp_path / "out", card(folder, RECIPE))
    assert size < 25e6
    loaded = Qwen3VLForConditionalGeneration.from_pretrained(tmp_path / "out")
    assert torch.equal(loaded.model.visual.pos_embed.weight.to(torch.bfloat16), wanted)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer.decode(tokenizer("Which way does the star move?").input_ids) == "Which way does the star move?"
    messages = [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "Read."}]}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    wanted_text = (
        "<|im_start|>user\n<|vision_start|><|video_pad|><|vision_end|>Read.<|im_end|>\n<|im_start|>assistant\n"
    )
    assert text == wanted_text
