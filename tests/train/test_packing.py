"""Many questions in one sequence are asked as if each were alone, in the words of the tool's own prompt."""

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from vtc_cli import load_model
from vtc_cli.models.contract import Cursor, Unit
from vtc_cli.models.prompt import multiple_choice
from vtc_cli.train import forward
from vtc_cli.train.architecture import build
from vtc_cli.train.language import _answer, language_batch, with_options
from vtc_cli.train.packing import UNLEARNT, exchange, layout, pack, visible
from vtc_cli.train.tokenizer import special_ids
from vtc_cli.train.world import Question, ask_some, make_film
from vtc_cli.train.world.asker import ABSENT, ANSWERS
from vtc_cli.train.world.questions import SKILLS

BLOCKS = forward.Blocks.choose(compiled=False)
TIMES = [(8.0, 9.0), (10.0, 11.0), (1200.0, 1201.0)]
PLAIN = Question("colour", "What colour is the star?", "red", ANSWERS["colour"])


@pytest.fixture(scope="module")
def tokenizer(trained_folder):
    return Tokenizer.from_file(str(trained_folder / "tokenizer.json"))


@pytest.fixture(scope="module")
def adapter(trained_folder):
    return load_model(str(trained_folder / "checkpoint"), device="cpu")


def exchanges(tokenizer, seed, count):
    film = make_film(seed, duration=9.0, scenes=1 + seed % 3)
    asked = ask_some(film, np.random.default_rng(seed), count)
    return [exchange(tokenizer, item.text, item.answer, SKILLS.index(item.skill)) for item in asked]


def test_a_packed_question_is_answered_as_if_it_were_alone(trained_folder, tokenizer):
    """Logits of every question in a batch of packed films are those of the library's decoder on that question only."""
    model = build(special_ids(trained_folder), depth=2, hidden=64, layers=3, text_hidden=128, seed=1).eval()
    decoder = model.model.language_model
    start = layout(tokenizer, TIMES, (2, 3), skip=700)
    films = [exchanges(tokenizer, 3, 5), exchanges(tokenizer, 4, 3)]
    packed = pack(films)
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(2, len(start.visual), 128, generator=generator)
    deep = [torch.randn(2, len(start.visual), 128, generator=generator) for _ in range(2)]
    table = decoder.embed_tokens.weight
    prefix = table[start.ids].expand(2, -1, -1).index_copy(1, start.visual, rows)
    with torch.no_grad():
        hidden, _, _ = forward.read(
            decoder,
            torch.cat([prefix, table[packed["ids"]]], 1),
            torch.cat(
                [start.positions[:, None].expand(-1, 2, -1), (start.cursor + packed["offset"]).expand(3, -1, -1)], 2
            ),
            visible(len(start.ids), packed["slot"], torch.float32),
            start.visual,
            deep,
            BLOCKS,
        )
        ours = model.lm_head(hidden[:, len(start.ids) :])
        for film, items in enumerate(films):
            at = 0
            for item in items:
                whole = torch.tensor([*item.asked, *item.answer[:-1]])
                positions = torch.cat([start.positions, (start.cursor + torch.arange(len(whole))).expand(3, -1)], 1)
                where = torch.zeros(1, positions.shape[1], dtype=torch.bool)
                where[0, start.visual] = True
                alone = decoder(
                    inputs_embeds=torch.cat([prefix[film], table[whole]])[None],
                    position_ids=positions[:, None],
                    visual_pos_masks=where,
                    deepstack_visual_embeds=[level[film] for level in deep],
                    use_cache=False,
                ).last_hidden_state[0, len(start.ids) :]
                assert torch.allclose(ours[film, at : at + len(item)], model.lm_head(alone), atol=1e-4)
                at += len(item)


def test_what_is_learnt_is_the_answers(tokenizer):
    films = [exchanges(tokenizer, 3, 4), exchanges(tokenizer, 4, 1)]
    packed = pack(films)
    assert packed["ids"].shape[1] == max(sum(map(len, items)) for items in films)
    for film, items in enumerate(films):
        for index, item in enumerate(items):
            mine = packed["slot"][film] == index
            learnt = packed["targets"][film][mine]
            assert learnt[learnt != UNLEARNT].tolist() == list(item.answer)
            # What is to be said next stands after what has been said.
            assert packed["ids"][film][mine].tolist() == [*item.asked, *item.answer][:-1]
            assert learnt.tolist()[len(item.asked) - 1 :] == list(item.answer)
            assert packed["offset"][film][mine].tolist() == list(range(len(item)))
            assert packed["kind"][film, index] == item.kind
        assert (packed["kind"][film, len(items) :] == -1).all()
    padded = packed["slot"] == -1
    assert padded.any()
    assert (packed["targets"][padded] == UNLEARNT).all()


