"""How questions are worded. The last phrasing of every skill is never shown in training: it is for tests.

It is made of words that training does show, in other questions: what is tested is wording, not vocabulary.
"""

from __future__ import annotations

from vtc_cli.train.world.palette import SHAPES

PHRASINGS: dict[str, tuple[str, ...]] = {
    "colour": (
        "What colour is the {shape}?",
        "Which colour does the {shape} have?",
        "Name the colour of the {shape}.",
        "The {shape} is what colour?",
        "Tell me the colour of the {shape}.",
    ),
    "shape": (
        "What shape is the {colour} thing?",
        "Which shape is {colour}?",
        "Tell me the shape of the {colour} thing.",
        "The {colour} thing has what shape?",
        "Name the shape of the {colour} thing.",
    ),
    "exists": (
        "Is there {a} {colour} {shape}?",
        "Does {a} {colour} {shape} appear?",
        "Can you see {a} {colour} {shape}?",
        "Is {a} {colour} {shape} shown?",
        "Is {a} {colour} {shape} there?",
    ),
    "count": (
        "How many {what} are there?",
        "How many {what} can you see?",
        "Count the {what}.",
        "Tell me how many {what} appear.",
        "Name the number of {what} shown.",
        "Tell me the number of {what}.",
        "How many {what} does the scene have?",
        "What is the number of {what}?",
    ),
    "motion": (
        "Which way does the {thing} move?",
        "In which direction does the {thing} go?",
        "Tell me in which direction the {thing} goes.",
        "Where is the {thing} moving?",
        "Name the direction of the {thing}.",
        "Tell me which way the {thing} is moving.",
    ),
    "digit": (
        "Which digit appears?",
        "What digit is shown?",
        "Which number can you read?",
        "Read the digit.",
        "Tell me the digit.",
    ),
    "word": (
        "Which word appears?",
        "What word is shown?",
        "Which word can you read?",
        "Tell me the word.",
        "Read the word.",
    ),
    "place": (
        "Where is the {thing}?",
        "In which part of the picture is the {thing}?",
        "Where can you see the {thing}?",
        "Name the part of the picture that shows the {thing}.",
        "Tell me where the {thing} is.",
        "Name the part of the picture where the {thing} is.",
    ),
    "relation": (
        "Where is the {thing}, seen from the {other}?",
        "On which side of the {other} is the {thing}?",
        "Tell me where the {thing} is, seen from the {other}.",
        "The {thing} is on which side of the {other}?",
        "Seen from the {other}, where is the {thing}?",
        "Which side of the {other} shows the {thing}?",
        "Tell me on which side of the {other} you can see the {thing}.",
        "Name the side of the {other} where the {thing} is.",
    ),
    "order": (
        "Which came first, the {thing} or the {other}?",
        "Which is shown first, the {thing} or the {other}?",
        "What appears first, the {thing} or the {other}?",
        "Name what came first, the {thing} or the {other}.",
        "Tell me which came first, the {thing} or the {other}.",
        "Name what is shown first, the {thing} or the {other}.",
    ),
    "when": (
        "When does the {thing} appear?",
        "At what time does the {thing} appear?",
        "When is the {thing} shown?",
        "At which second does the {thing} come?",
        "Tell me when you can see the {thing}.",
        "Tell me at what time the {thing} is there.",
        "Tell me when the {thing} is shown.",
    ),
    "duration": (
        "How long is the {thing} there?",
        "For how long is the {thing} shown?",
        "For how many seconds does the {thing} stay?",
        "Tell me for how long the {thing} is there.",
        "How long does the {thing} stay?",
        "How many seconds can you see of the {thing}?",
        "How long can you see the {thing}?",
    ),
    "during": (
        "While the {thing} was there, which {kind} appeared?",
        "Which {kind} was shown while the {thing} was there?",
        "What {kind} appeared together with the {thing}?",
        "Tell me the {kind} shown with the {thing}.",
        "Name the {kind} that was shown with the {thing}.",
        "Tell me which {kind} appeared while the {thing} was there.",
    ),
    "relevance": (
        "Does this help to answer: {question}",
        "Is this needed to answer: {question}",
        "Can this answer the question: {question}",
        "Does this help with the question: {question}",
        "Question: {question}\nDo these pictures help to answer it?",
        "Does this answer the question: {question}",
    ),
    "describe": (
        "Describe the scene.",
        "Describe what is shown.",
        "What can you see? Describe it.",
        "What is shown? Describe the scene.",
        "Tell me what you can see.",
        "Tell me what is shown.",
    ),
    "json": (
        "Describe the scene as JSON.",
        "Describe what is shown as JSON.",
        "Answer as JSON: what can you see?",
        "Answer as JSON: what is shown?",
        "Tell me what you can see as JSON.",
        "Tell me as JSON what is shown.",
    ),
}
PLURALS = {shape: ("crosses" if shape == "cross" else f"{shape}s") for shape in SHAPES}


def article(word: str) -> str:
    """`a` or `an`."""
    return "an" if word[0] in "aeiou" else "a"
