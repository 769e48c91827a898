"""docs/results.md and the tables of docs/methods, written from the files in `results/`.

Words are fixed, figures are filled in, and the advice is what the figures bear out; without that nothing is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks import tables
from benchmarks.advice import TOLERANCE, advice
from benchmarks.expected import expectations
from benchmarks.figures import Results, table
from vtc_cli.report.units import count, size

PAGE = Path("docs/results.md")
IMAGES = Path("docs/images")
METHODS = Path("docs/methods")
README = Path("README.md")
RULER = Path("docs/tiny.md")
COMMAND = "make results"
_SECTION = re.compile(r"(<!-- results: (\S+) -->\n).*?(<!-- /results -->)", re.DOTALL)


def page(results: Results, tolerance: float = TOLERANCE) -> str:
    """The text of docs/results.md. Raises UnsupportedError, MissingResultError for what does not belong together."""
    results.check()
    pruners, cached = results.parts["pruners"], results.parts["caches"]
    lines = "\n".join(f"{number}. {line}" for number, line in enumerate(advice(results, tolerance), 1))
    expected = table(
        ["expected", "measured", ""],
        [[item.claim, item.measured, item.verdict] for item in expectations(results)],
        left=3,
    )
    best = _shown(results)
    return f"""# Results

Every method against every other on the [bundled model](tiny.md) `tiny`, paired with `none`: no compression. Films come
from the split that training never saw. It is a small model of a small world: what holds here is a reason to try a
method on your own footage with [`vtc bench`](bench.md), not a promise about it. This page is written by `{COMMAND}`.

## Which method when

{lines}

## What the papers let expect

The first column is what papers and authors report of large models, or what a method has to do to be worth its name.

{expected}

