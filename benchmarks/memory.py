"""Memories of films of ten minutes and an hour: what is found, and what a question reads, against looking without one.

    python -m benchmarks.memory                                      # the whole: many hours on two cores
    python -m benchmarks.memory --lengths 60 --films 1 --questions 1 --methods uniform,mm-mem --folder runs/memory-small
    python -m benchmarks.memory --summary                            # the table of what there is so far

Questions of four kinds (needle, order, count, when) about procedural films that training never sees, decoded from
H.264 files. Every method may read the same visual tokens at question time (--tokens): `uniform` frames over the film,
the most `recent` ones, `infinipot-v` a cache of that many entries that was filled while watching, `mm-mem` what it
finds in its memory, and the same with one level left out. Every answer is a line in FOLDER/answers.jsonl as it comes,
every memory and every watching one in FOLDER/costs.jsonl; the same command goes on where it was stopped. Writes
FOLDER/memory.json; --publish writes benchmarks/results/memory.json and the tables of docs/memory.md as well.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.films import filmed
from benchmarks.memory_page import publish
from benchmarks.memory_questions import KINDS, Asked, ask
from benchmarks.memory_table import summarise, table

ANSWER, COST = "vtc.memory-bench.answer/1", "vtc.memory-bench.cost/1"
LEVELS = ("S0", "S1", "S2", "S3")
PLAIN = ("uniform", "recent", "infinipot-v")
ABLATED = tuple(f"mm-mem without {level}" for level in LEVELS)
METHODS = (*PLAIN, "mm-mem", *ABLATED)


class Bench:
    """One run. model: loaded once. Every public method may be called again: what is known is not done twice."""

    def __init__(self, options: argparse.Namespace):
        from vtc_cli.jobs.ledger import Ledger
        from vtc_cli.models import load_model

        self.options = options
        options.folder.mkdir(parents=True, exist_ok=True)
        os.environ["VTC_HOME"] = str((options.folder / "home").absolute())
        self.answers, self.costs = Ledger(options.folder / "answers.jsonl"), Ledger(options.folder / "costs.jsonl")
        self.known = {line["key"]: line for line in (*self.answers.records, *self.costs.records)}
        self.model = load_model(options.model)
        from vtc_cli.memory.narrator import model_key

        self.shared = f"{model_key(self.model)} {options.tokens} {options.memory}"

    def run(self) -> None:
        """Every film, every method."""
        for length in self.options.lengths:
            for number in range(self.options.films):
                film, path = self.film(length, number)
                questions = ask(film, number, self.options.questions)
                tell(f"{path.name}: {len(questions)} questions")
                for method in self.options.methods:
                    todo = [item for item in questions if self.key(path, method, item) not in self.known]
                    if todo:
                        began = time.perf_counter()
                        for line in self.by_method(method)(path, method, todo):
                            self.answers.append(line)
                            self.known[line["key"]] = line
                        tell(f"  {method}: {len(todo)} answers in {time.perf_counter() - began:.0f} s")

    def film(self, length: float, number: int) -> tuple[Any, Path]:
        """The film and its file, which is made where it is missing."""
        from vtc_cli.train.world import make_long_film

        film = make_long_film(number, "test", float(length))
        path = self.options.folder / "films" / f"{round(length)}s-{number}.mp4"
        return film, filmed(film, path)

    def key(self, path: Path, method: str, item: Asked) -> str:
        which = f"{item.number} of {self.options.questions}"  # another number draws other questions
        return f"{self.shared} {path.stem} {method} {item.kind} {which}"

    def by_method(self, method: str) -> Any:
        """What answers with it."""
        plain = {"uniform": self.looking, "recent": self.looking, "infinipot-v": self.watching}
        return plain.get(method, self.remembering)

    def looking(self, path: Path, method: str, questions: Sequence[Asked]) -> Iterator[dict[str, Any]]:
        """Frames of the film, as many as the tokens allow, shown with each question."""
        from vtc_cli.memory import at_one_size, posterior
        from vtc_cli.memory.narrator import ModelNarrator
        from vtc_cli.video import open_clip

        clip = open_clip(str(path))
        try:
            per_frame = self.model.geometry(clip.info.size).tokens
            count = max(1, self.options.tokens // per_frame)
            duration = clip.info.duration or 0.0
            step = duration / count if method == "uniform" else 1.0
            first = step / 2 if method == "uniform" else max(0.0, duration - count)
            times = [first + step * place for place in range(count) if first + step * place < duration]
            began = time.perf_counter()
            frames = at_one_size(list(clip.at(times)))
            look = ModelNarrator(self.model).look(frames, room=512)
            took = time.perf_counter() - began
            for item in questions:
                began = time.perf_counter()
                found = posterior([look.weigh(item.text, item.choices)])
                seconds = time.perf_counter() - began + took
                spans = [(moment, moment + step) for moment in times]
                yield self.line(path, method, item, found.best, found.shares, look.visual_tokens, seconds, spans, None)
        finally:
            clip.close()

    def watching(self, path: Path, method: str, questions: Sequence[Asked]) -> Iterator[dict[str, Any]]:
        """The whole film once, in a cache of so many entries; then every question."""
        from vtc_cli import Session
        from vtc_cli.memory import posterior
        from vtc_cli.memory.narrator import SessionLook
        from vtc_cli.video import open_clip

        clip = open_clip(str(path))
        try:
            session = Session(self.model, cache=method, budget=self.options.tokens, evidence=False, max_turn=512)
            began = time.perf_counter()
            session.watch(clip.frames(1.0))
            watched = time.perf_counter() - began
            self.cost(path, method, {"seconds": watched, "flops": work(self.model, [session])})
            look = SessionLook(session)
            for item in questions:
                began = time.perf_counter()
                found = posterior([look.weigh(item.text, item.choices)])
                seconds = time.perf_counter() - began
                held = [(float(a), float(b) + 1.0) for a, b in ((one.start, one.end) for one in session.held())]
                yield self.line(path, method, item, found.best, found.shares, self.options.tokens, seconds, held, None)
        finally:
            clip.close()

    def remembering(self, path: Path, method: str, questions: Sequence[Asked]) -> Iterator[dict[str, Any]]:
        """The memory, made where it is missing, and what each question finds in it."""
        from vtc_cli.jobs.questions import Question
        from vtc_cli.jobs.recalling import MemoryRunner
        from vtc_cli.jobs.settings import Settings

        without = method.rpartition(" ")[2] if method in ABLATED else "none"
        spec = f"mm-mem:visual_tokens={self.options.tokens},without={without}"
        spec += f",{self.options.memory}" if self.options.memory else ""
        sessions: list[Any] = []

        class Counting(MemoryRunner):
            """Notes the session of every look, for its arithmetic."""

            def narrator(self, model: Any) -> Any:
                narrator: Any = super().narrator(model)
                plain = narrator.look

                def look(*words: Any, **more: Any) -> Any:
                    found = plain(*words, **more)
                    sessions.append(found._session)
                    return found

                narrator.look = look
                return narrator

        runner = Counting(Settings(model=self.options.model, method=(spec,)), model=self.model)
        clip = runner.open(str(path))
        try:
            began = time.perf_counter()
            found = runner.remember(clip)
            took = time.perf_counter() - began
            try:
                if found.built:
                    size = found.store.path.stat().st_size
                    events = found.store.one("SELECT COUNT(*) FROM event")
                    facts = {
                        "seconds": took,
                        "bytes": size,
                        "duration": clip.info.duration,
                        "events": (events or (0,))[0],
                    }
                    self.cost(path, "index", facts)
                for item in questions:
                    sessions.clear()
                    record = runner.reply(found, Question(item.text, item.choices), clip=clip)
                    recall = record["recall"]
                    line = self.line(
                        path,
                        method,
                        item,
                        record["answer"],
                        recall["trace"][-1]["posterior"],
                        recall["visual_tokens"],
                        record["seconds"]["recall"],
                        [(one["t0"], one["t1"]) for one in recall["intervals"]],
                        recall["stage"],
                    )
                    yield {**line, "flops": work(self.model, sessions)}
            finally:
                found.store.close()
        finally:
            clip.close()

    def line(
        self,
        path: Path,
        method: str,
        item: Asked,
        answer: str,
        shares: Mapping[str, float],
        tokens: int,
        seconds: float,
        spans: Sequence[tuple[float, float]],
        stage: str | None,
    ) -> dict[str, Any]:
        """One answer. found: the first stretch it rests on, and any of them, contains the middle of the truth."""
        middles = [(a + b) / 2 for a, b in item.about]
        hits = [any(t0 <= middle <= t1 for middle in middles) for t0, t1 in spans]
        return {
            "schema": ANSWER,
            "key": self.key(path, method, item),
            "film": path.stem,
            "length": int(path.stem.partition("s-")[0]),
            "method": method,
            "budget": self.options.tokens,
            **asdict(item),
            "answer": answer,
            "right": answer == item.truth,
            "share": round(float(shares.get(item.truth, 0.0)), 6),
            "tokens": tokens,
            "seconds": round(seconds, 4),
            "stage": stage,
            "first_holds_truth": bool(hits and hits[0]),
            "any_holds_truth": any(hits),
        }

    def cost(self, path: Path, method: str, facts: dict[str, Any]) -> None:
        """What was spent once per film, the first time it was."""
        key = f"{self.shared} {path.stem} {method} cost"
        if key not in self.known:
            line = {"schema": COST, "key": key, "film": path.stem, "method": method, **facts}
            line["length"] = int(path.stem.partition("s-")[0])
            self.costs.append(line)
            self.known[key] = line

    def close(self) -> None:
        self.answers.close()
        self.costs.close()


def work(model: Any, sessions: Sequence[Any]) -> int:
    """Arithmetic of sessions: tower and decoder, floating point operations."""
    from vtc_cli.report import flops
    from vtc_cli.report.flops import Forwards

    total = 0
    for session in sessions:
        for kind, sums in session.meter.sums.items():
            done = Forwards(**{name: value for name, value in sums.items() if name != "forwards"})
            total += (
                flops.tower(model.info.tower, done) if kind == "vision" else flops.decoder(model.info.decoder, done)
            )
    return total


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Run, or sum up what there is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--folder", type=Path, default=Path("runs/memory-bench"))
    parser.add_argument("--lengths", type=float, nargs="+", default=[600.0, 3600.0], help="of the films, seconds")
    parser.add_argument("--films", type=int, default=25, help="of each length")
    parser.add_argument("--questions", type=int, default=4, help="of each kind about each film")
    parser.add_argument("--tokens", type=int, default=2048, help="visual tokens that a question may read")
    parser.add_argument("--methods", default=",".join(METHODS), help="separated by commas")
    parser.add_argument("--memory", default="", help="more options of mm-mem, like tokens=64,manager=rules")
    parser.add_argument("--summary", action="store_true", help="only sum up")
    parser.add_argument("--publish", action="store_true")
    options = parser.parse_args()
    options.methods = [name.strip() for name in options.methods.split(",")]
    if unknown := [name for name in options.methods if name not in METHODS]:
        parser.error(f"unknown method {unknown[0]!r}; there are {', '.join(METHODS)}")
    if not options.summary:
        bench = Bench(options)
        try:
            bench.run()
        finally:
            bench.close()
    from benchmarks.machine import provenance

    summary = summarise(options.folder)
    found = {
        "what": (__doc__ or "").splitlines()[0],
        "settings": {name: str(value) for name, value in vars(options).items()},
        "kinds": list(KINDS),
        **summary,
        **provenance(),
    }
    (options.folder / "memory.json").write_text(json.dumps(found, indent=2) + "\n")
    if options.publish:
        publish("memory", found)
    print(table(summary))


if __name__ == "__main__":
    main()
