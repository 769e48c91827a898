"""A microscopic run: learns, resumes exactly, and leaves an ordinary checkpoint."""

import json
import os
import shutil
import signal

import numpy as np
import pytest
import torch

from vtc_cli import Frame, Session, load_model
from vtc_cli.cli.main import run as vtc
from vtc_cli.cli.training import Progress
from vtc_cli.train import language
from vtc_cli.train.architecture import SIDE
from vtc_cli.train.forward import Blocks
from vtc_cli.train.language import language_batch, language_loss
from vtc_cli.train.loop import Stopped, Watcher
from vtc_cli.train.readouts import Readouts
from vtc_cli.train.recipe import MICROSCOPIC
from vtc_cli.train.tiny import start, train_language, trained
from vtc_cli.train.vision import Heads, vision_batch, vision_loss
from vtc_cli.train.world.questions import SHORT_SKILLS

CPU = torch.device("cpu")
BLOCKS = Blocks.choose(compiled=False)
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def lines(folder, stage):
    return [json.loads(line) for line in (folder / f"{stage}.jsonl").read_text().splitlines()]


def weights(folder, stage):
    modules = torch.load(folder / f"{stage}.pt", weights_only=True)["modules"]
    return {f"{part}.{name}": value for part, state in modules.items() for name, value in state.items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("stage", ["vision", "language"])
def test_every_tenth_step_and_the_last_are_logged(trained_folder, stage):
    log = lines(trained_folder, stage)
    assert [line["step"] for line in log] == [10, 12]
    assert all(np.isfinite(line["loss"]) for line in log)


def test_the_tower_learns(trained_folder):
    """The loss on films that it was not trained with falls; batches differ too much to compare one with the next."""

    def loss(learnt):
        tower = start(trained_folder, MICROSCOPIC).model.visual
        torch.manual_seed(MICROSCOPIC.seed)
        heads = Heads(tower.config.out_hidden_size, len(tower.config.deepstack_visual_indexes))
        if learnt:
            modules = torch.load(trained_folder / "vision.pt", weights_only=True)["modules"]
            tower.load_state_dict(modules["tower"])
            heads.load_state_dict(modules["heads"])
        with torch.no_grad():
            losses = [vision_loss(tower, heads, *vision_batch(s, 8), s, torch.float32, BLOCKS)[0] for s in (1000, 1001)]
        return float(sum(losses))

    assert loss(learnt=True) < 0.93 * loss(learnt=False)


def test_the_decoder_learns(trained_folder):
    """The loss on batches that it was not trained with falls, over the same tower."""

    def loss(model, learnt):
        readouts = Readouts(MICROSCOPIC.text_hidden)
        if learnt:
            modules = torch.load(trained_folder / "language.pt", weights_only=True)["modules"]
            readouts.load_state_dict(modules["readouts"])
        batches = [language_batch(step, str(trained_folder), 10**6, films=4) for step in (1000, 1001)]
        with torch.no_grad():
            losses = [language_loss(model, readouts, batch, 0, torch.float32, BLOCKS)[0] for batch in batches]
        return float(sum(losses))

    model = trained(trained_folder, MICROSCOPIC)
    untrained = start(trained_folder, MICROSCOPIC)
    untrained.model.visual.load_state_dict(model.model.visual.state_dict())
    assert loss(model, learnt=True) < 0.9 * loss(untrained, learnt=False)


def test_a_long_film_is_read_without_gradients_up_to_its_last_units(trained_folder, monkeypatch):
    """The questions are answered as if all of it were learnt from; only its last units are asked about themselves."""
    monkeypatch.setattr(language, "_units", lambda rng, progress: 8)
    monkeypatch.setattr(language, "_skills", lambda rng, progress, units: SHORT_SKILLS)  # or other questions are asked
    monkeypatch.setattr(language, "REMEMBERED", 0.0)
    model = trained(trained_folder, MICROSCOPIC)
    model.model.visual.requires_grad_(False)
    torch.manual_seed(0)
    readouts = Readouts(MICROSCOPIC.text_hidden)
    figures, asked = [], []
    for whole in (8, 4):
        monkeypatch.setattr(language, "WHOLE", whole)
        monkeypatch.setattr(language, "LEARNT", 3)
        batch = language_batch(900, str(trained_folder), 1000, films=4)
        asked.append([batch["hours"].shot.shape[1], batch["shots"].began.shape[1], batch["roll"].shape[1]])
        loss, found = language_loss(model, readouts, batch, 0, torch.float32, BLOCKS)
        loss.backward()
        figures.append(found)
    assert figures[0]["answers"] == pytest.approx(figures[1]["answers"], rel=1e-4)
    assert figures[0]["named came"] == pytest.approx(figures[1]["named came"])
    cells = asked[0][2] // 8
    assert asked == [[8, 8, 8 * cells], [3, 3, 3 * cells]]


def test_a_run_stopped_by_ctrl_c_goes_on_and_ends_like_any_other(trained_folder, tmp_path, monkeypatch, capsys):
    """Ctrl-C while the tower learns; the same folder, without its recipe's options, goes on."""
    for name in TOKENIZER:
        shutil.copy(trained_folder / name, tmp_path / name)
    seen = []

    def stepped(self, stage, step, steps, loss):
        seen.append((stage, step))
        if seen == [("vision", step) for step in range(1, 5)]:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Progress, "stepped", stepped)
    before = signal.getsignal(signal.SIGINT)
    assert vtc(["train", "tiny", "--microscopic", "--folder", str(tmp_path)]) == 130
    assert signal.getsignal(signal.SIGINT) is before
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "vision stopped after step 4 of 12" in shown.err
    assert f"vtc train tiny --folder {tmp_path}" in shown.err
    assert seen[-1] == ("vision", 4)
    assert not same(weights(tmp_path, "vision"), weights(trained_folder, "vision"))
    assert vtc(["train", "tiny", "--folder", str(tmp_path)]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{tmp_path / 'checkpoint'}\n"
    assert "vision: resumed at step 4 of 12" in shown.err
    assert seen[4:] == [
        (stage, step) for stage in ("vision", "language") for step in range(5 if stage == "vision" else 1, 13)
    ]
    for stage in ("vision", "language"):
        assert same(weights(tmp_path, stage), weights(trained_folder, stage))


def test_the_decoder_resumes_exactly(trained_folder, tmp_path):
    class StopAt(Watcher):
        def stepped(self, stage, step, steps, loss):
            self.step = step

        def stop(self):
            return self.step == 3

    for name in (*TOKENIZER, "vision.pt"):
        shutil.copy(trained_folder / name, tmp_path / name)
    with pytest.raises(Stopped, match="language stopped after step 3 of 12"):
        train_language(tmp_path, MICROSCOPIC, CPU, BLOCKS, StopAt())
    train_language(tmp_path, MICROSCOPIC, CPU, BLOCKS)
    assert same(weights(tmp_path, "language"), weights(trained_folder, "language"))


def test_a_finished_run_is_not_trained_further(trained_folder, capsys):
    before = (trained_folder / "language.jsonl").read_text()
    assert vtc(["train", "tiny", "--folder", str(trained_folder), "--output", str(trained_folder / "again")]) == 0
    assert "language: resumed at step 12 of 12" in capsys.readouterr().err
    assert (trained_folder / "language.jsonl").read_text() == before
    assert (trained_folder / "again" / "model.safetensors").read_bytes() == (
        trained_folder / "checkpoint" / "model.safetensors"
    ).read_bytes()


def test_the_checkpoint_is_an_ordinary_folder(trained_folder):
    from safetensors.torch import load_file
    from transformers import AutoTokenizer, Qwen3VLForConditionalGeneration

    place = trained_folder / "checkpoint"
    assert {value.dtype for value in load_file(place / "model.safetensors").values()} == {torch.bfloat16}
    loaded = Qwen3VLForConditionalGeneration.from_pretrained(place)
    wanted = trained(trained_folder, MICROSCOPIC).state_dict()
    for name, value in loaded.state_dict().items():
        assert torch.equal(value.to(torch.bfloat16), wanted[name].to(torch.bfloat16)), name
    tokenizer = AutoTokenizer.from_pretrained(place)
    assert tokenizer.decode(tokenizer("Which way does the star move?").input_ids) == "Which way does the star move?"
    messages = [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "Read."}]}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == (
        "<|im_start|>user\n<|vision_start|><|video_pad|><|vision_end|>Read.<|im_end|>\n<|im_start|>assistant\n"
    )


def test_the_tool_asks_the_checkpoint(trained_folder):
    model = load_model(str(trained_folder / "checkpoint"), device="cpu")
    assert model.geometry((SIDE, SIDE)).tokens == 64
    session = Session(model, evidence=False)
    session.watch([Frame(float(second), torch.zeros(3, SIDE, SIDE, dtype=torch.uint8)) for second in range(4)])
    answer = session.ask("Which digit appears?", choices={"A": "1", "B": "2"})
    assert set(answer.posterior) == {"A", "B"}
    assert sum(answer.posterior.values()) == pytest.approx(1)


def test_the_card_says_how_it_was_made(trained_folder):
    card = (trained_folder / "checkpoint" / "README.md").read_text()
    assert "vtc train tiny --vision-steps 12 --language-steps 12 --units 4" in card
    assert '"seed": 0' in card
    assert json.dumps(lines(trained_folder, "language")[-1]) in card