Why, where it does not hold: [HiPrune](methods/hiprune.md#measured), [InfiniPot-V](methods/infinipot-v.md#measured);
what the small model is to blame for, [its own page](tiny.md#how-well-it-answers). `recent` keeps four units whatever
the budget, so it can win only where the question is about the last seconds, which line 4 above is about.

## Thinning visual tokens

{_about(pruners)}

**right** has its 95 % interval (Wilson); **vs none** is the paired difference in points, its interval from a bootstrap
over films. A `*` marks methods that look at the question, and so watch a film once for each. `fastv`
lets rows leave inside the decoder: all tokens enter, and its share is that of the later layers. The last column is the
wait for the first token after a question, the film already watched, measured apart with nothing else running, like
[all costs](#what-it-costs).

{tables.pruners(results)}

![Right answers against the share of visual tokens kept](images/accuracy-tokens.svg)

What is asked decides what thinning costs. **Everything** is what takes all that is shown, or all the time that
something is: {_listed(results, whole=True)}. **One thing** are the other skills:
{_listed(results, whole=False)}.

{tables.reach(results)}

By skill:

{tables.skills(results, best)}

## Bounding the cache

{_about(cached)}

A share is that of the entries which the whole film takes without compression. The columns of ages tell how long before
the question the moment asked about was over. **moment gone** counts the questions of whose moment less than one entry
was left in the cache, the mean over layers and key heads, and how many of them were right all the same.

{tables.caches(results, pick=lambda row: len(row["methods"]) == 1)}

![Right answers against the bytes of the cache](images/accuracy-bytes.svg)

Caches that look at the question watch five minutes for each, so they were asked fewer; `none` is that of the same
questions:

{tables.caches_asked(results)}

## Both together

Tokens thinned and the cache bounded, at the same share of entries as the caches above.

{tables.caches(results, pick=lambda row: len(row["methods"]) > 1)}

## What it costs

Each row watched on its own, nothing shared with another. FLOPs are counted from the model's dimensions and the rows
really processed, and are those of one watching of a film; **question** and **decode** of one answer. Seconds are wall
time of one watching on the machine below; **memory peak** is of a process of its own for each row, the model included.
Films of {_length(results.parts["costs-pruners"])}:

{tables.costs(results, "costs-pruners")}

Films of {_length(results.parts["costs-caches"])}:

{tables.costs(results, "costs-caches")}

## Longer videos

One film of each length, watched at one frame per second and asked once, each in a process of its own. Without
compression the time grows with the square of the length, so it was measured up to
{max(row["minutes"] for row in results.parts["scaling"]["rows"] if not row["methods"]):g} minutes.

{tables.scaling(results)}

## How it was made

{_made(results)}
"""


def sections(results: Results) -> Mapping[str, str]:
    """The tables of the methods' pages, by the name of their place."""
    compared = ("random", "uniform")
    return {
        "hiprune": tables.pruners(results, ("hiprune", "hiprune++", *compared)) + "\n",
        "hiprune-reach": tables.reach(results, ("hiprune", "hiprune++", *compared)) + "\n",
        "pruners": tables.pruners(results) + "\n",
        "infinipot-v": tables.caches(results, ("infinipot-v", "window", "uniform-cache", "recent")) + "\n",
        "caches": tables.caches(results, pick=lambda row: len(row["methods"]) == 1) + "\n",
        "in-short": _in_short(results),
    }


def _in_short(results: Results) -> str:
    pruners, cached = results.parts["pruners"], results.parts["caches"]
    short, long = (_about(part).rstrip(".").replace("Films", "films", 1) for part in (pruners, cached))
    best = ("hiprune", "hiprune++", "visionzip", "divprune", "uniform", "random")
    caches = ("infinipot-v", "keydiff", "uniform-cache", "window")
    return f"""Right answers by the share of visual tokens kept, {short}:

{tables.grid(results, "pruners", best)}

and by the share of cache entries kept, {long}, any moment of them:

{tables.grid(results, "caches", caches)}

Every method with intervals, paired differences, bytes, FLOPs and time, and which to use when:
[results](docs/results.md).
"""


def filled(text: str, found: Mapping[str, str]) -> str:
    """A page with its tables filled in, by the names of their places.

    Raises KeyError for a place that no table belongs to.
    """
    return _SECTION.sub(lambda match: f"{match[1]}{found[match[2]]}{match[3]}", text)


def _shown(results: Results) -> list[str]:
    """The rows whose skills are told: no compression, noise, and each headline method with its plain rivals at 1/9."""
    wanted = ["none", "blind", *(f"{name}:retain=1/9" for name in ("hiprune", "hiprune++", "uniform", "random"))]
    there = {row["name"] for row in results.rows("pruners")}
    return [name for name in wanted if name in there]


def _listed(results: Results, whole: bool) -> str:
    """The skills of one sort, in words."""
    return ", ".join(name for name in results.row("pruners", "none")["skills"] if (name in tables.WHOLE) == whole)


def _about(part: Mapping[str, Any]) -> str:
    length = part["facts"]["length"]
    films = "Films of 4 to 40 seconds, every skill" if length is None else f"Films of {_length(part)}"
    return f"{films}: {count(part['questions'])} questions about {count(part['films'])} films."


def _length(part: Mapping[str, Any]) -> str:
    length = part["facts"]["length"]
    return f"{length / 60:g} minutes" if length >= 60 else f"{length:g} seconds"


def _lost(results: Results) -> Iterator[str]:
    """Rows that failed, and films that could not be read."""
    for name, part in results.parts.items():
        yield from (
            f"{name}: `{row['name']}` failed: {row['error']['message']}" for row in part["rows"] if row.get("error")
        )
        yield from (f"{name}: {film['case']}: {film['error']}" for film in part.get("left_out", ()))


def _made(results: Results) -> str:
    rows = []
    for name, part in results.parts.items():
        for stretch in part.get("stretches") or [part]:
            machine = stretch["machine"]
            with_what = f"{machine['processor']}, {part['model']['threads']} of {machine['cores']} cores"
            if machine["accelerator"]:
                with_what = str(machine["accelerator"])
            found = stretch["versions"]
            versions = ", ".join(f"{key} {found[key]}" for key in ("vtc", "torch", "transformers", "python"))
            seed = part["facts"].get("seed")
            rows.append([
                f"[{name}](../benchmarks/results/{name}.json)", f"{stretch['questions']:,}", stretch["date"],
                "" if seed is None else str(seed), with_what, versions, f"`{stretch['command']}`",
            ])  # fmt: skip
    first = results.parts["pruners"]["model"]
    weights = f"`tiny`, {first['dtype']}, {size(first['weight_bytes'])}, weights `{first['revision']}`"
    lost = "".join(f"\n- {told}" for told in _lost(results))
    return (
        f"{weights}.\n\n"
        + (f"Left out:\n{lost}\n\n" if lost else "")
        + table(["part", "questions", "date", "seed", "machine", "versions", "command"], rows, left=7)
    )
