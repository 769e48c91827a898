"""Which reader serves what: forced readers, the default's choice, and how decord is confined."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest

from tests.video.film import number_of
from vtc_cli.errors import MachineError, UsageError, VideoError
from vtc_cli.video import open_clip

MOMENTS = [0.1 * k for k in range(20)]


def available(reader: str) -> None:
    """Skips the test where this reader cannot be loaded."""
    if reader == "torchcodec":
        try:
            import torchcodec.decoders  # noqa: F401
        except (ImportError, OSError, RuntimeError) as error:
            pytest.skip(f"torchcodec cannot be loaded: {type(error).__name__}")
    if reader == "decord":
        try:
            importlib.metadata.version("decord")
        except importlib.metadata.PackageNotFoundError:
            pytest.skip("decord is not installed")


@pytest.mark.parametrize("reader", ["decord", "torchcodec"])
@pytest.mark.parametrize("name", ["plain", "long", "fast_start", "matroska", "odd", "ten_bit", "sound", "one"])
def test_forced_readers_agree_with_pyav(film, name, reader):
    available(reader)
    path = str(film(name))
    forced, reference = open_clip(path, reader), open_clip(path, "pyav")
    assert forced.info.reader.startswith(reader)
    for fps in (30, 4):
        got = [(round(frame.time, 3), number_of(frame.image)) for frame in forced.frames(fps)]
        assert got == [(round(frame.time, 3), number_of(frame.image)) for frame in reference.frames(fps)]
    looked = [number_of(frame.image) for frame in forced.at(MOMENTS)]
    assert looked == [number_of(frame.image) for frame in reference.at(MOMENTS)]
    assert forced.damage is None


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_torchcodec_turns_pictures_too(film, degrees):
    available("torchcodec")
    path = str(film(f"turned_{degrees}"))
    for mine, theirs in zip(open_clip(path, "pyav").frames(5), open_clip(path, "torchcodec").frames(5), strict=True):
        assert mine.image.shape == theirs.image.shape
        assert (mine.image.float() - theirs.image.float()).abs().mean() < 3  # the other way round: over 50


def test_forced_decord_reads_variable_rates_by_their_clock(film):
    available("decord")
    path = str(film("variable"))
    expected = [(round(f.time, 3), number_of(f.image)) for f in open_clip(path, "pyav").frames(60)]
    assert [(round(f.time, 3), number_of(f.image)) for f in open_clip(path, "decord").frames(60)] == expected


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("late_start", "misreads mpegts"),
        ("avi", "misreads avi"),
        ("gif", "misreads gif"),
        ("raw", "misreads h264"),
        ("av1", "no av1 decoder"),
        ("turned_90_mirrored", "mirror"),
        ("turned_90", "rotated"),
        ("turned_180", "rotated"),
    ],
)
def test_forced_decord_refuses_what_it_gets_wrong(film, name, words):
    available("decord")
    with pytest.raises(VideoError, match=words) as error:
        open_clip(str(film(name)), "decord")
    assert "--reader pyav" in error.value.hint


def test_forced_decord_refuses_edit_lists(film):
    available("decord")
    clip = open_clip(str(film("edit_list")), "decord")
    with pytest.raises(VideoError, match="clock differently"):
        next(clip.frames(1))


@pytest.mark.parametrize("name", ["variable", "late_start", "edit_list", "cut_in", "turned_90_mirrored"])
def test_torchcodec_is_right_or_refuses(film, name):
    available("torchcodec")
    path = str(film(name))
    expected = [(round(f.time, 3), number_of(f.image)) for f in open_clip(path, "pyav").frames(30)]
    try:
        clip = open_clip(path, "torchcodec")
        got = [(round(f.time, 3), number_of(f.image)) for f in clip.frames(30)]
    except VideoError as error:
        assert "torchcodec" in error.message  # noqa: PT017 (either outcome is right, depending on the file)
    else:
        assert got == expected or (clip.damage is not None and got == expected[: len(got)])


def test_auto_takes_decord_for_many_moments_of_a_plain_file(film):
    available("decord")
    clip = open_clip(str(film("long")))
    assert clip.info.reader.startswith("pyav ")
    assert "decord 0.6" in clip.info.reader
    assert [number_of(frame.image) for frame in clip.at(MOMENTS)] == [int(t * 30 + 1e-6) for t in MOMENTS]
    assert "decord" in clip.at_reader


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("variable", "rate varies"),
        ("matroska", "constant rate"),
        ("turned_90", "rotated"),
        ("av1", "av1"),
        ("late_start", "mpegts"),
        ("ten_bit", "RGB"),
        ("raw", "h264"),
    ],
)
def test_auto_leaves_other_files_to_pyav(film, name, why):
    clip = open_clip(str(film(name)))
    assert "decord" not in clip.info.reader
    assert why in clip.at_reason


def test_auto_looks_on_with_pyav_when_decord_gives_up(film):
    available("decord")
    clip = open_clip(str(film("half")))  # the index is whole, half the pictures are not there
    assert "decord" in clip.info.reader
    assert [number_of(frame.image) for frame in clip.at([0.1 * k for k in range(10)])] == [3 * k for k in range(10)]
    assert "decord" not in clip.info.reader
    assert "decord" in clip.at_reason


class _Recording:
    """Wraps a decord reader and notes what it is asked."""

    calls: list[tuple[str, object]]

    def __init__(self, reader: object):
        self.reader, self.calls = reader, []

    def __len__(self) -> int:
        return len(self.reader)

    def __getattr__(self, name: str) -> object:
        inner = getattr(self.reader, name)

        def call(*arguments):
            self.calls.append((name, arguments[0] if arguments else None))
            return inner(*arguments)

        return call

    def __getitem__(self, number: int) -> object:
        self.calls.append(("read", number))
        return self.reader[number]


def test_decord_is_reset_after_every_chunk_and_never_asked_for_the_last_frame(film, monkeypatch):
    available("decord")
    from vtc_cli.video.decord_reader import CHUNK, DecordClip

    opened: list[_Recording] = []
    inner = DecordClip._open

    def record(clip):
        opened.append(_Recording(inner(clip)))
        return opened[-1]

    monkeypatch.setattr(DecordClip, "_open", record)
    clip = open_clip(str(film("long")), "decord")
    assert len(list(clip.frames(30))) == 300
    assert [number_of(frame.image) for frame in clip.at([*MOMENTS, 9.99])][-1] == 299
    streaming, looking = opened
    calls = [call for call in streaming.calls if call[0] != "get_frame_timestamp"]
    chunks = "".join("r" if name == "read" else "|" if name == "seek" else "?" for name, _ in calls)
    assert set(chunks.split("|")[:-2]) == {"r" * CHUNK}
    assert chunks.endswith("|")
    assert [number for name, number in calls if name == "read"] == list(range(299))
    assert [name for name, _ in looking.calls] == ["read", "seek"] * len(MOMENTS)


@pytest.mark.parametrize("other", ["decord2", "eva-decord"])
def test_the_look_alike_is_refused(film, monkeypatch, other):
    real = importlib.metadata.version

    def version(name):
        if name == other:
            return "3.4.0"
        if name == "decord":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr("vtc_cli.video.decord_reader.version", version)
    path = str(film("plain"))
    with pytest.raises(MachineError, match=f"{other} 3.4.0"):
        open_clip(path, "decord")
    clip = open_clip(path)
    assert other in clip.at_reason
    assert number_of(next(iter(clip.at(MOMENTS))).image) == 0


@pytest.mark.parametrize(("found", "words"), [(None, "not installed"), ("3.4.0", "not supported")])
def test_other_versions_of_decord_are_refused(film, monkeypatch, found, words):
    def version(name):
        if name == "decord" and found:
            return found
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("vtc_cli.video.decord_reader.version", version)
    with pytest.raises(MachineError, match=words):
        open_clip(str(film("plain")), "decord")


def test_unknown_reader_names_the_closest(film):
    with pytest.raises(UsageError, match="no reader called 'decrod'") as error:
        open_clip(str(film("plain")), "decrod")
    assert "decord" in error.value.hint


def test_torchcodec_absent_names_the_extra(film, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchcodec", None)
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", None)

    def version(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("vtc_cli.video.torchcodec_reader.version", version)
    with pytest.raises(MachineError, match="not installed") as error:
        open_clip(str(film("plain")), "torchcodec")
    assert "torchcodec" in error.value.hint


def test_the_package_imports_nothing_heavy():
    script = (
        "import sys, vtc_cli.video, vtc_cli.video.timecode; print(sorted({'av', 'torch', 'decord'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_decord_is_not_imported_to_stream(film):
    script = (
        "import sys; from vtc_cli.video import open_clip; c = open_clip(sys.argv[1]); "
        "print(len(list(c.frames(1))), 'decord' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(film("plain"))], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["3", "False"]
    assert done.stderr == ""
