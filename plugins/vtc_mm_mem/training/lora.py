"""An adapter that is there for one decision and gone after it: the model that describes stays what it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vtc_cli import UsageError
from vtc_mm_mem.training.artefact import CONFIG, WEIGHTS

_PREFIX = "base_model.model."


@dataclass(frozen=True)
class Lora:
    """Low-rank changes of linear layers. pairs: name in the network -> (A [r, in], B [out, r]). scale: of B A x."""

    pairs: dict[str, tuple[Tensor, Tensor]]
    scale: float

    @staticmethod
    def read(folder: Path, network: Any) -> Lora:
        """The adapter of a folder, on the network's device. Raises UsageError when it does not fit the network."""
        from safetensors.torch import load_file

        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        try:
            found = load_file(folder / WEIGHTS)
            scale = config["lora_alpha"] / (config["r"] ** 0.5 if config.get("use_rslora") else config["r"])
        except Exception as error:
            raise UsageError(f"the adapter in {folder} cannot be read: {error}", "train it again") from None
        pairs = {}
        for key in sorted(name for name in found if name.endswith(".lora_A.weight")):
            name = key.removeprefix(_PREFIX).removesuffix(".lora_A.weight")
            down, up = found.pop(key), found.pop(key.replace("lora_A", "lora_B"), None)
            try:
                layer = network.get_submodule(name)
                fits = up is not None and (layer.in_features, layer.out_features) == (down.shape[1], up.shape[0])
            except AttributeError:
                fits = False
            if not fits or up is None:
                raise UsageError(f"the adapter in {folder} does not fit the model at {name}", "train it again")
            place = next(layer.parameters()).device
            pairs[name] = (down.to(place), up.to(place))
        if found or not pairs:
            raise UsageError(f"the adapter in {folder} has parts that have no place in the model", "train it again")
        return Lora(pairs, float(scale))

    @contextmanager
    def on(self, network: Any) -> Iterator[None]:
        """The network with these changes, within the block."""
        handles = [network.get_submodule(name).register_forward_hook(self._hook(name)) for name in self.pairs]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _hook(self, name: str) -> Any:
        down, up = self.pairs[name]

        def added(module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            change = torch.nn.functional.linear(torch.nn.functional.linear(inputs[0].to(down.dtype), down), up)
            return output + (self.scale * change).to(output.dtype)

        return added
