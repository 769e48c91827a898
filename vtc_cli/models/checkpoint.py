"""A checkpoint folder in memory: weights, tokenizer, prompt, preprocessor, and every way reading them can fail.

This is what an adapter is made from. Nothing here knows a family, except by the name of its class in transformers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtc_cli.errors import MachineError
from vtc_cli.models.compiled import compile_parts
from vtc_cli.models.device import Placement
from vtc_cli.models.library import library
from vtc_cli.models.lora import fold
from vtc_cli.models.preprocess import Preprocessor
from vtc_cli.models.prompt import Prompt
from vtc_cli.models.quantise import loading_options, stored_bytes
from vtc_cli.models.quiet import quiet
from vtc_cli.models.spread import decoder_path, gather_back, layer_places, spread_over, spreading_options

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Checkpoint:
    """What a folder holds, ready to use.

    model: the transformers model on its device, in eval mode, without gradients.
    name, revision: how reports call it, and the commit or digest it has (None if unknown).
    """

    model: Any
    tokenizer: PreTrainedTokenizerBase
    preprocessor: Preprocessor
    prompt: Prompt
    placement: Placement
    name: str
    revision: str | None = None

    @staticmethod
    def read(
        folder: Path,
        placement: Placement,
        architecture: str,
        preprocessor: Preprocessor,
        *,
        name: str,
        revision: str | None = None,
        trust_remote_code: bool = False,
        prompt: Callable[[PreTrainedTokenizerBase, Path], Prompt] = Prompt,
        decoder: str = "language_model",
        kernels: Any = None,
    ) -> Checkpoint:
        """Read a folder. architecture: the model's class in transformers. preprocessor: how its pictures are made.
        prompt: how the family reads the words around a video. decoder: its name inside the model.
        kernels: of attention, where parts of the model differ; None for that of `placement`.

        Raises MachineError: the class cannot be imported, a file is missing or damaged, the weights are not those the
        config asks for, or the attention kernel is not installed.
        """
        model_class = class_named(architecture)
        with quiet():
            tokenizer = read_tokenizer(folder, name, trust_remote_code)
            model = _model(model_class, folder, placement, name, decoder, kernels or placement.attention)
            if placement.lora is not None:
                model = fold(model, placement.lora, name)
        model.requires_grad_(False).eval()
        if placement.spread is not None:
            gather_back(model, decoder, placement.device)
            placement = spread_over(placement, layer_places(model, decoder, placement.device))
        elif placement.quantisation is None:  # else it is where it belongs, and cannot be moved
            try:
                model.to(placement.device)
            except RuntimeError as error:
                if not _no_memory(error):
                    raise
                raise _ran_out(error, name) from error
        if placement.compiled:
            done = compile_parts(model, name, decoder_path(decoder))
            placement = replace(placement, device_reason=f"{placement.device_reason}; {done}")
        return Checkpoint(model, tokenizer, preprocessor, prompt(tokenizer, folder), placement, name, revision)

    @property
    def parameters(self) -> int:
        """How many values the weights hold; shared ones count once."""
        shapes = (
            getattr(getattr(value, "quant_state", None), "shape", value.shape) for value in self.model.parameters()
        )
        return sum(prod(shape) for shape in shapes)

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights as loaded; shared ones count once."""
        return sum(stored_bytes(value) for value in self.model.parameters())

    @property
    def facts(self) -> dict[str, Any]:
        """What `info_of` wants to know besides the configuration."""
        return {
            "name": self.name,
            "revision": self.revision,
            "parameters": self.parameters,
            "weight_bytes": self.weight_bytes,
        }

    def stop_ids(self, ends: Sequence[str]) -> frozenset[int]:
        """Tokens that end an answer: those the checkpoint names, and the family's own `ends`."""
        named = self.model.generation_config.eos_token_id
        ids = set(named if isinstance(named, list) else [named])
        ids.add(self.tokenizer.eos_token_id)
        ids.update(self.tokenizer.convert_tokens_to_ids(token) for token in ends)
        return frozenset(int(token) for token in ids if token is not None)


