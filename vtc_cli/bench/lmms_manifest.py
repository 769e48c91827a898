"""What lmms-eval asks for before it imports anything: the name of this model and where its class is."""

from __future__ import annotations

from typing import Any


def manifest() -> Any:
    """The `ModelManifest` of `--model vtc`, for the entry-point group `lmms_eval.models`."""
    from lmms_eval.models.registry_v2 import ModelManifest

    return ModelManifest(model_id="vtc", simple_class_path="vtc_cli.bench.lmms_model.VtcModel")
