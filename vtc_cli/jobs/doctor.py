"""Examining the machine: each check finds something out by trying it, and says how to mend what is broken."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vtc_cli.errors import VtcError

if TYPE_CHECKING:
    from vtc_cli.jobs.settings import Settings

State = Literal["ok", "missing", "warning", "broken"]

LIBRARIES = ("torch", "transformers", "huggingface-hub", "tokenizers", "safetensors", "av", "numpy", "typer", "rich")
ENVIRONMENT = ("CUDA_VISIBLE_DEVICES", "HF_ENDPOINT", "HF_HOME", "HF_HUB_OFFLINE", "OMP_NUM_THREADS", "VTC_PLUGINS")


@dataclass(frozen=True)
class Check:
    """One finding. state: `missing` is an optional part that is absent; only `broken` stops `vtc ask`.

    found: what was found, one line. fix: the command or setting that mends it, None where nothing needs mending.
    """

    topic: str
    name: str
    state: State
    found: str
    fix: str | None = None


def examine(searching: Settings | None = None) -> list[Check]:
    """Every check; with `searching`, also how well memories made with its model are found again.

    One that fails in an unforeseen way is reported as broken, never raised.
    """
    parts: tuple[tuple[str, Callable[[], Iterator[Check]]], ...] = (
        ("versions", _versions),
        ("devices", _devices),
        ("video", _readers),
        ("libraries", _vision_libraries),
        ("methods", _plugins),
        ("models", _models),
        ("memory", _memory),
        ("folders", _folders),
        ("settings", _settings),
    )
    if searching is not None:
        parts = (*parts, ("retrieval", lambda: _retrieval(searching)))
    found = []
    for topic, part in parts:
        try:
            found += list(part())
        except Exception as error:
            found.append(Check(topic, topic, "broken", f"{type(error).__name__}: {error}", "please report this"))
    return found


def _versions() -> Iterator[Check]:
    from vtc_cli import __version__

    yield Check("versions", "vtc", "ok", __version__)
    yield Check("versions", "python", "ok", f"{platform.python_version()} {sys.executable}")
    yield Check("versions", "system", "ok", f"{platform.system()} {platform.release()} {platform.machine()}")
    for name in LIBRARIES:
        try:
            yield Check("versions", name, "ok", metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Check("versions", name, "broken", "not installed", f"pip install {name}")
    for name in ENVIRONMENT:
        if name in os.environ:
            yield Check("versions", name, "ok", os.environ[name])
    yield Check("versions", "HF_TOKEN", "ok", "set" if os.environ.get("HF_TOKEN") else "not set")


def _devices() -> Iterator[Check]:
    import psutil
    import torch

    from vtc_cli.report.units import size

    memory = psutil.virtual_memory()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    free = f"{size(memory.available)} of {size(memory.total)} free"
    yield Check("devices", "cpu", "ok", f"{cores} cores, torch uses {torch.get_num_threads()}, {free}")
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        available, total = torch.cuda.mem_get_info(index)
        name = torch.cuda.get_device_name(index)
        yield Check("devices", f"cuda:{index}", "ok", f"{name}, {size(available)} of {size(total)} free")
    if not torch.cuda.is_available():
        why = "this torch is a CPU build" if torch.version.cuda is None else "no usable device or driver"
        yield Check("devices", "cuda", "missing", why)
    if torch.backends.mps.is_available():
        yield Check("devices", "mps", "ok", "available")


def _readers() -> Iterator[Check]:
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "second.mp4"
        try:
            make_clip(clip)
        except Exception as error:
            yield Check("video", "pyav", "broken", f"cannot write a clip: {error}", "pip install --force-reinstall av")
            return
        for name in ("pyav", "decord", "torchcodec"):
            yield _reader(name, clip)


def _reader(name: str, clip: Path) -> Check:
    from vtc_cli.video import open_clip

    required = name == "pyav"
    try:
        opened = open_clip(str(clip), name)
        try:
            frames = list(opened.frames(4.0))
        finally:
            opened.close()
    except Exception as error:
        hint = getattr(error, "hint", None)
        return Check("video", name, "broken" if required else "missing", _one_line(error), hint)
    if [tuple(frame.image.shape) for frame in frames] != [(3, 64, 96)] * 4:
        return Check("video", name, "broken" if required else "warning", f"decoded {len(frames)} of 4 frames")
    return Check("video", name, "ok", f"{opened.info.reader}, decoded a test clip")


def make_clip(path: Path) -> None:
    """Write a one-second H.264 clip, 96x64 at 8 frames per second, a moving bar."""
    import av
    import numpy as np

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for index in range(8):
            picture = np.full((64, 96, 3), 40, np.uint8)
            picture[:, index * 12 : index * 12 + 12] = 220
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def _vision_libraries() -> Iterator[Check]:
    import importlib

    fixes = {
        "torchvision": "vtc does not need it; to silence others: pip uninstall torchvision",
        "torchcodec": "pip install 'vtc-cli[torchcodec]' (0.12.0, the last build that runs beside a CPU torch)",
    }
    for name, fix in fixes.items():
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            note = "not installed, not needed" if name == "torchvision" else "not installed, optional"
            yield Check("libraries", name, "missing", note, None if name == "torchvision" else fix)
            continue
        try:
            importlib.import_module(name)
            yield Check("libraries", name, "ok", f"{version} imports")
        except Exception as error:
            yield Check("libraries", name, "warning", f"{version} does not import: {_one_line(error)}", fix)
    try:
        decord = metadata.version("decord2")
        yield Check("libraries", "decord2", "warning", f"{decord} returns wrong frames", "pip uninstall decord2")
    except metadata.PackageNotFoundError:
        pass


def _plugins() -> Iterator[Check]:
    from vtc_cli.methods.registry import available

    for listing in available():
        where = f"{listing.distribution} {listing.version}"
        if listing.clash:
            others = " and ".join(listing.clash)
            fix = f"name it {listing.distribution}:{listing.name}, or restrict VTC_PLUGINS"
            yield Check("methods", listing.name, "warning", f"offered by {others}", fix)
        elif problem := listing.problem():
            fix = f"reinstall {listing.distribution}, or leave it out with VTC_PLUGINS"
            yield Check("methods", listing.name, "warning", problem, fix)
        else:
            yield Check("methods", listing.name, "ok", where)


def _models() -> Iterator[Check]:
    from vtc_cli.jobs.inventory import model_rows
    from vtc_cli.models.registry import TINY
    from vtc_cli.report.units import size

    rows = model_rows()
    if not any(row["id"] == TINY for row in rows):
        yield Check("models", TINY, "warning", "the bundled model is not in this installation", "reinstall vtc-cli")
    for row in rows:
        if row["where"] != "on the Hub":
            yield Check(
                "models", row["id"], "ok", f"{row['where']}, {size(row['weight_bytes']['bfloat16'])} in bfloat16"
            )
    yield _hub(any(row["where"] == "cached" for row in rows))


def _hub(cached: bool) -> Check:
    from huggingface_hub import constants

    where = f"cache {constants.HF_HUB_CACHE}"
    if constants.HF_HUB_OFFLINE:
        return Check("models", "hub", "ok" if cached else "warning", f"offline by HF_HUB_OFFLINE; {where}")
    from huggingface_hub.utils import get_session

    try:
        # One small request without retries says whether anything answers; proxies and certificates are the library's.
        get_session().head(constants.ENDPOINT, timeout=5.0)
    except Exception as error:
        fix = "models already in the cache and `--model tiny` work; set HF_HUB_OFFLINE=1 to stop trying"
        return Check(
            "models", "hub", "warning", f"{constants.ENDPOINT} not reachable ({_one_line(error)}); {where}", fix
        )
    return Check("models", "hub", "ok", f"{constants.ENDPOINT} answers; {where}")


def _memory() -> Iterator[Check]:
    from vtc_cli.memory.checking import findings

    for item in findings():
        yield Check("memory", item.name, item.state, item.found, item.fix)


def _retrieval(settings: Settings) -> Iterator[Check]:
    from vtc_cli.jobs.setup import load_for, resolve_model
    from vtc_cli.memory.narrator import ModelNarrator
    from vtc_cli.memory.self_test import try_search

    try:
        settings, reason = resolve_model(settings)
        narrator = ModelNarrator(load_for(settings, reason))
    except VtcError as error:
        yield Check("retrieval", "model", "broken", error.message, error.hint)
        return
    yield Check("retrieval", "model", "ok", narrator.embedder)
    for name, found in zip(("in its words", "in other words"), try_search(narrator.embed), strict=True):
        first = f"by words {found.words}, by meaning {found.meaning}, by both {found.both}"
        worse = found.both < found.words
        fix = "ask in the words of the video; meaning leads this model astray" if worse else None
        yield Check("retrieval", name, "warning" if worse else "ok", f"first of {found.asked} sentences: {first}", fix)


def _folders() -> Iterator[Check]:
    from huggingface_hub import constants
    from platformdirs import user_cache_path

    from vtc_cli.config.layers import user_file

    places = {
        "model cache": Path(constants.HF_HUB_CACHE),
        "vtc cache": user_cache_path("vtc", appauthor=False),
        "configuration": user_file().parent,
        "temporary": Path(tempfile.gettempdir()),
    }
    for name, path in places.items():
        existing = next(folder for folder in (path, *path.parents) if folder.exists())
        writable = os.access(existing, os.W_OK)
        note = "" if path.exists() else " (will be made when needed)"
        fix = None if writable else f"make {existing} writable, or point the variable that names it elsewhere"
        yield Check("folders", name, "ok" if writable else "warning", f"{path}{note}", fix)


def _settings() -> Iterator[Check]:
    from vtc_cli.config.layers import effective
    from vtc_cli.errors import UsageError

    try:
        values = effective({})
    except UsageError as error:
        yield Check("settings", "files", "broken", error.message, error.hint)
        return
    for value in values.values():
        if value.origin != "default":
            yield Check("settings", value.key.written, "ok", f"{value.value} from {value.origin}")


def _one_line(error: Exception) -> str:
    text = " ".join(str(getattr(error, "message", error)).split())
    return (text or type(error).__name__)[:160]
