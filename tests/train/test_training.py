"""A microscopic run: learns, resumes exactly, and leaves an ordinary checkpoint."""

import json

import numpy as np
import pytest
import torch

from vtc_cli.models.prompt import multiple_choice
from vtc_cli.train.checkpoint import save
from vtc_cli.train.forward import Blocks
from vtc_cli.train.tiny import Recipe, card, train_language, train_vision, trained

CPU = torch.device("cpu")
BLOCKS = Blocks.choose(compiled=False)
SIZES = {"units": 4, "depth": 2, "hidden": 64, "layers": 2, "text_hidden": 64}
RECIPE = Recipe(vision_steps=12, language_steps=12, peak=1e-2, **SIZES)


def losses(folder, stage):
    return [json.loads(line)["loss"] for line in (folder / f"{stage}.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    train_vision(folder, RECIPE, CPU, BLOCKS)
    train_language(folder, RECIPE, CPU, BLOCKS)
    return folder


@pytest.mark.parametrize("stage", ["vision", "language"])
def test_loss_falls(folder, stage):
    values = losses(folder, stage)
    assert values[-1] < 0.95 * values[0]


def test_an_interrupted_run_ends_like_an_uninterrupted_one(folder, tmp_path):
    class CutError(Exception):
        pass

    def cut_at_second_report(_):
        raise CutError

    from vtc_cli.train import tiny

    original = tiny.run

    def cut_run(stage, where, **rest):
        original(stage, where, every=5, workers=0, say=cut_at_second_report)

    tiny.run = cut_run
    try:
        short = Recipe(vision_steps=60, peak=1e-2, **SIZES)
        with pytest.raises(CutError):  # raised by the report at step 50, after the checkpoint of step 45
            train_vision(tmp_path, short, CPU, BLOCKS)
        tiny.run = lambda stage, where, **rest: original(stage, where, every=5, workers=0, say=lambda _: None)
        train_vision(tmp_path, short, CPU, BLOCKS)
        train_vision(tmp_path / "straight", short, CPU, BLOCKS)
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


def test_training_writes_the_prompt_the_tool_writes(folder, tmp_path):
    """Ids and positions of a training sequence are those of the adapter for the same film and question."""
    from tokenizers import Tokenizer

    from vtc_cli import load_model
    from vtc_cli.models.contract import Cursor, Unit
    from vtc_cli.train.language import _slots, layout, with_options
    from vtc_cli.train.world.questions import Question

    save(trained(folder, RECIPE), folder, tmp_path / "out", card(folder, RECIPE))
    model = load_model(str(tmp_path / "out"), device="cpu")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    times = [(8.0, 9.0), (10.0, 11.0), (1200.0, 1201.0)]
    for grid in ((8, 8), (6, 10), (10, 6)):
        ours = layout(tokenizer, times, grid, 0)
        n = grid[0] * grid[1]
        spans = [model.open(Cursor())]
        for index, span in enumerate(times):
            rows = torch.zeros(n, 64)
            unit = Unit(index, span, rows, grid, (rows, rows))
            spans.append(model.place(spans[-1].cursor, unit))
        assert torch.cat([span.ids for span in spans]).tolist() == ours.ids.tolist()
        assert torch.equal(torch.cat([span.positions for span in spans], 1), ours.positions)
        assert torch.cat([span.visual for span in spans]).nonzero()[:, 0].tolist() == ours.visual.tolist()
        assert spans[-1].cursor.next == ours.cursor
    plain = Question("colour", "What colour is the star?", "red")
    slots = _slots(tokenizer, [[plain]])
    wanted = model.question(Cursor(), plain.text)
    answer = tokenizer.encode("red<|im_end|>").ids
    assert slots["ids"][0, 0].tolist() == [*wanted.ids.tolist(), *answer[:-1]]
    assert slots["targets"][0, 0].tolist()[-len(answer) :] == answer
    lettered = with_options(plain, np.random.default_rng(0))
    options = dict(line.split(". ") for line in lettered.text.splitlines()[1:-1])
    assert options[lettered.answer] == "red"
    assert lettered.text == multiple_choice(plain.text, options)
    asked = model.question(Cursor(), plain.text, options)
    assert _slots(tokenizer, [[lettered]])["ids"][0, 0].tolist()[: len(asked.ids)] == asked.ids.tolist()
