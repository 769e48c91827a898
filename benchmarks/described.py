"""What a memory's descriptions say of films whose truth is known: described in full and briefly, on the same films.

    python -m benchmarks.described                       # six films of a minute: about a minute on one core
    python -m benchmarks.described --films 2 --model tiny --seed 972000

Counted are events whose description could be read; things (colour and shape) that are named while they are shown, shot
by shot; mentions of things that are right; digits and words named in their shot; for each thing that is in one shot
only, whether the middle of the best passage for `When is the ... shown?` lies in that shot, give or take a second. A
thing is named in a shot by a mention that overlaps it by more than a second: at one frame a second, times are no finer.
CPU time is that of building the memory; watching the film is not in it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter, defaultdict
from functools import partial
from pathlib import Path

from vtc_mm_mem.method import MMMem

from vtc_cli import load_model
from vtc_cli.bench.rendered import rendered
from vtc_cli.jobs.lessons import Footage, watch
from vtc_cli.jobs.remembering import Rememberer
from vtc_cli.jobs.settings import Settings
from vtc_cli.memory import ConceptRow, EventRow, Lesson, MemoryStore, MentionRow, Narrator, prepare, search
from vtc_cli.memory.lessons import written_tokens
from vtc_cli.memory.narrator import ModelNarrator
from vtc_cli.methods import choose
from vtc_cli.train.world import Film, make_film

SECONDS, SCENES, SIZE = 60.0, 8, (128, 128)
LEAST = 1.0  # seconds by which a mention and a shot overlap


def main() -> None:
    """Print the counts, a line per measure."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    asked.add_argument("--model", default="tiny")
    asked.add_argument("--films", type=int, default=6)
    asked.add_argument("--seed", type=int, default=972_000, help="of the first film; the next ones follow")
    options = asked.parse_args()
    model = load_model(options.model)
    narrator = ModelNarrator(model)
    watcher = Rememberer(choose("mm-mem:captions=none"), Settings())
    methods = {"full": MMMem(describe="full"), "brief": MMMem(describe="brief")}
    counts: dict[str, Counter[str]] = {how: Counter() for how in methods}
    for seed in range(options.seed, options.seed + options.films):
        film = make_film(seed, "test", SECONDS, scenes=SCENES)
        lesson = watch(Footage(f"film {seed}", (), partial(rendered, film, SIZE, f"film-{seed}")), watcher, model)
        for how, method in methods.items():
            counts[how].update(described(method, film, lesson, narrator))
        lesson.moments.close()
    print(f"{options.films} films of {SECONDS:g} s from seed {options.seed}, {options.model} {model.info.revision}")
    for how, count in counts.items():
        print(f"\n{how}")
        for name, of in PAIRS:
            print(f"  {name:<34} {count[name]:>4.0f} of {count[of]:.0f}")
        print(f"  {'tokens of text a minute':<34} {count['tokens'] / options.films:>4.0f}")
        print(f"  {'CPU seconds a minute':<34} {count['cpu'] / options.films:>4.1f}")


PAIRS = (
    ("events described", "events"),
    ("things named in their shot", "things in shots"),
    ("mentions of things that are right", "mentions of things"),
    ("texts named in their shot", "texts"),
    ("best passage in the one shot", "things in one shot"),
)


def described(method: MMMem, film: Film, lesson: Lesson, narrator: Narrator) -> Counter[str]:
    """The counts of one film. Values are whole numbers, but for `cpu`, seconds."""
    with (
        tempfile.TemporaryDirectory(prefix="vtc-described-") as folder,
        MemoryStore.create(Path(folder) / "index.sqlite", {}) as store,
    ):
        prepare(store, narrator, [])
        began = time.process_time()
        builder = method.build(store, narrator)
        for moment in lesson.moments:
            builder.take(moment)
        builder.finish(lesson.duration)
        count: Counter[str] = Counter()
        count["cpu"] = time.process_time() - began  # type: ignore[assignment]
        count["tokens"] = written_tokens(store, narrator)
        events = store.rows(EventRow)
        count["events"], count["events described"] = len(events), sum(event.status == "described" for event in events)
        _count_mentions(count, store, film)
        _count_found(count, store, film, narrator)
        return count


def _count_mentions(count: Counter[str], store: MemoryStore, film: Film) -> None:
    texts = {row.id for row in store.rows(ConceptRow, "kind = 'text'")}
    mentions = store.rows(MentionRow)
    things = [row for row in mentions if row.concept_id not in texts]
    count["mentions of things"] = len(things)
    right: set[int] = set()
    for scene in film.scenes:
        pairs = {" ".join(thing.pair) for thing in scene.things}
        here = [row for row in things if row.name in pairs and _meets(row, scene.start, scene.end)]
        right |= {row.id for row in here}
        count["things in shots"] += len(pairs)
        count["things named in their shot"] += len({row.name for row in here})
        if (caption := scene.caption) is not None:
            count["texts"] += 1
            count["texts named in their shot"] += any(
                row.concept_id in texts and row.name == caption.text and _meets(row, scene.start, scene.end)
                for row in mentions
            )
    count["mentions of things that are right"] = len(right)


def _count_found(count: Counter[str], store: MemoryStore, film: Film, narrator: Narrator) -> None:
    shots: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for scene in film.scenes:
        for thing in scene.things:
            shots[" ".join(thing.pair)].append((scene.start, scene.end))
    for name, times in shots.items():
        if len(times) > 1:
            continue
        question = f"When is the {name} shown?"
        found = search(store, question, narrator.embed(question), most=1)
        start, end = times[0]
        count["things in one shot"] += 1
        if found:
            middle = (found[0].passage.t0 + found[0].passage.t1) / 2
            count["best passage in the one shot"] += start - LEAST <= middle <= end + LEAST


def _meets(row: MentionRow, start: float, end: float) -> bool:
    return min(row.t1, end) - max(row.t0, start) > LEAST


if __name__ == "__main__":
    main()
