"""Classes of transformers that have no family here, as far as their interface goes: pictures in, rows out, a prompt.

A class qualifies by `get_image_features`, which turns pictures into rows; a placeholder token, which stands for a row;
and a text model whose layers run here. A video is a series of pictures, written as the chat template writes several.
What is not known of such a class is not guessed: how its tower attends (no pruner that reads attention), whether its
answers survive an evicted cache (the cache is kept whole), what its layers make of missing rows (no layer policy).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vtc_cli.errors import MachineError, UsageError
from vtc_cli.models.catalog import read_config
from vtc_cli.models.checkpoint import Checkpoint
from vtc_cli.models.contract import Geometry, Prepared, TowerDims, Unit
from vtc_cli.models.fixed_size import FixedSize
from vtc_cli.models.one_axis import DECODERS, OneAxis
from vtc_cli.models.prompt import Prompt
from vtc_cli.models.towers import PictureTower

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_HINT = "`vtc models` lists the families that have an adapter of their own."
_PLACEHOLDER = ("image_token_id", "image_token_index")
_WRITTEN_AROUND = ("boi_token", "eoi_token", "image_start", "image_end", "begin_image", "break_token", "vision_start")
_TILED = ("image_grid_pinpoints", "crop_to_patches", "do_image_splitting", "do_pan_and_scan")


class Square(FixedSize):
    """Squares of the tower's size, cut or stretched as the preprocessor config says."""

    def configured(self, config: Mapping[str, Any], source: Path) -> FixedSize:
        asked = [key for key in ("do_pad", *_TILED) if config.get(key)]
        if asked:
            raise MachineError(
                f"{source} asks for {asked[0]}, which is not done for classes without an adapter of their own.", _HINT
            )
        fitted = replace(self, fit="crop" if config.get("do_center_crop") else "stretch")
        return FixedSize.configured(fitted, config, source)


