"""Fetching a published benchmark: nothing unasked, nothing half, nothing twice."""

from __future__ import annotations

import inspect
import shutil
import tarfile
import zipfile
from fnmatch import fnmatch
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import errors

from tests.support.published_films import longvideobench, streamingbench, videomme
from vtc_cli.bench.published.hub import COMPLETE, fetch, unpack
from vtc_cli.errors import MachineError, UsageError

SIGNATURE = inspect.signature(huggingface_hub.snapshot_download)


class Hub:
    """Stands in for the client's `snapshot_download`: copies a folder, and takes only arguments the client takes."""

    def __init__(self, monkeypatch, folder: Path):
        self.folder, self.asked, self.error = folder, [], None
        monkeypatch.setattr(huggingface_hub, "snapshot_download", self.download)

    def download(self, *given, **named):
        bound = SIGNATURE.bind(*given, **named).arguments
        self.asked.append((bound["repo_id"], bound["revision"], bound["repo_type"]))
        if self.error is not None:
            raise self.error
        for path in self.folder.rglob("*"):
            name = path.relative_to(self.folder).as_posix()
            if path.is_file() and any(fnmatch(name, pattern) for pattern in bound["allow_patterns"]):
                target = Path(bound["local_dir"]) / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)


def zipped(root: Path, name: str, *files: str) -> None:
    """Put files of a folder into an archive beside them, and take them away."""
    with zipfile.ZipFile(root / name, "w") as archive:
        for file in files:
            archive.write(root / file, file)
            (root / file).unlink()


@pytest.fixture
def hub(monkeypatch, tmp_path) -> Hub:
    folder = tmp_path / "hub"
    folder.mkdir()
    return Hub(monkeypatch, folder)


def test_nothing_is_fetched_unasked(hub, tmp_path):
    with pytest.raises(MachineError) as caught:
        fetch("videomme", None, False, tmp_path / "cache")
    assert caught.value.hint is not None
    assert all(words in caught.value.hint for words in ("--root", "--download", "100 GB", "lmms-eval/Video-MME"))
    assert hub.asked == []
    assert not (tmp_path / "cache").exists()


def test_it_is_fetched_unpacked_marked_and_then_only_looked_up(hub, tmp_path):
    videomme(hub.folder)
    zipped(hub.folder, "videos_chunked_01.zip", "data/fFjv93ACGo8.mp4", "data/-Xy_z.mp4")
    folder = fetch("videomme", None, True, tmp_path / "cache")
    assert hub.asked == [("lmms-eval/Video-MME", "main", "dataset")]
    assert (folder / COMPLETE).is_file()
    assert list(folder.rglob("*.zip")) == []
    assert len(list(folder.rglob("*.mp4"))) == 2
    for download in (True, False):
        assert fetch("videomme", None, download, tmp_path / "cache") == folder
    assert len(hub.asked) == 1
    from vtc_cli.bench.published import published_suite
    from vtc_cli.bench.suites import Place

    for case in published_suite("videomme", Place(root=folder), None, 0).cases():
        case.open().close()


def test_archives_of_several_parts_are_read_as_one(hub, tmp_path):
    longvideobench(hub.folder)
    with tarfile.open(tmp_path / "videos.tar", "w") as archive:
        archive.add(hub.folder / "videos", "videos")
    shutil.rmtree(hub.folder / "videos")
    content = (tmp_path / "videos.tar").read_bytes()
    for number, suffix in enumerate(("aa", "ab", "ac")):
        third = len(content) // 3 + 1
        (hub.folder / f"videos.tar.part.{suffix}").write_bytes(content[number * third : (number + 1) * third])
    folder = fetch("longvideobench", None, True, tmp_path / "cache")
    assert [path.name for path in folder.rglob("*.mp4")] == ["86CxyhFV9MI.mp4"]
    assert list(folder.rglob("*.part*")) == []