def test_questions_see_the_film_and_themselves():
    slot = torch.tensor([[0, 0, 1, 1, -1]])
    seen = visible(2, slot, torch.float32)[0, 0, 0] == 0
    assert seen.long().tolist() == [
        [1, 0, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0, 0],
        [1, 1, 1, 1, 0, 0, 0],
        [1, 1, 0, 0, 1, 0, 0],
        [1, 1, 0, 0, 1, 1, 0],
        [1, 1, 0, 0, 0, 0, 1],
    ]
    assert torch.equal(visible(2, slot, torch.float32, known=1)[0, 0, 0] == 0, seen[1:])


@pytest.mark.parametrize("grid", [(8, 8), (6, 10), (10, 6)])
def test_training_writes_the_film_as_the_tool_does(adapter, tokenizer, grid):
    ours = layout(tokenizer, TIMES, grid, 0)
    rows = torch.zeros(grid[0] * grid[1], 64)
    spans = [adapter.open(Cursor())]
    for index, times in enumerate(TIMES):
        spans.append(adapter.place(spans[-1].cursor, Unit(index, times, rows, grid, (rows, rows))))
    assert torch.cat([span.ids for span in spans]).tolist() == ours.ids.tolist()
    assert torch.equal(torch.cat([span.positions for span in spans], 1), ours.positions)
    assert torch.cat([span.visual for span in spans]).nonzero()[:, 0].tolist() == ours.visual.tolist()
    assert spans[-1].cursor.next == ours.cursor


def test_skipped_positions_are_left_out_after_the_prefix(tokenizer):
    plain, skipped = (layout(tokenizer, TIMES, (2, 3), skip) for skip in (0, 500))
    assert plain.ids.tolist() == skipped.ids.tolist()
    moved = (skipped.positions - plain.positions)[0]
    assert moved.unique().tolist() == [0, 500]
    assert skipped.cursor == plain.cursor + 500


def test_training_writes_the_question_as_the_tool_does(adapter, tokenizer):
    item = exchange(tokenizer, PLAIN.text, PLAIN.answer, 0)
    assert list(item.asked) == adapter.question(Cursor(), PLAIN.text).ids.tolist()
    assert tokenizer.decode(item.answer, skip_special_tokens=False) == "red<|im_end|>"
    shown = 0
    for seed in range(40):
        lettered = with_options(PLAIN, np.random.default_rng(seed))
        options = dict(line.split(". ") for line in lettered.text.splitlines()[1:-1])
        assert list(options) == list("ABCD")
        assert len(set(options.values())) == 4
        assert options[lettered.answer] == "red"
        assert set(options.values()) <= {*ANSWERS["colour"], ABSENT}
        assert lettered.text == multiple_choice(PLAIN.text, options)
        asked = adapter.question(Cursor(), PLAIN.text, options)
        assert list(exchange(tokenizer, lettered.text, lettered.answer, 0).asked) == asked.ids.tolist()
        shown += ABSENT in options.values()
    assert 0 < shown < 20


def test_times_are_answered_as_the_tag_that_shows_them():
    tags = [(100.0, 101.0), (102.0, 103.0), (104.0, 105.0)]
    question = Question("when", "When does the star appear?", "1.5 seconds", seconds=1.5, about=(1.5, 4.5))
    assert _answer(question, tags, 100.0) == "102.5 seconds"
    assert _answer(Question("when", "?", "9.0 seconds", seconds=9.0, about=(9.0, 9.5)), tags, 100.0) is None
    assert _answer(PLAIN, tags, 100.0) == "red"


@pytest.mark.parametrize("progress", [0.0, 0.5, 1.0])
def test_a_batch_is_a_function_of_its_step(trained_folder, progress):
    one, two = (language_batch(int(progress * 40), str(trained_folder), 40, films=4) for _ in range(2))
    assert torch.equal(one["frames"], two["frames"])
    assert torch.equal(one["ids"], two["ids"])
    assert torch.equal(one["layout"].positions, two["layout"].positions)
    assert one["frames"].dtype == torch.uint8
    units = len(one["frames"]) // len(one["ids"])
    cells = one["frames"].shape[2] * one["frames"].shape[3] // 256
    assert len(one["layout"].visual) == units * cells
    assert int(one["layout"].positions.max()) < one["layout"].cursor
