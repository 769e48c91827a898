"""What can be named as a source: files, folders of images, pipes, addresses, cameras."""

from __future__ import annotations

import functools
import http.server
import io
import os
import subprocess
import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from tests.video.film import number_of, picture
from vtc_cli.errors import MachineError, UsageError, VideoError
from vtc_cli.video import open_clip
from vtc_cli.video.digest import BLOCK, WHOLE, digest_file
from vtc_cli.video.folder_reader import natural_key
from vtc_cli.video.open import _open_pipe
from vtc_cli.video.source import locate


def write_images(folder: Path, numbers: list[int], suffix: str = ".png") -> Path:
    folder.mkdir()
    for number in numbers:
        frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
        frame.save(str(folder / f"shot{number}{suffix}"))
    return folder


def test_a_folder_of_images_in_natural_order(tmp_path):
    folder = write_images(tmp_path / "shots", [10, 9, 2, 1, 100])
    (folder / "notes.txt").write_text("not an image")
    (folder / ".shot0.png").write_bytes(b"hidden")
    clip = open_clip(str(folder))
    assert [(frame.time, number_of(frame.image)) for frame in clip.frames(fps=30)] == [
        (0.0, 1),
        (1.0, 2),
        (2.0, 9),
        (3.0, 10),
        (4.0, 100),
    ]
    assert clip.info.times == "assumed"
    assert clip.info.duration == 5.0
    assert clip.info.digest.startswith("blake2b:")
    assert [number_of(frame.image) for frame in clip.at([3.5, 0, 99, 1.0])] == [10, 1, 100, 2]


def test_a_folder_with_a_rate(tmp_path):
    folder = write_images(tmp_path / "shots", list(range(8)), ".jpg")
    clip = open_clip(f"{folder}?fps=4")
    assert clip.info.duration == 2.0
    assert [frame.time for frame in clip.frames(fps=2)] == [0.0, 0.5, 1.0, 1.5]
    assert [number_of(frame.image) for frame in clip.frames(fps=4, start=1.0)] == [4, 5, 6, 7]
    assert [number_of(frame.image) for frame in open_clip(str(folder), "frames").frames(fps=0.5)] == [0, 2, 4, 6]
    for wrong in ("fps=0", "fps=x", "rate=2"):
        with pytest.raises(UsageError):
            open_clip(f"{folder}?{wrong}")


def test_an_unreadable_image_is_left_out_and_told(tmp_path):
    folder = write_images(tmp_path / "shots", [1, 2, 3, 4])
    (folder / "shot3.png").write_bytes(b"broken")
    clip = open_clip(str(folder))
    assert [number_of(frame.image) for frame in clip.frames(fps=1)] == [1, 2, 4]
    assert clip.damage is not None
    assert clip.damage.time == 1.0
    assert "shot3.png" in clip.damage.reason