def test_archives_that_hold_the_same_names_do_not_overwrite_each_other(hub, tmp_path):
    streamingbench(hub.folder)
    for place in sorted(path for path in hub.folder.iterdir() if path.is_dir() and path.name != "StreamingBench"):
        with zipfile.ZipFile(hub.folder / f"{place.name}.zip", "w") as archive:
            archive.write(place / "sample_1/video.mp4", "sample_1/video.mp4")
        shutil.rmtree(place)
    folder = fetch("streamingbench", None, True, tmp_path / "cache")
    assert len(list(folder.rglob("sample_1/video.mp4"))) == 4
    from vtc_cli.bench.published import published_suite
    from vtc_cli.bench.suites import Place

    for case in published_suite("streamingbench", Place(root=folder), None, 0).cases():
        case.open().close()


def test_what_was_cut_is_not_complete_and_goes_on(hub, tmp_path):
    videomme(hub.folder)
    zipped(hub.folder, "a.zip", "data/fFjv93ACGo8.mp4")
    (hub.folder / "b.zip").write_bytes(b"not an archive")
    with pytest.raises(MachineError, match=r"b\.zip is damaged"):
        fetch("videomme", None, True, tmp_path / "cache")
    (folder,) = (tmp_path / "cache").iterdir()
    assert not (folder / COMPLETE).exists()
    assert (folder / "a.zip").exists()
    with pytest.raises(MachineError, match="a download of it was cut"):
        fetch("videomme", None, False, tmp_path / "cache")
    unpacked = next(folder.rglob("*.mp4"))
    unpacked.write_bytes(b"mark")
    (hub.folder / "b.zip").unlink()
    zipped(hub.folder, "b.zip", "data/-Xy_z.mp4")
    assert fetch("videomme", None, True, tmp_path / "cache") == folder
    assert unpacked.read_bytes() == b"mark"  # what was whole is not unpacked again
    assert (folder / COMPLETE).is_file()


def test_nothing_is_unpacked_outside(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    with zipfile.ZipFile(inside / "a.zip", "w") as archive:
        archive.writestr("../../escaped.txt", "x")
    unpack(inside)
    with tarfile.open(inside / "b.tar", "w") as archive:
        info = tarfile.TarInfo("../../escaped.txt")
        archive.addfile(info)
    with pytest.raises(MachineError, match="damaged"):
        unpack(inside)
    assert not list(tmp_path.glob("escaped.txt"))


def test_what_is_not_on_the_hub_is_not_fetched(hub, tmp_path):
    with pytest.raises(MachineError, match="project's own page"):
        fetch("vnbench", None, True, tmp_path / "cache")
    assert hub.asked == []


def test_another_place_is_another_folder(hub, tmp_path):
    videomme(hub.folder)
    other = fetch("videomme", "lmms-lab/Video-MME@refs/convert", True, tmp_path / "cache")
    assert hub.asked == [("lmms-lab/Video-MME", "refs/convert", "dataset")]
    assert other != fetch("videomme", None, True, tmp_path / "cache")
    with pytest.raises(UsageError, match="--repo"):
        fetch("videomme", "https://elsewhere", True, tmp_path / "cache")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (errors.LocalEntryNotFoundError("no connection"), "cannot be fetched"),
        (ConnectionError("no route"), "cannot be fetched: no route"),
        (OSError(28, "No space left on device"), "No space left"),
    ],
)
def test_what_the_hub_says_is_told(hub, tmp_path, error, words):
    hub.error = error
    with pytest.raises(MachineError) as caught:
        fetch("videomme", None, True, tmp_path / "cache")
    assert words in caught.value.message
    assert "--root" in (caught.value.hint or "")


def test_from_the_command_line(vtc, place, hub, monkeypatch):
    monkeypatch.setattr("vtc_cli.bench.published.hub.cache_folder", lambda: place / "cache")
    videomme(hub.folder)
    words = ["bench", "--suite", "videomme", "--limit", 1, "--pixels", 1024, "--max-frames", 2]
    refused = vtc(*words)
    assert (refused.code, refused.out) == (4, "")
    assert "add --download" in refused.err
    assert vtc(*words, "--download").code == 0
    assert vtc(*words).code == 0
    assert len(hub.asked) == 1