class SeriesPrompt(Prompt):
    """A prompt that knows what the template writes between two pictures."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, folder: Path, video: str):
        super().__init__(tokenizer, folder, video, media="image")
        pictures: Any = [{"type": "image"}, {"type": "image"}, {"type": "text", "text": "?"}]
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": pictures}],
            chat_template=self._template,
            tokenize=False,
            add_generation_prompt=True,
        )
        parts = str(text).split(video)
        if len(parts) != 3:
            raise MachineError(
                f"the chat template of {folder} does not write two pictures with {video}, so it cannot show a video.",
                _HINT,
            )
        self.between = parts[1]


class Generic(OneAxis):
    """A loaded model of some class. checkpoint: its model takes pictures through `get_image_features`."""

    FAMILY = "generic"
    ENDS = ()
    runs_layer_policies = False
    preprocessor: FixedSize

    def __init__(self, checkpoint: Checkpoint):
        whole = checkpoint.model.model
        missing = [part for part in ("get_image_features", self.DECODER) if not hasattr(whole, part)]
        if missing or not hasattr(checkpoint.model, "lm_head"):
            raise _refusal(checkpoint.name, f"its class has no {missing[0] if missing else 'lm_head'}")
        super().__init__(checkpoint)
        self._check_rows(checkpoint.name)

    @classmethod
    def architecture(cls, config: Any) -> str:
        from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as NAMES

        return str(NAMES[config.model_type])

    @classmethod
    def check(cls, config: Any, name: str) -> None:
        cls.tower_dims(config)
        cls.pad_token(config)
        text = config.get_text_config()
        if text is config or text.model_type not in DECODERS:
            raise _refusal(name, f"its text model is {text.model_type!r}; these run: {', '.join(DECODERS)}")
        rope = getattr(text, "rope_parameters", None) or {}
        if "mrope_section" in rope:
            raise _refusal(name, "its positions have several axes (M-RoPE)")
        kinds = set(getattr(text, "layer_types", None) or ()) - {"full_attention"}
        if kinds or (text.model_type == "mistral" and text.sliding_window):
            raise _refusal(name, f"its text model has layers of the kind {min(kinds, default='sliding_attention')!r}")
        around = [key for key, value in config.to_dict().items() if value is not None and _marks(key)]
        if around:
            raise _refusal(name, f"it writes marks of its own around pictures ({around[0]})")

    @classmethod
    def tower_dims(cls, config: Any) -> TowerDims:
        vision = getattr(config, "vision_config", None)
        wanted = ("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size", "image_size")
        missing = [key for key in (*wanted, "patch_size") if not isinstance(getattr(vision, key, None), int)]
        if missing:
            raise _refusal(config.model_type, f"its vision_config does not say {missing[0]} as a number")
        assert vision is not None
        width = config.get_text_config().hidden_size
        return TowerDims(
            layers=vision.num_hidden_layers,
            hidden=vision.hidden_size,
            heads=vision.num_attention_heads,
            intermediate=vision.intermediate_size,
            patch_inputs=3 * vision.patch_size**2,
            merge=1,
            out_hidden=width,
            opaque=True,
            projector=width * (vision.hidden_size + width),
        )

    @classmethod
    def preprocessing(cls, config: Any) -> FixedSize:
        side, patch = config.vision_config.image_size, config.vision_config.patch_size
        tokens = getattr(config, "image_seq_length", None) or (side // patch) ** 2
        return Square(patch=patch, side=side, grid=round(tokens**0.5))

    @classmethod
    def prompt(cls, tokenizer: PreTrainedTokenizerBase, folder: Path) -> Prompt:
        config = read_config(folder)
        token = next(config[key] for key in _PLACEHOLDER if config.get(key) is not None)
        return SeriesPrompt(tokenizer, folder, str(tokenizer.convert_ids_to_tokens(token)))

    @staticmethod
    def pad_token(config: Any) -> int:
        for key in _PLACEHOLDER:
            if (found := getattr(config, key, None)) is not None:
                return int(found)
        raise _refusal(config.model_type, "its config.json names no placeholder token (image_token_id)")

    @classmethod
    def around_unit(cls, prompt: Prompt, first: float, last: float) -> int:
        assert isinstance(prompt, SeriesPrompt)
        return len(prompt.following(prompt.between)) if prompt.between else 0

    def around(self, unit: Unit, first: bool) -> tuple[list[int], list[int]]:
        assert isinstance(self._prompt, SeriesPrompt)
        between = self._prompt.between
        return [] if first or not between else self._prompt.following(between), []

    @staticmethod
    def tower(model: Any) -> PictureTower:
        return PictureTower(embed=model.model.get_image_features, run=lambda block, states: states, blocks=())

    @torch.no_grad()
    def encode(self, prepared: Prepared, geometry: Geometry, first: int = 0, capture: Sequence[int] = ()) -> list[Unit]:
        if capture:
            raise UsageError(
                f"how the vision tower of {self.info.name} attends is not known, as it has no adapter of its own.",
                "Use a pruner that does not look at attention, such as -m uniform.",
            )
        if not len(prepared):
            return []
        rows = self._features(prepared.patches)
        return [Unit(first + i, span, rows[i], geometry.grid) for i, span in enumerate(prepared.spans)]

    def look(self, patches: Tensor) -> Tensor:
        return patches

    def pooled(self, received: Tensor) -> Tensor:
        return received

    def _features(self, pictures: Tensor) -> Tensor:
        """[units, n, d] from pictures [units, 3, side, side], in whichever form the class gives them."""
        given: Any = self.model.model.get_image_features(pixel_values=pictures.to(self.model.dtype), return_dict=True)
        rows = getattr(given, "pooler_output", given)
        rows = torch.stack(list(rows)) if isinstance(rows, list | tuple) else rows
        return rows.reshape(len(pictures), -1, rows.shape[-1])

    @torch.no_grad()
    def _check_rows(self, name: str) -> None:
        """Raise MachineError when a picture does not become the square of rows that its settings promise."""
        pictures = self.preprocessor
        wanted = (1, pictures.grid**2, self.info.decoder.hidden)
        try:
            found = tuple(self._features(torch.zeros(1, 3, pictures.side, pictures.side, device=self._device)).shape)
        except (TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise _refusal(name, f"its get_image_features does not take plain pictures ({_line(error)})") from error
        if found != wanted:
            raise _refusal(name, f"a picture becomes {found[1]} rows, not {wanted[1]}")


def _marks(key: str) -> bool:
    return any(word in key for word in _WRITTEN_AROUND)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__


def _refusal(name: str, why: str) -> MachineError:
    return MachineError(f"{name} has no adapter of its own, and the generic one does not run it: {why}.", _HINT)