def test_a_folder_without_images(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(VideoError, match="without images"):
        open_clip(str(tmp_path))


def test_natural_order():
    names = ["a10", "a9", "b1", "a09x", "1", "A2"]
    assert [path.name for path in sorted(map(Path, names), key=natural_key)] == ["1", "A2", "a9", "a09x", "a10", "b1"]


@pytest.mark.parametrize("name", ["fast_start", "fragmented", "late_start", "matroska", "raw", "gif"])
def test_a_pipe_is_read_front_to_back(film, name):
    data = film(name).read_bytes()
    with _pipe(data) as stream:
        clip = _open_pipe(locate("-"), "auto", stream)
        expected = [number_of(frame.image) for frame in open_clip(str(film(name))).frames(fps=10)]
        assert [number_of(frame.image) for frame in clip.frames(fps=10)] == expected
        assert clip.info.digest is None
        with pytest.raises(VideoError, match="only once"):
            list(clip.frames(fps=10))
        with pytest.raises(VideoError, match="cannot be read again"):
            clip.at([0.0])
        clip.close()


def test_a_pipe_with_its_index_at_the_end_is_kept_aside(film):
    data = film("plain").read_bytes()
    with _pipe(data) as stream:
        clip = _open_pipe(locate("-"), "auto", stream)
    kept = Path(clip._base.path)
    assert kept.exists()
    assert [number_of(frame.image) for frame in clip.frames(fps=10)] == list(range(0, 90, 3))
    assert [number_of(frame.image) for frame in clip.at([2.0, 1.0])] == [60, 30]
    assert clip.info.source == "-"
    assert clip.info.digest == digest_file(film("plain"))
    clip.close()
    assert not kept.exists()


def test_pipes_with_nothing_useful(film):
    with _pipe(b"") as stream, pytest.raises(VideoError, match="empty"):
        _open_pipe(locate("-"), "auto", stream)
    with _pipe(b"words " * 1000) as stream, pytest.raises(VideoError, match="not a video"):
        _open_pipe(locate("-"), "auto", stream)
    with _pipe(film("no_index").read_bytes()) as stream, pytest.raises(VideoError, match="moov"):
        _open_pipe(locate("-"), "auto", stream)
    with pytest.raises(VideoError, match="cannot serve the standard input"):
        open_clip("-", "decord")


def test_the_standard_input_itself(film):
    script = "from vtc_cli.video import open_clip; print(len(list(open_clip('-').frames(10))))"
    with film("fast_start").open("rb") as file:
        done = subprocess.run([sys.executable, "-c", script], stdin=file, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "30"
    assert done.stderr == ""


class _pipe:  # noqa: N801 (a context manager used as a function)
    """A real pipe, fed by a thread."""

    def __init__(self, data: bytes):
        self.data = data

    def __enter__(self) -> io.BufferedReader:
        reader, writer = os.pipe()
        self.stream = os.fdopen(reader, "rb")

        def feed() -> None:
            try:
                with os.fdopen(writer, "wb") as out:
                    out.write(self.data)
            except BrokenPipeError:
                pass

        self.thread = threading.Thread(target=feed, daemon=True)
        self.thread.start()
        return self.stream

    def __exit__(self, *_: object) -> None:
        self.stream.close()
        self.thread.join(10)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """A web server on this machine, over `tmp_path`."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(10)


def test_an_address(film, site, tmp_path):
    (tmp_path / "clip.mp4").write_bytes(film("fast_start").read_bytes())
    clip = open_clip(f"{site}/clip.mp4")
    assert [number_of(frame.image) for frame in clip.frames(fps=10)] == list(range(0, 90, 3))
    assert [number_of(frame.image) for frame in clip.at([2.0, 0.5])] == [60, 15]
    assert clip.info.digest is None
    with pytest.raises(VideoError, match="cannot serve a URL"):
        open_clip(f"{site}/clip.mp4", "decord")


def test_addresses_that_lead_nowhere(site, tmp_path):
    (tmp_path / "page.html").write_text("<html><body>watch here</body></html>")
    with pytest.raises(VideoError, match=r"nothing\.mp4: cannot be opened"):
        open_clip(f"{site}/nothing.mp4")
    with pytest.raises(VideoError) as error:
        open_clip(f"{site}/page.html")
    assert "yt-dlp" in error.value.hint
    with pytest.raises(VideoError, match="cannot be opened"):
        open_clip("http://127.0.0.1:9/clip.mp4")
    with pytest.raises(UsageError, match="cannot read gopher"):
        open_clip("gopher://example.org/clip.mp4")


def test_a_file_address(film):
    assert open_clip(film("plain").as_uri()).info.duration == pytest.approx(3.0)


def test_names_that_look_like_protocols_are_files(film, tmp_path, monkeypatch):
    (tmp_path / "concat:a.mp4").write_bytes(film("plain").read_bytes())
    monkeypatch.chdir(tmp_path)
    assert open_clip("concat:a.mp4").info.duration == pytest.approx(3.0)


def test_a_camera_needs_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MachineError, match="OpenCV") as error:
        open_clip("camera:0")
    assert "vtc-cli[camera]" in error.value.hint
    with pytest.raises(UsageError, match="number"):
        open_clip("camera:front")


class _Camera:
    """Stands in for OpenCV's capture: pictures 0, 1, 2, ... in blue, green, red."""

    def __init__(self, number: int):
        self.number, self.shown = number, -1

    def isOpened(self) -> bool:  # noqa: N802 (OpenCV's name)
        return self.number == 0

    def get(self, key: int) -> float:
        return {3: 64.0, 4: 48.0, 5: 30.0}[key]

    def grab(self) -> bool:
        self.shown += 1
        return self.shown < 30

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return True, picture(self.shown)[:, :, ::-1]

    def release(self) -> None:
        self.number = -1


def test_a_camera(monkeypatch):
    cv2 = types.SimpleNamespace(
        VideoCapture=_Camera,
        CAP_PROP_FRAME_WIDTH=3,
        CAP_PROP_FRAME_HEIGHT=4,
        CAP_PROP_FPS=5,
        COLOR_BGR2RGB=0,
        cvtColor=lambda image, _: np.ascontiguousarray(image[:, :, ::-1]),
        __version__="5.0",
    )
    ticks = iter(range(1000))
    monkeypatch.setitem(sys.modules, "cv2", cv2)
    monkeypatch.setattr("vtc_cli.video.camera_reader.clock.monotonic", lambda: 100 + next(ticks) / 10)
    clip = open_clip("camera:0")
    assert (clip.info.size, clip.info.duration, clip.info.times) == ((64, 48), None, "assumed")
    assert [number_of(frame.image) for frame in clip.frames(fps=2)] == [0, 5, 10, 15, 20, 25]
    assert clip.damage is not None
    with pytest.raises(VideoError, match="camera"):
        clip.at([0.0])
    with pytest.raises(VideoError, match="cannot be opened"):
        open_clip("camera:3")


def test_the_empty_name():
    with pytest.raises(UsageError, match="empty"):
        open_clip("")


def test_digests_tell_files_apart(tmp_path):
    small = tmp_path / "small"
    small.write_bytes(b"abc")
    first = digest_file(small)
    assert first.startswith("blake2b:")
    small.write_bytes(b"abd")
    assert digest_file(small) != first

    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(WHOLE + BLOCK)
    before = digest_file(large)
    assert before.startswith("blake2b-sampled:")
    with large.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"x")
    assert digest_file(large) != before
    with large.open("ab") as file:
        file.write(b"\0")
    assert digest_file(large) != before
