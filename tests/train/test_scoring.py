"""What counts as right."""

import pytest

from vtc_cli.train.world import Question, is_right

TIME = Question("when", "When does the star appear?", "12.3 seconds", seconds=12.3)
LONG = Question("duration", "How long is the star there?", "8 seconds", seconds=7.6)
PLAIN = Question("colour", "What colour is the star?", "red")
SCENE = Question(
    "describe", "Describe the scene.", "A red star moving left and a white ring standing still, with the digit 7."
)
BARE = Question("describe", "Describe the scene.", "A red star moving left.")
DATA = Question("json", "Describe the scene as JSON.", '{"things": ["red star left", "white ring still"], "text": "7"}')


@pytest.mark.parametrize(
    ("question", "said", "right"),
    [
        (PLAIN, "red", True),
        (PLAIN, " Red. ", True),
        (PLAIN, "blue", False),
        (PLAIN, "red star", False),
        (PLAIN, "", False),
        (TIME, "12.3 seconds", True),
        (TIME, "12", True),
        (TIME, "at 13.8 seconds", True),
        (TIME, "10.8", True),
        (TIME, "13.9 seconds", False),
        (TIME, "10.7 seconds", False),
        (TIME, "not shown", False),
        (TIME, "", False),
        (LONG, "8 seconds", True),
        (LONG, "9 seconds", True),
        (LONG, "6.0 seconds", False),
        (SCENE, SCENE.answer, True),
        (SCENE, "A white ring standing still and a red star moving left, with the digit 7.", True),
        (SCENE, "a red star moving left and a white ring standing still, with the digit 7", True),
        (SCENE, "A red star moving right and a white ring standing still, with the digit 7.", False),
        (SCENE, "A red star moving left and a white ring standing still, with the digit 8.", False),
        (SCENE, "A red star moving left and a white ring standing still.", False),
        (SCENE, "A red star moving left, with the digit 7.", False),
        (SCENE, "A red ring moving left and a white star standing still, with the digit 7.", False),
        (BARE, BARE.answer, True),
        (BARE, "A red star moving left and a red star moving left.", False),
        (BARE, "A red star moving left, with the word stop.", False),
        (BARE, "", False),
        (DATA, DATA.answer, True),
        (DATA, '{"text": "7", "things": ["white ring still", "red star left"]}', True),
        (DATA, '{"things": ["red star left", "white ring still"], "text": null}', False),
        (DATA, '{"things": ["red star left"], "text": "7"}', False),
        (DATA, '{"things": ["red star left", "white ring still"]', False),
        (DATA, "[]", False),
        (DATA, "7", False),
        (DATA, '{"things": 3, "text": "7"}', False),
    ],
)
def test_is_right(question, said, right):
    assert is_right(question, said) is right
