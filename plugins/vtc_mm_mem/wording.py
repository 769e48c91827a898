"""The words a narrator is asked with, and how times are written in them. One version for everything that is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

PROMPT_VERSION = 1

NOT_SHOWN = "not shown in the video"

DESCRIBE = """\
These are moments of one event of a video, from {start} to {end} (seconds {t0} to {t1}).{said}
Describe only what can be seen{heard}. Answer with one JSON object and nothing else:
{"summary": "one sentence", "events": ["what happens first", "then"], \
"entities": [{"kind": "person|object|animal|place|action|text|other", "name": "short name", "gloss": "how it looks or \
what it does", "from": {t0}, "to": {t1}}], "relations": [["subject", "verb", "object"]]}"""

BRIEF = "Describe the scene as JSON."

JUDGE = """\
The pictures from {event} show one event. Those from {clip} come next.{said}
What do the next pictures show?"""

YES_NO = """\
{evidence}Question: {question}
Do these pictures help to answer it?"""

CANDIDATE = """\
{evidence}Question: {question}
Answer in a few words."""

CHOOSE = """\
{evidence}{question}"""

SUPPORTED = """\
{evidence}Question: {question}
Proposed answer: {answer}
Do the pictures and notes show this?"""

YES_OR_NO = {"yes": "", "no": ""}


def clock(seconds: float) -> str:
    """`1:02:03` or `02:03`; tenths where there are any."""
    tenths = round(max(seconds, 0.0) * 10)
    whole, fraction = divmod(tenths, 10)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    text = f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"
    return f"{text}.{fraction}" if fraction else text


def span(t0: float, t1: float) -> str:
    """An interval in words."""
    return f"{clock(t0)}-{clock(t1)}"


def notes(text: str) -> str:
    """Evidence in words, as it stands before a question; nothing for none."""
    return f"Notes about the video:\n{text}\n\n" if text else ""


def mention(name: str, gloss: str) -> str:
    """A mention in words; a gloss that has the name in it says it all."""
    return gloss if f" {name} " in f" {gloss} " else f"{name}: {gloss}" if gloss else name


def counted(name: str, starts: Sequence[float]) -> str:
    """Something's appearances in words. starts: when each begins, seconds, in order; at least one."""
    first, last = (clock(round(moment)) for moment in (starts[0], starts[-1]))
    return (
        f"{name}: once, at {first}"
        if len(starts) == 1
        else f"{name}: {len(starts)} times, first at {first}, last at {last}"
    )


def filled(template: str, text: str, values: Mapping[str, str]) -> str:
    """A template with its evidence and its other words. What users and models wrote is never read as a template."""
    parts = {"evidence": notes(text), **values}
    for name, value in parts.items():
        template = template.replace("{" + name + "}", value.replace("{", "\ue000"))
    return template.replace("\ue000", "{")
