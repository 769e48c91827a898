"""The Qwen3-VL family: time tags as text, interleaved M-RoPE, DeepStack.

A video is written as `<|vision_start|>`, then per unit (two frames) `<12.3 seconds><|vision_start|>` its visual rows
`<|vision_end|>`, then `<|vision_end|>`: the template's own pair of markers stays around the per-unit pairs, as the
library's processor has written it since transformers 5.10.

Positions are ours, never inferred: text advances by one on all three axes; a unit starting at p has its row i, column
j at (p, p + i, p + j), and what follows starts at p + max(rows, columns).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vtc_cli.errors import MachineError, UsageError
from vtc_cli.models.contract import Cursor, Geometry, Span, Unit, VideoLM
from vtc_cli.models.device import Placement
from vtc_cli.models.preprocess import Preprocessor
from vtc_cli.models.prompt import Prompt, multiple_choice, time_tag
from vtc_cli.models.quiet import quiet
from vtc_cli.models.received import received_attention
from vtc_cli.models.shape import info_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from vtc_cli.video.frame import Frame


class Qwen3VL(VideoLM):
    """A loaded Qwen3-VL. model: a `Qwen3VLForConditionalGeneration` on its device, in eval mode."""

    def __init__(
        self,
        model: Any,
        tokenizer: PreTrainedTokenizerBase,
        preprocessor: Preprocessor,
        prompt: Prompt,
        placement: Placement,
        *,
        name: str,
        revision: str | None = None,
    ):
        self.model = model
        self.tokenizer = tokenizer
        self.preprocessor = preprocessor
        self._prompt = prompt
        self._tower = model.model.visual
        self._tower.patch_embed.proj = _PatchProjection(self._tower.patch_embed.proj)
        self._decoder = model.model.language_model
        self._embed = model.get_input_embeddings()
        self._device = self._embed.weight.device
        config = model.config
        self._start, self._end, self._pad = (
            config.vision_start_token_id,
            config.vision_end_token_id,
            config.video_token_id,
        )
        self._stop = _stop_ids(model, tokenizer)
        parameters = list(model.parameters())  # tied weights once
        self.info = info_of(
            config,
            placement,
            name=name,
            family="qwen3-vl",
            revision=revision,
            parameters=sum(value.numel() for value in parameters),
            weight_bytes=sum(value.nbytes for value in parameters),
        )

    @classmethod
    def load(
        cls,
        folder: Path,
        placement: Placement,
        *,
        name: str,
        revision: str | None = None,
        trust_remote_code: bool = False,
    ) -> Qwen3VL:
        """From a checkpoint folder. Raises MachineError when weights are missing or the folder contradicts itself."""
        try:
            from transformers import AutoTokenizer, Qwen3VLForConditionalGeneration
        except (ImportError, RuntimeError) as error:
            raise MachineError(
                f"transformers cannot import this family: {_root(error)}",
                "If it names torchvision, that package was built for another torch: uninstall it "
                "(vtc does not need it) or install the matching build. `vtc doctor` shows the versions.",
            ) from error

        preprocessor = Preprocessor.read(folder)
        with quiet():
            try:
                tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
            except (OSError, ValueError) as error:
                raise MachineError(
                    f"the tokenizer of {name} cannot be read: {_first_line(error)}", "Download the checkpoint again."
                ) from error
            try:
                loaded: Any = Qwen3VLForConditionalGeneration.from_pretrained(
                    folder,
                    dtype=getattr(torch, placement.dtype),
                    attn_implementation=placement.attention,
                    use_safetensors=True,
                    output_loading_info=True,
                )
            except ImportError as error:
                raise MachineError(
                    f"attention {placement.attention!r} is not installed: {_first_line(error)}", "Use --attention sdpa."
                ) from error
        model, report = loaded
        wrong = [*sorted(report["missing_keys"]), *sorted(map(str, report["mismatched_keys"]))]
        if wrong:
            raise MachineError(
                f"{name} lacks {len(wrong)} weights its config asks for ({wrong[0]}, ...).",
                "Download the checkpoint again; config.json and weights do not belong together.",
            )
        vision = model.config.vision_config
        ours = (preprocessor.patch, preprocessor.temporal, preprocessor.merge)
        theirs = (vision.patch_size, vision.temporal_patch_size, vision.spatial_merge_size)
        if ours != theirs:
            raise MachineError(
                f"{name} contradicts itself: patch, temporal and merge sizes are {ours} in the preprocessor config "
                f"and {theirs} in config.json.",
                "Download the checkpoint again.",
            )
        model.requires_grad_(False).eval().to(placement.device)
        prompt = Prompt(tokenizer, folder)
        return cls(model, tokenizer, preprocessor, prompt, placement, name=name, revision=revision)

    def geometry(self, size: tuple[int, int], pixels: int | None = None) -> Geometry:
        return self.preprocessor.geometry(size, pixels)

    @torch.no_grad()
    def encode(
        self, frames: Sequence[Frame], geometry: Geometry, first: int = 0, capture: Sequence[int] = ()
    ) -> list[Unit]:
        from transformers.models.qwen3_vl.modeling_qwen3_vl import apply_rotary_pos_emb_vision

        if not frames:
            return []
        blocks = self._tower.blocks
        for layer in capture:
            if not 1 <= layer <= len(blocks):
                raise UsageError(
                    f"vision layer {layer} does not exist; {self.info.name} has layers 1 to {len(blocks)}.",
                    "Choose another layer in the method's options.",
                )
        temporal = self.info.frames_per_unit
        frames = [*frames, *[frames[-1]] * (-len(frames) % temporal)]
        units = len(frames) // temporal
        pixels = self.preprocessor.patches([frame.image for frame in frames], geometry, self._device)
        rows, columns = geometry.grid
        merge = self.preprocessor.merge
        # One row per unit: the tower attends within a row's frames, so units stay independent of each other.
        grid = torch.tensor([[1, rows * merge, columns * merge]], device=self._device).expand(units, 3)
        with received_attention(
            blocks, capture, units=units, merge=merge, rotate=apply_rotary_pos_emb_vision
        ) as received:
            output = self._tower(pixels.to(self._tower.dtype), grid_thw=grid, return_dict=True)
        tokens = output.pooler_output.unflatten(0, (units, -1))
        deep = [level.unflatten(0, (units, -1)) for level in output.deepstack_features]
        return [
            Unit(
                index=first + i,
                span=(frames[i * temporal].time, frames[(i + 1) * temporal - 1].time),
                tokens=tokens[i],
                grid=geometry.grid,
                deep=tuple(level[i] for level in deep),
                scores={layer: values[i] for layer, values in received.items()},
            )
            for i in range(units)
        ]

    @torch.no_grad()
    def open(self, cursor: Cursor, system: str | None = None) -> Span:
        span = self._text(cursor, self._prompt.opening(system))
        return replace(span, cursor=Cursor(span.cursor.next, video=span.cursor.next))

    @torch.no_grad()
    def place(self, cursor: Cursor, unit: Unit, keep: Tensor | None = None, merged: Tensor | None = None) -> Span:
        rows, columns = unit.grid
        device = self._device
        patch = torch.arange(rows * columns, device=device) if keep is None else keep.to(device)
        if keep is not None:
            _check_kept(patch, unit, merged)
        tag = [*self._prompt.plain(time_tag(*unit.span)), self._start]
        before, kept = len(tag), len(patch)
        ids = torch.tensor([*tag, *[self._pad] * kept, self._end], device=device)
        embeds = self._embed(ids)
        values = unit.tokens[patch] if merged is None else merged
        embeds[before : before + kept] = values.to(embeds)

        # The kept rows sit where they sit in the whole unit, and what follows does not move up.
        start = cursor.next + before
        positions = torch.empty(3, len(ids), dtype=torch.int64, device=device)
        positions[:, :before] = torch.arange(cursor.next, start, device=device)
        positions[0, before:-1] = start
        positions[1, before:-1] = start + patch // columns
        positions[2, before:-1] = start + patch % columns
        after = start + max(rows, columns)
        positions[:, -1] = after

        raster = torch.full((len(ids),), -1, dtype=torch.int32, device=device)
        raster[before : before + kept] = patch.to(torch.int32)
        return Span(
            ids=ids,
            embeds=embeds,
            positions=positions,
            unit=torch.full_like(raster, unit.index),
            patch=raster,
            cursor=Cursor(after + 1, video=cursor.video, units=cursor.units + 1),
            deep=tuple(level[patch].to(embeds) for level in unit.deep),
        )

    @torch.no_grad()
    def question(self, cursor: Cursor, text: str, choices: Mapping[str, str] | None = None) -> Span:
        words = text if choices is None else multiple_choice(text, choices)
        span = self._text(cursor, self._prompt.closing(words))
        return replace(span, cursor=Cursor(span.cursor.next))

    @torch.no_grad()
    def continuation(self, cursor: Cursor, ids: Sequence[int]) -> Span:
        return self._text(cursor, ids)

    @torch.no_grad()
    def forward(self, span: Span, cache: object, *, layers: object | None = None) -> Tensor:
        if layers is not None:
            raise UsageError(
                f"the {self.info.family} family does not run layer policies yet "
                f"({type(layers).__name__} was asked for).",
                "Leave out the layer policy, or prune tokens before the decoder instead.",
            )
        visual = span.visual
        deep = list(span.deep)
        # No attention mask, ever: causality against the cache is derived from its lengths, and a mask of the chunk's
        # length would hide the newest keys.
        output = self._decoder(
            inputs_embeds=span.embeds[None],
            position_ids=span.positions[:, None],
            past_key_values=cache,
            use_cache=True,
            visual_pos_masks=visual[None] if deep else None,
            deepstack_visual_embeds=deep or None,
        )
        logits: Tensor = self.model.lm_head(output.last_hidden_state[0, -1])
        return logits.float()

    @torch.no_grad()
    def embed_query(self, text: str) -> Tensor:
        rows: Tensor = self._embed(torch.tensor(self._prompt.plain(text), dtype=torch.int64, device=self._device))
        return rows

    def label_ids(self, labels: Sequence[str]) -> list[int]:
        ids = [self._prompt.plain(label)[:1] for label in labels]
        for label, first in zip(labels, ids, strict=True):
            if not first:
                raise UsageError("an answer label is empty.", "Give every choice a label, for example --choice A=...")
            if ids.count(first) > 1:
                same = [other for other, token in zip(labels, ids, strict=True) if token == first]
                raise UsageError(
                    f"the labels {', '.join(map(repr, same))} start with the same token, so they cannot be told apart.",
                    f"Use labels that differ in their first character; {label!r} could be a letter.",
                )
        return [first[0] for first in ids]

    def text(self, ids: Sequence[int]) -> str:
        words = self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(words)

    @property
    def stop_ids(self) -> frozenset[int]:
        return self._stop

    def _text(self, cursor: Cursor, ids: Sequence[int]) -> Span:
        """Plain text rows, one position each on all axes."""
        device = self._device
        rows = torch.tensor(list(ids), dtype=torch.int64, device=device)
        none = torch.full((len(rows),), -1, dtype=torch.int32, device=device)
        last = cursor.next + len(rows)
        return Span(
            ids=rows,
            embeds=self._embed(rows),
            positions=torch.arange(cursor.next, last, device=device).expand(3, -1),
            unit=none,
            patch=none,
            cursor=Cursor(last, video=cursor.video, units=cursor.units),
            deep=(),
        )


class _PatchProjection(nn.Module):
    """The tower's patch convolution as the matrix product it is: its kernel covers a whole patch.

    Same weights, about three times as fast on a CPU.
    """

    def __init__(self, convolution: nn.Conv3d):
        super().__init__()
        self.weight, self.bias = convolution.weight, convolution.bias

    def forward(self, patches: Tensor) -> Tensor:
        """[n, colours, frames, y, x] to [n, width]."""
        return F.linear(patches.flatten(1), self.weight.flatten(1), self.bias)


def _check_kept(patch: Tensor, unit: Unit, merged: Tensor | None) -> None:
    """The core's promise about what a pruner returned, checked where it would do harm."""
    n = unit.grid[0] * unit.grid[1]
    rows = patch.tolist()
    if rows != sorted(set(rows)) or (rows and not 0 <= rows[0] <= rows[-1] < n):
        raise ValueError(f"kept rows must be ascending raster indices below {n}, got {rows[:8]}")
    if merged is not None and merged.shape != (len(patch), unit.tokens.shape[1]):
        raise ValueError(f"merged rows are {tuple(merged.shape)}, not {(len(patch), unit.tokens.shape[1])}")


def _stop_ids(model: Any, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    named = model.generation_config.eos_token_id
    ids = set(named if isinstance(named, list) else [] if named is None else [named])
    ids.add(tokenizer.eos_token_id)
    ids.update(tokenizer.convert_tokens_to_ids(token) for token in ("<|im_end|>", "<|endoftext|>"))
    return frozenset(int(token) for token in ids if token is not None)


def _root(error: BaseException) -> str:
    """The first line of what started a chain of errors: import machinery buries it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return _first_line(error)


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
