"""vtc: ask questions about videos of any length, in bounded memory.

    from vtc_cli import Session, load_model, open_clip

    model = load_model("tiny")
    clip = open_clip("kitchen.mp4")
    session = Session(model)
    session.watch(clip.frames(fps=1))
    print(session.ask("Who opens the door?").text)

Everything named here is public and loads when first used: importing the package imports neither torch nor a plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vtc_cli.lazy import lazy

__version__ = "0.1.0"

if TYPE_CHECKING:
    from vtc_cli import memory as memory
    from vtc_cli.engine.answer import Answer as Answer
    from vtc_cli.engine.answer import Evidence as Evidence
    from vtc_cli.engine.meter import Meter as Meter
    from vtc_cli.engine.session import Session as Session
    from vtc_cli.errors import MachineError as MachineError
    from vtc_cli.errors import NumbersError as NumbersError
    from vtc_cli.errors import UsageError as UsageError
    from vtc_cli.errors import VideoError as VideoError
    from vtc_cli.errors import VtcError as VtcError
    from vtc_cli.methods.options import Bytes as Bytes
    from vtc_cli.methods.share import SharePruner as SharePruner
    from vtc_cli.methods.stages import CachePolicy as CachePolicy
    from vtc_cli.methods.stages import Calibration as Calibration
    from vtc_cli.methods.stages import FrameSampler as FrameSampler
    from vtc_cli.methods.stages import Kept as Kept
    from vtc_cli.methods.stages import LayerPolicy as LayerPolicy
    from vtc_cli.methods.stages import LayerRows as LayerRows
    from vtc_cli.methods.stages import LayerView as LayerView
    from vtc_cli.methods.stages import Method as Method
    from vtc_cli.methods.stages import Route as Route
    from vtc_cli.methods.stages import TokenPruner as TokenPruner
    from vtc_cli.methods.stages import VideoMemory as VideoMemory
    from vtc_cli.models import load_model as load_model
    from vtc_cli.models.contract import ModelInfo as ModelInfo
    from vtc_cli.models.contract import Unit as Unit
    from vtc_cli.models.contract import VideoLM as VideoLM
    from vtc_cli.video import open_clip as open_clip
    from vtc_cli.video.frame import Clip as Clip
    from vtc_cli.video.frame import ClipInfo as ClipInfo
    from vtc_cli.video.frame import Frame as Frame

_HOMES = {
    "Answer": "engine.answer",
    "Bytes": "methods.options",
    "CachePolicy": "methods.stages",
    "Calibration": "methods.stages",
    "Clip": "video.frame",
    "ClipInfo": "video.frame",
    "Evidence": "engine.answer",
    "Frame": "video.frame",
    "FrameSampler": "methods.stages",
    "Kept": "methods.stages",
    "LayerPolicy": "methods.stages",
    "LayerRows": "methods.stages",
    "LayerView": "methods.stages",
    "MachineError": "errors",
    "Meter": "engine.meter",
    "Method": "methods.stages",
    "ModelInfo": "models.contract",
    "NumbersError": "errors",
    "Route": "methods.stages",
    "Session": "engine.session",
    "SharePruner": "methods.share",
    "TokenPruner": "methods.stages",
    "Unit": "models.contract",
    "UsageError": "errors",
    "VideoError": "errors",
    "VideoLM": "models.contract",
    "VideoMemory": "methods.stages",
    "VtcError": "errors",
    "load_model": "models",
    "memory": "memory",
    "open_clip": "video",
}

__all__ = [
    "Answer",
    "Bytes",
    "CachePolicy",
    "Calibration",
    "Clip",
    "ClipInfo",
    "Evidence",
    "Frame",
    "FrameSampler",
    "Kept",
    "LayerPolicy",
    "LayerRows",
    "LayerView",
    "MachineError",
    "Meter",
    "Method",
    "ModelInfo",
    "NumbersError",
    "Route",
    "Session",
    "SharePruner",
    "TokenPruner",
    "Unit",
    "UsageError",
    "VideoError",
    "VideoLM",
    "VideoMemory",
    "VtcError",
    "__version__",
    "load_model",
    "memory",
    "open_clip",
]


__getattr__ = lazy(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