def configuration(folder: Path, name: str) -> Any:
    """The folder's configuration, as transformers reads it. Raises MachineError."""
    from transformers import AutoConfig

    with quiet():
        try:
            return AutoConfig.from_pretrained(folder)
        except Exception as error:  # each configuration class checks its fields in its own way
            raise MachineError(
                f"the configuration of {name} cannot be read: {' '.join(str(error).split())[:300]}",
                "Download config.json again, or use the checkpoint as published.",
            ) from error


def class_named(name: str) -> Any:
    """A model class of transformers. Raises MachineError when it cannot be imported."""
    try:
        return getattr(library(), name)
    except (AttributeError, ImportError, RuntimeError) as error:
        raise MachineError(
            f"transformers cannot import this family: {_root(error)}",
            "If it names torchvision, that package was built for another torch: uninstall it "
            "(vtc does not need it) or install the matching build. `vtc doctor` shows the versions.",
        ) from error


def read_tokenizer(folder: Path, name: str, trust_remote_code: bool = False) -> PreTrainedTokenizerBase:
    """The folder's tokenizer. Raises MachineError when there is none, or when it cannot be read."""
    from transformers import AutoTokenizer

    # Without any file the library makes an empty one.
    if not any(next(folder.glob(pattern), None) for pattern in _VOCABULARIES):
        raise MachineError(
            f"{folder} holds no tokenizer ({', '.join(_VOCABULARIES)}).",
            "Download the checkpoint again, with its tokenizer files.",
        )
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
    except Exception as error:  # the tokenizers library raises nothing more special
        raise MachineError(
            f"the tokenizer of {name} cannot be read: {_first_line(error)}", "Download the checkpoint again."
        ) from error
    return tokenizer


_VOCABULARIES = ("tokenizer.json", "vocab.json", "tokenizer.model", "*.tiktoken", "vocab.txt", "tokenizer*.py")
"""Files of which every tokenizer has at least one."""


def _model(model_class: Any, folder: Path, placement: Placement, name: str, decoder: str, kernels: Any) -> Any:
    import torch
    from safetensors import SafetensorError

    dtype = getattr(torch, placement.dtype)
    how = loading_options(placement.quantisation, decoder, dtype, placement.device)
    if placement.spread is not None:
        how = spreading_options(model_class, folder, decoder, dtype, placement.spread)
    try:
        model, report = model_class.from_pretrained(
            folder,
            dtype=dtype,
            attn_implementation=kernels,
            use_safetensors=True,
            output_loading_info=True,
            **how,
        )
    except ImportError as error:
        raise MachineError(
            f"attention {placement.attention!r} is not installed: {_first_line(error)}", "Use --attention sdpa."
        ) from error
    except SafetensorError as error:
        raise MachineError(
            f"the weights of {name} are damaged: {_first_line(error)}", "Download the checkpoint again."
        ) from error
    except RuntimeError as error:
        if _no_memory(error):
            raise _ran_out(error, name) from error
        if "mismatched" not in str(error):
            raise
        raise MachineError(
            f"{name} holds weights of other shapes than its config asks for.",
            "Download the checkpoint again; config.json and weights do not belong together.",
        ) from error
    wrong = [*sorted(report["missing_keys"]), *sorted(map(str, report["mismatched_keys"]))]
    if wrong:
        raise MachineError(
            f"{name} lacks {len(wrong)} weights its config asks for ({wrong[0]}, ...).",
            "Download the checkpoint again; config.json and weights do not belong together.",
        )
    return model


_NO_MEMORY = ("cannot allocate memory", "not enough memory", "out of memory", "can't allocate memory")
"""What torch, its allocators and the system say where there is none."""


def _no_memory(error: RuntimeError) -> bool:
    return any(words in str(error).lower() for words in _NO_MEMORY)


def _ran_out(error: RuntimeError, name: str) -> MachineError:
    return MachineError(
        f"memory ran out while {name} was loaded: {_first_line(error)}",
        "Free memory, take --dtype bfloat16 or --device-map auto, or use a smaller model.",
    )


def _root(error: BaseException) -> str:
    """The first line of what started a chain of errors: import machinery buries it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return _first_line(error)


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
