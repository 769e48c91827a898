"""Second stage: the decoder learns to answer from whole units of a tower that can already see.

Films of a batch share one timeline, so they share ids, positions and mask up to the question. Times and positions start
anywhere within hours and have gaps, as they do behind an evicting cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vtc_cli.models.prompt import multiple_choice
from vtc_cli.train import forward
from vtc_cli.train.architecture import CELL, MERGE, PATCH
from vtc_cli.train.clock import WEIGHT, Hours, Spans, clock_loss, hours
from vtc_cli.train.mention import Told, mention_loss
from vtc_cli.train.packing import UNLEARNT, VIDEO_ENDS, Exchange, Layout, after, exchange, layout, pack, visible
from vtc_cli.train.readouts import Readouts, taps
from vtc_cli.train.recollection import WRAPPING, Recollection, asked_of, recollection
from vtc_cli.train.roll import roll, roll_loss
from vtc_cli.train.story import Shots, shots, story_loss
from vtc_cli.train.stream import WORN, compressed, random_size, to_input
from vtc_cli.train.unshown import NEVER, Missing
from vtc_cli.train.world import Film, Question, ask_some, make_film, make_long_film
from vtc_cli.train.world.asker import ABSENT
from vtc_cli.train.world.choices import LETTERS, lettered
from vtc_cli.train.world.labels import unit_at
from vtc_cli.train.world.moments import seconds_text
from vtc_cli.train.world.questions import SHORT_SKILLS, SKILLS
from vtc_cli.train.world.scoring import TOLERANCE
from vtc_cli.train.world.shoot import fewest_scenes

FEW = 0.3  # share of the films with as few shots as can be: only one shot can be described, and counted in
LETTERED = 0.15  # share of the questions with a closed list of answers that are asked as multiple choice
# Units per film -> how often, and films of one unit for which a step has room: early, later, at the end.
COURSES: tuple[tuple[float, dict[int, float]], ...] = (
    (0.1, {1: 0.7, 2: 0.3}),
    (0.6, {1: 0.06, 2: 0.22, 4: 0.28, 8: 0.25, 16: 0.15, 32: 0.04}),
    (1.0, {1: 0.02, 2: 0.18, 4: 0.18, 8: 0.17, 16: 0.18, 32: 0.12, 64: 0.06, 128: 0.06, 192: 0.03}),
)
# Films of more units are read without a gradient up to their last units: to find a moment among many, it is the
# question that has to learn, and a minute-long film would otherwise cost as much as ten short ones.
WHOLE = 32
LEARNT = 16  # units of such a film that are learnt from
ASKED = 90  # questions a film is asked at most
WRAPPED = 0.06  # share of the questions asked as a memory does
REMEMBERED = 0.4  # share of the steps with films of LOOKED units that look as a memory does, at one film
LOOKED = (8, 16, 32)
RECALLED = 60  # questions of such a look
CHOICE, NOTED = "choice", "noted"  # what multiple choice and questions behind notes are called in the log
KINDS = (*SKILLS, CHOICE, NOTED)
EASY = ("colour", "shape", "exists", "motion", "absent", "relevance")  # learnt first, and asked about in every film
DENSE = (("describe", 1.0), ("json", 0.9))  # a description teaches more per token than any question: asked as often
REHEARSED = (0.07, 0.3)  # from this share of the steps on, a film is asked an easy skill with this probability
FAR = ("when", "duration", "during", "order", "absent")  # what of films of many units is asked about nearly alone
TIMED = ("when", "duration")  # nearly always the same answer in a film of one or two units, so seldom asked there


@lru_cache(maxsize=1)
def _tokenizer(folder: str) -> Any:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(f"{folder}/tokenizer.json")


@lru_cache(maxsize=1)
def _missing(folder: str) -> Missing:
    return Missing(_tokenizer(folder))


def _units(rng: np.random.Generator, progress: float) -> int:
    odds = next(odds for until, odds in COURSES if progress <= until)
    return int(rng.choice(list(odds), p=list(odds.values())))


def with_options(question: Question, rng: np.random.Generator) -> Question:
    """The same question with lettered options, as the prompt writes them; the answer is the letter.

    Now and then one of the wrong options is that it is not shown, or knowing of such an option would be the answer.
    """
    wrong = [option for option in question.options if option != question.answer]
    if len(wrong) > 2 and question.answer != ABSENT and rng.random() < 0.2:
        wrong = [ABSENT, *rng.permutation(wrong)[: len(LETTERS) - 2]]
    choices, letter = lettered(question.answer, wrong, rng)
    return Question(question.skill, multiple_choice(question.text, choices), letter)


def language_batch(step: int, folder: str, steps: int, films: int = 32) -> Mapping[str, Any]:
    """Everything one step needs. films: how many single-unit films a batch has room for."""
    rng = np.random.default_rng((13, step))
    tokenizer = _tokenizer(folder)
    units = _units(rng, step / steps)
    size = random_size(rng)
    gap = float(rng.choice([0.5, 1.0, 1.0, 1.0, 2.0])) if units <= 2 else 1.0
    offset = float(rng.choice([0.0, np.exp(rng.uniform(0, np.log(4000)))], p=[0.7, 0.3]))  # most films are short
    skip = int(rng.choice([0, np.exp(rng.uniform(0, np.log(60000)))]))
    times: Spans = [(2 * index * gap, (2 * index + 1) * gap) for index in range(units)]
    looked = None
    if units in LOOKED and rng.random() < REMEMBERED:
        looked = recollection(step * films, units, size[1] / size[0], rng)
        times, offset = looked.times, 0.0
    tags = [(offset + first, offset + last) for first, last in times]
    pictures, asked, drawn, rolls = [], [], [], []
    for index in range(max(1, films // units) if looked is None else 1):
        film = looked.film if looked else _film(rng, step * films + index, 2 * units * gap, size[1] / size[0])
        drawn.append(film)
        shown = [unit_at(film, pair, size, CELL) for pair in times]
        frames = np.concatenate([frames for frames, _ in shown])
        rolls.append(roll(film, times, [labels for _, labels in shown]))
        pictures.append(compressed(frames, rng) if rng.random() < WORN else frames)
        if looked is not None:
            asked.append(_recalled(looked, rng, tokenizer, _missing(folder)))
            continue
        skills = _skills(rng, step / steps, units)
        room = 150 + 70 * min(units, 24)
        asked.append(_exchanges(Told(film, times, tags), skills, rng, tokenizer, _missing(folder), offset, room))
    start = layout(tokenizer, tags, (size[0] // CELL, size[1] // CELL), skip)
    if looked is not None and looked.notes:
        start = after(tokenizer, start, looked.notes)
    frames = torch.from_numpy(np.stack(pictures)).unflatten(1, (units, 2)).flatten(0, 1)
    since = units - LEARNT if units > WHOLE else 0
    truth = {
        "hours": hours(drawn, times, tags, since),
        "shots": shots(drawn, times, tags, since),
        "roll": torch.stack(rolls).unflatten(1, (units, -1))[:, since:].flatten(1, 2),
    }
    return {"frames": frames, "layout": start, "since": since, **truth, **pack(asked)}


def _skills(rng: np.random.Generator, progress: float, units: int) -> tuple[str, ...]:
    """What a film is asked about. A skill takes ten thousand questions to learn: few are spent on what is known."""
    since, share = REHEARSED
    odds = dict.fromkeys(SHORT_SKILLS, 1.0)
    if progress >= since:
        odds |= dict.fromkeys(EASY, share)
    if units > WHOLE:
        odds = {skill: 1.0 if skill in FAR else share * odds[skill] for skill in odds}
    if units <= 2:
        odds |= dict.fromkeys(TIMED, 0.3)
    return tuple(skill for skill in SHORT_SKILLS if rng.random() < odds[skill])


def _film(rng: np.random.Generator, seed: int, span: float, aspect: float) -> Film:
    if span >= 16 and rng.random() < (0.4 if span <= 2 * WHOLE else 0.8):
        return make_long_film(seed, "train", span, aspect)
    fewest = fewest_scenes(span)
    scenes = fewest if rng.random() < FEW else int(rng.integers(fewest, max(fewest, int(span / 2.5)) + 1))
    return make_film(seed, "train", span, scenes, aspect)


def _exchanges(
    told: Told,
    skills: tuple[str, ...],
    rng: np.random.Generator,
    tokenizer: Any,
    missing: Missing,
    offset: float,
    room: int,
) -> list[Exchange]:
    """As many questions as fit into `room` tokens, at least one."""
    found: list[Exchange] = []
    film = told.film
    dense = tuple(skill for skill, share in DENSE if rng.random() < share)
    others = tuple(skill for skill in skills if skill not in dict(DENSE))
    for question in [*ask_some(film, rng, 2, skills=dense), *ask_some(film, rng, ASKED, skills=others)] or ask_some(
        film, rng, ASKED
    ):
        answer = _answer(question, told.tags, offset)
        if answer is None:
            continue
        kind = KINDS.index(question.skill)
        text = question.text
        if question.options and rng.random() < LETTERED:
            chosen = with_options(question, rng)
            text, answer, kind = chosen.text, chosen.answer, KINDS.index(CHOICE)
        elif question.skill not in dict(DENSE) and rng.random() < WRAPPED:
            text = WRAPPING.format(question=text)
        named = [(text.index(question.text) + at, labels) for at, labels in told.mentions(question.text)]
        item = exchange(tokenizer, text, answer, kind, missing, named)
        room -= len(item)
        if found and room < 0:
            break
        found.append(item)
    return found


def _recalled(looked: Recollection, rng: np.random.Generator, tokenizer: Any, missing: Missing) -> list[Exchange]:
    """Questions of a look as a memory takes it."""
    kind, before = (NOTED, "") if looked.notes else (CHOICE, VIDEO_ENDS)
    return [
        exchange(tokenizer, question.text, question.answer, KINDS.index(kind), missing, before=before)
        for question in asked_of(looked, rng, RECALLED)
    ]


def _answer(question: Question, tags: Sequence[tuple[float, float]], offset: float) -> str | None:
    """What to say. A time is answered as the tag of the first unit that shows it; None where that would be wrong."""
    if question.skill != "when":
        return question.answer
    assert question.seconds is not None
    start, end = (offset + moment for moment in question.about)
    for first, last in tags:
        if start <= first < end or start <= last < end:
            time = (first + last) / 2
            return seconds_text(time) if abs(time - offset - question.seconds) <= TOLERANCE else None
    return None


def language_loss(
    model: Any, readouts: Readouts, batch: Mapping[str, Any], step: int, dtype: torch.dtype, blocks: forward.Blocks
) -> tuple[Tensor, dict[str, float]]:
    """Cross-entropy of the answers' tokens and of the read-outs, and the share of questions answered right, per skill.

    An answer of n tokens weighs as much as sqrt(n) answers of one: otherwise descriptions would be all there is.
    """
    decoder = model.model.language_model
    table = decoder.embed_tokens.weight
    device = table.device
    start: Layout = batch["layout"].to(device)
    ids, offset, slot, targets, kind = (batch[name].to(device) for name in ("ids", "offset", "slot", "targets", "kind"))
    films = len(ids)
    pixels = to_input(batch["frames"], np.random.default_rng((17, step)), dtype).to(device)
    grid = (pixels.shape[-2] // CELL, pixels.shape[-1] // CELL)
    with torch.no_grad():
        rows, deep = forward.see(model.model.visual, forward.patch_rows(pixels, PATCH, MERGE), grid, blocks)
    prefix = table[start.ids].to(dtype).expand(films, -1, -1)
    prefix = prefix.index_copy(1, start.visual, rows.reshape(films, -1, rows.shape[-1]))
    deep = [level.reshape(films, -1, level.shape[-1]) for level in deep]
    before = start.positions[:, None].expand(-1, films, -1)
    after = (start.cursor + offset).expand(3, -1, -1)
    cells = batch["since"] * grid[0] * grid[1]
    read = int(start.visual[cells - 1]) + 1 if cells else 0  # columns
    past = forward.remember(
        decoder,
        prefix[:, :read].detach(),
        before[..., :read],
        start.visual[:cells],
        [level[:, :cells] for level in deep],
        blocks,
    )
    visual = start.visual[cells:] - read
    last, (early, later, latest), _ = forward.read(
        decoder,
        torch.cat([prefix[:, read:], table[ids].to(dtype)], dim=1),
        torch.cat([before[..., read:], after], dim=2),
        visible(len(start.ids), slot, dtype, read),
        visual,
        [level[:, cells:] for level in deep],
        blocks,
        taps(len(decoder.layers)),
        past,
    )
    first = len(start.ids) - read  # column of the questions
    hidden = last[:, first:]
    told: Hours = batch["hours"].to(device)
    gates = visual.view(len(told.tag), -1)[:, 0] - 1
    timely, figures = clock_loss(readouts.clock, early[:, visual], early[:, gates], told, grid[1])
    shot: Shots = batch["shots"].to(device)
    storied, story = story_loss(readouts.story, later[:, visual], shot)
    called, rolled = roll_loss(readouts.roll, later[:, visual], batch["roll"].to(device))
    mentions = batch["mentions"].to(device)
    named, known = mention_loss(readouts.mentions, latest[mentions[:, 0], first + mentions[:, 1]], mentions[:, 2:])
    learnt = targets != UNLEARNT
    logits = F.linear(hidden[learnt], model.lm_head.weight.to(dtype)).float()
    wrong = logits.argmax(-1) != targets[learnt]
    film = torch.arange(films, device=device)[:, None].expand_as(slot)[learnt]
    lengths = torch.zeros(kind.shape, device=device).index_put_((film, slot[learnt]), torch.ones(()), accumulate=True)
    weights = lengths[film, slot[learnt]].rsqrt()
    at, place, token = batch["unjudged"].to(device).unbind(1)
    row = (learnt.flatten().cumsum(0) - 1).view_as(learnt)[at, place]
    judged = logits.index_put((row, token), torch.tensor(NEVER, device=device))
    loss = (F.cross_entropy(judged, targets[learnt], reduction="none") * weights).sum() / weights.sum()
    missed = torch.zeros(kind.shape, device=device).index_put_((film, slot[learnt]), wrong.float(), accumulate=True)
    aside = WEIGHT * (timely + storied + called + named)
    return loss + aside, {**_accuracy(missed == 0, kind), **figures, **story, **rolled, **known, "answers": loss.item()}


def _accuracy(right: Tensor, kind: Tensor) -> dict[str, float]:
    held = {name: right[kind == index] for index, name in enumerate(KINDS)}
    return {name: found.float().mean().item() for name, found in held.items() if len(found)}
