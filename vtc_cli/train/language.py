"""Second stage: the decoder learns to answer from whole units of a tower that can already see.

One sequence holds one film and many questions about it. Every question sees the film and itself, not the
other questions, and sits at the position it would have if it were the only one: the film is paid for once.
All films of a batch share one timeline, so they share ids, positions and mask.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vtc_cli.models.prompt import multiple_choice, time_tag
from vtc_cli.train import forward
from vtc_cli.train.architecture import CELL, MERGE, PATCH
from vtc_cli.train.stream import random_size, to_input
from vtc_cli.train.world.film import Film, make_film
from vtc_cli.train.world.questions import SKILLS, Question, ask_some
from vtc_cli.train.world.render import frame_at

LETTERS = "ABCD"
SCENE = 8.0  # seconds; longer shots would leave things no room to move


@dataclass(frozen=True)
class Layout:
    """What every sequence of a batch begins with.

    ids: int64 [P]; positions: int64 [3, P]; visual: int64 [m], where visual rows go; cursor: next position.
    """

    ids: Tensor
    positions: Tensor
    visual: Tensor
    cursor: int

    def to(self, device: torch.device) -> Layout:
        """The same layout on a device."""
        return Layout(self.ids.to(device), self.positions.to(device), self.visual.to(device), self.cursor)


@lru_cache(maxsize=1)
def _tokenizer(folder: str) -> Any:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(f"{folder}/tokenizer.json")


def layout(tokenizer: Any, times: list[tuple[float, float]], grid: tuple[int, int], skip: int) -> Layout:
    """The prompt up to the question.

    times: (first, last) seconds of each unit. skip: positions left out after the prefix, as eviction leaves them.
    """
    ids: list[int] = []
    columns: list[Tensor] = []
    visual: list[int] = []
    cursor = 0

    def write(text: str) -> None:
        nonlocal cursor
        tokens = tokenizer.encode(text).ids
        ids.extend(tokens)
        columns.append((cursor + torch.arange(len(tokens))).expand(3, -1))
        cursor += len(tokens)

    rows, across = grid
    cells = torch.arange(rows * across)
    pad = tokenizer.token_to_id("<|video_pad|>")
    write("<|im_start|>user\n<|vision_start|>")
    cursor += skip
    for tag in times:
        write(f"{time_tag(*tag)}<|vision_start|>")
        visual.extend(range(len(ids), len(ids) + len(cells)))
        ids.extend([pad] * len(cells))
        columns.append(cursor + torch.stack([torch.zeros_like(cells), cells // across, cells % across]))
        cursor += max(grid)
        write("<|vision_end|>")
    return Layout(torch.tensor(ids), torch.cat(columns, dim=1), torch.tensor(visual), cursor)


def _units(rng: np.random.Generator, progress: float) -> int:
    """Units per film: single ones until binding is learnt, longer ones after."""
    if progress < 0.3:
        return int(rng.choice([1, 2], p=[0.9, 0.1]))
    return int(rng.choice([1, 2, 4, 8], p=[0.35, 0.25, 0.25, 0.15]))


def with_options(question: Question, rng: np.random.Generator) -> Question:
    """The same question with lettered options, as the prompt writes them; the answer is the letter."""
    wrong = [option for option in question.options if option != question.answer]
    options = [question.answer, *rng.permutation(wrong)[: len(LETTERS) - 1]]
    order = rng.permutation(len(options))
    choices = {LETTERS[place]: str(options[index]) for place, index in enumerate(order)}
    letter = LETTERS[list(order).index(0)]
    return Question(question.skill, multiple_choice(question.text, choices), letter)


def language_batch(step: int, folder: str, steps: int, films: int = 32, asked: int = 14) -> Mapping[str, Any]:
    """Everything one step needs. films: how many single-unit films a batch has room for."""
    rng = np.random.default_rng((13, step))
    tokenizer = _tokenizer(folder)
    units = _units(rng, step / steps)
    size = random_size(rng)
    gap = float(rng.choice([0.5, 1.0, 1.0, 1.0, 2.0])) if units <= 2 else 1.0
    span = 2 * units * gap
    fewest = math.ceil(span / SCENE)
    shots = [int(rng.integers(fewest, max(fewest, int(span // 4)) + 1)) for _ in range(films)]
    offset = float(rng.choice([0.0, np.exp(rng.uniform(0, np.log(4000)))]))
    skip = int(rng.choice([0, np.exp(rng.uniform(0, np.log(60000)))]))
    times = [(2 * index * gap, (2 * index + 1) * gap) for index in range(units)]
    grid = (size[0] // CELL, size[1] // CELL)
    choose = rng.random() < 0.12
    start = layout(tokenizer, [(offset + first, offset + last) for first, last in times], grid, skip)
    pictures, asked_of = [], []
    for index in range(max(2, films // units)):
        film = make_film(step * films + index, "train", span, shots[index], size[1] / size[0])
        pictures.append([[frame_at(film, time, size) for time in pair] for pair in times])
        asked_of.append(_ask(film, rng, asked // 2 if choose else asked, choose))
    return {
        "frames": torch.from_numpy(np.array(pictures)).flatten(0, 1),
        "layout": start,
        **_slots(tokenizer, asked_of),
    }


def _ask(film: Film, rng: np.random.Generator, count: int, choose: bool) -> list[Question]:
    questions = ask_some(film, rng, count)
    return [with_options(question, rng) for question in questions] if choose else questions


def _slots(tokenizer: Any, asked_of: list[list[Question]]) -> dict[str, Tensor]:
    """Questions as equal slots: ids [B, Q, S], targets [B, Q, S] (-100 where nothing is learnt), skill [B, Q]."""
    encoded = []
    for questions in asked_of:
        rows = []
        for question in questions:
            asked = tokenizer.encode(f"<|vision_end|>{question.text}<|im_end|>\n<|im_start|>assistant\n").ids
            rows.append((asked, tokenizer.encode(f"{question.answer}<|im_end|>").ids, SKILLS.index(question.skill)))
        encoded.append(rows)
    count = max(len(rows) for rows in encoded)
    width = max(len(asked) + len(answer) for rows in encoded for asked, answer, _ in rows) - 1
    shape = (len(encoded), count, width)
    ids, targets = torch.zeros(shape, dtype=torch.long), torch.full(shape, -100)
    skill = torch.full(shape[:2], -1)
    for film, rows in enumerate(encoded):
        for slot, (asked, answer, kind) in enumerate(rows):
            whole = asked + answer
            ids[film, slot, : len(whole) - 1] = torch.tensor(whole[:-1])
            targets[film, slot, len(asked) - 1 : len(whole) - 1] = torch.tensor(answer)
            skill[film, slot] = kind
    return {"ids": ids, "targets": targets, "skill": skill}


def slot_mask(prefix: int, count: int, width: int, dtype: torch.dtype) -> Tensor:
    """Additive mask [L, L]: causal, and question slots blind to each other."""
    total = prefix + count * width
    allowed = torch.ones(total, total, dtype=torch.bool).tril()
    slot = torch.arange(count).repeat_interleave(width)
    allowed[prefix:, prefix:] &= slot[:, None] == slot[None, :]
    return torch.zeros(total, total, dtype=dtype).masked_fill(~allowed, float("-inf"))


def language_loss(
    model: Any, batch: Mapping[str, Any], step: int, dtype: torch.dtype, blocks: forward.Blocks
) -> tuple[Tensor, dict[str, float]]:
    """Mean cross-entropy of the answers' tokens, and the share of questions answered right, per skill."""
    decoder = model.model.language_model
    table = decoder.embed_tokens.weight
    device = table.device
    start: Layout = batch["layout"].to(device)
    ids, targets, skill = (batch[name].to(device) for name in ("ids", "targets", "skill"))
    films, count, width = ids.shape
    rng = np.random.default_rng((17, step))
    pixels = to_input(batch["frames"], rng, dtype).to(device)
    grid = (pixels.shape[-2] // CELL, pixels.shape[-1] // CELL)
    with torch.no_grad():
        rows, deep = forward.see(model.model.visual, forward.patch_rows(pixels, PATCH, MERGE), grid, blocks)
    prefix = table[start.ids].to(dtype).expand(films, -1, -1)
    prefix = prefix.index_copy(1, start.visual, rows.reshape(films, -1, rows.shape[-1]))
    asked = table[ids].to(dtype).flatten(1, 2)
    own = (start.cursor + torch.arange(width, device=device)).repeat(count).expand(3, -1)
    hidden = forward.read(
        decoder,
        torch.cat([prefix, asked], dim=1),
        torch.cat([start.positions, own], dim=1),
        slot_mask(len(start.ids), count, width, dtype).to(device),
        start.visual,
        [level.reshape(films, -1, level.shape[-1]) for level in deep],
        blocks,
    )[:, len(start.ids) :].reshape(films, count, width, -1)
    learnt = targets >= 0
    logits = F.linear(hidden[learnt], model.lm_head.weight.to(dtype)).float()
    loss = F.cross_entropy(logits, targets[learnt])
    return loss, _accuracy(logits, targets, learnt, skill)


def _accuracy(logits: Tensor, targets: Tensor, learnt: Tensor, skill: Tensor) -> dict[str, float]:
    wrong = torch.zeros_like(targets, dtype=torch.bool)
    wrong[learnt] = logits.argmax(-1) != targets[learnt]
    right = ~wrong.any(-1)
    held = {name: right[skill == index] for index, name in enumerate(SKILLS)}
    return {name: found.float().mean().item() for name, found in held.items() if len(found)}
