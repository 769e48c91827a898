"""Questions files and the words of a request."""

from __future__ import annotations

import io

import pytest

from vtc_cli.errors import UsageError
from vtc_cli.jobs.questions import Question, parse_choices, read_questions
from vtc_cli.jobs.request import read_request


def write(tmp_path, text, name="q.txt"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_lines_skip_blanks_and_comments(tmp_path):
    path = write(tmp_path, "\ufeff# first\nwho?\n\n  what #2?  \n")
    assert read_questions(path) == [Question("who?"), Question("what #2?")]


def test_json_lines_carry_choices_ids_and_truth(tmp_path):
    path = write(
        tmp_path,
        '{"question": "which?", "choices": ["red", "blue"], "id": 7, "answer": "A"}\n'
        '{"question": "which?", "choices": {"X": "up", "Y": "down"}}\n',
    )
    first, second = read_questions(path)
    assert first == Question("which?", {"A": "red", "B": "blue"}, "7", "A")
    assert second.choices == {"X": "up", "Y": "down"}
    assert first.id == "7"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("\n# only a comment\n", "no questions"),
        ('{"question": "ok"}\n{"question": \n', "line 2: not JSON"),
        ('{"question": "ok"}\n["who?"]\n', "line 2: expected an object"),
        ('{"questoin": "who?"}\n', "unknown field 'questoin'"),
        ('{"question": "  "}\n', "line 1: `question` is missing"),
        ('{"question": "a", "choices": ["one"]}\n', "`choices` must be"),
        ('{"question": "a", "choices": {"A": 1, "B": 2}}\n', "`choices` must be"),
        ('{"question": ' + "[" * 100_000, "line 1: not JSON"),
        ('{"question": "a", "id": ' + "1" * 6000 + "}\n", "line 1: not JSON"),
        ('{"question": "a\\ud800"}\n', "not UTF-8 text"),
        ('{"question": "a", "choices": {"A": "x", "B": "\\udcff"}}\n', "not UTF-8 text"),
        ('{"question": "a", "id": 1}\n{"question": "b", "id": "1"}\n', "two questions have the id '1'"),
    ],
)
def test_a_bad_questions_file_names_the_line(tmp_path, text, says):
    with pytest.raises(UsageError) as caught:
        read_questions(write(tmp_path, text))
    assert says in caught.value.message


def test_a_questions_file_that_is_not_there_or_not_text(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        read_questions(str(tmp_path / "none.txt"))
    (tmp_path / "bin").write_bytes(b"\xff\xfe\x00\x00\xff")
    with pytest.raises(UsageError, match="not UTF-8"):
        read_questions(str(tmp_path / "bin"))


def test_json_may_hold_what_only_looks_like_the_end_of_a_line(tmp_path):
    path = write(tmp_path, '{"question": "a\u2028b?"}\r\n{"question": "c?", "id": ""}\n{"question": "d?"}\n')
    assert [question.text for question in read_questions(path)] == ["a\u2028b?", "c?", "d?"]


def test_a_byte_order_mark_is_no_part_of_a_question_or_a_path():
    marked = "\ufeffwho?\n".encode()
    assert read_request(["a.mp4"], questions="-", stdin=io.BytesIO(marked)).questions == (Question("who?"),)
    listed = read_request(["who?"], files="-", stdin=io.BytesIO("\ufeffa.mp4\nb.mp4\n".encode()))
    assert listed.sources == ("a.mp4", "b.mp4")


@pytest.mark.parametrize("items", [["red", "blue"], ["A=red"], ["A=red", "A=blue"], ["=red", "B=x"], ["A=", "B=x"]])
def test_bad_choices_are_refused(items):
    with pytest.raises(UsageError):
        parse_choices(items)


def test_the_last_word_is_the_question(tmp_path):
    request = read_request(["a.mp4", "b.mp4", "who?"], choices=["A=x=1", "B=y"])
    assert request.sources == ("a.mp4", "b.mp4")
    assert request.questions == (Question("who?", {"A": "x=1", "B": "y"}),)


def test_a_questions_file_leaves_every_word_a_video(tmp_path):
    path = write(tmp_path, "who?\nwhere?\n")
    for request in (read_request(["a.mp4", "b.mp4"], questions=path), read_request(["a.mp4", "b.mp4", f"@{path}"])):
        assert request.sources == ("a.mp4", "b.mp4")
        assert [question.text for question in request.questions] == ["who?", "where?"]


def test_own_choices_win_over_shared_ones(tmp_path):
    path = write(tmp_path, '{"question": "a"}\n{"question": "b", "choices": ["u", "v"]}\n')
    first, second = read_request(["a.mp4"], questions=path, choices=["Y=yes", "N=no"]).questions
    assert first.choices == {"Y": "yes", "N": "no"}
    assert second.choices == {"A": "u", "B": "v"}


def test_lists_of_paths_come_from_a_file_or_stdin(tmp_path):
    listed = tmp_path / "list"
    listed.write_text("a b.mp4\r\n\nc.mp4\n")
    assert read_request(["who?"], files=str(listed)).sources == ("a b.mp4", "c.mp4")
    stdin = io.BytesIO(b"x\ny.mp4\0z.mp4\0")
    assert read_request(["who?"], files="-", null=True, stdin=stdin).sources == ("x\ny.mp4", "z.mp4")


@pytest.mark.parametrize(
    ("inputs", "options", "says"),
    [
        ([], {}, "no video and no question"),
        (["clip.mp4"], {}, "the last argument is the question"),
        (["what happens?"], {}, "no video to ask"),
        (["a.mp4", "  "], {}, "the question is empty"),
        (["a.mp4", "wie hei\udcdft das?"], {}, "the question is not UTF-8 text"),
        (["", "who?"], {}, "the name of a video is empty"),
        (["a.mp4", "who?"], {"questions": __file__}, "there is a question, 'who?', and a file of questions"),
        (["who?"], {"files": "-", "stdin": io.BytesIO(b"a.mp4\0b.mp4\0")}, "stdin is not a list of paths"),
        (["a.mp4", "q?"], {"null": True}, "-0 describes --files"),
        (["-", "q?"], {"files": "-"}, "stdin cannot be"),
        (["-"], {"questions": "-"}, "stdin cannot be"),
        (["a.mp4", "q?"], {"files": "/nonexistent"}, "cannot read the list"),
    ],
)
def test_what_cannot_be_meant_is_refused(inputs, options, says):
    with pytest.raises(UsageError) as caught:
        read_request(inputs, **options)
    assert says in caught.value.message
