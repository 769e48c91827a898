"""What the library makes of a video, built without the adapter: prompt text, ids, patches, one-shot logits.

And `encode`, what the adapter makes of its frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from vtc_cli.models.contract import Geometry, Unit, VideoLM
from vtc_cli.video.frame import Frame

VIDEO = "<|video_pad|>"


def frames_of(images: Tensor, gap: float = 0.7, start: float = 0.0) -> list[Frame]:
    return [Frame(start + gap * index, image) for index, image in enumerate(images)]


def encode(
    model: VideoLM, frames: Sequence[Frame], geometry: Geometry, first: int = 0, capture: Sequence[int] = ()
) -> list[Unit]:
    """Our frames to units, both steps."""
    return model.encode(model.prepare(frames, geometry), geometry, first, capture)


def prompt_text(
    tokenizer: Any,
    times: Sequence[float],
    tokens: int,
    question: str,
    system: str | None = None,
    temporal: int = 2,
    video: str = VIDEO,
) -> str:
    """The chat template's string with the video placeholder replaced as the processor replaces it."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system is not None else []
    messages.append({"role": "user", "content": [{"type": "video"}, {"type": "text", "text": question}]})
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, enable_thinking=False)
    times = [*times, *[times[-1]] * (-len(times) % temporal)]
    expanded = ""
    for index in range(0, len(times), temporal):
        seconds = (times[index] + times[index + temporal - 1]) / 2
        expanded += f"<{seconds:.1f} seconds><|vision_start|>{VIDEO * tokens}<|vision_end|>"
    assert text.count(video) == 1
    return str(text.replace(video, expanded))


def naive_patches(
    images: Tensor,
    patch: int,
    merge: int,
    temporal: int = 2,
    mean: Sequence[float] = (0.5, 0.5, 0.5),
    std: Sequence[float] = (0.5, 0.5, 0.5),
) -> Tensor:
    """uint8 [T, 3, H, W] at their final size to patches, by plain loops."""
    values = images.double() / 255 - torch.tensor(mean).double()[:, None, None]
    values = values / torch.tensor(std).double()[:, None, None]
    pad = -len(values) % temporal
    values = torch.cat([values, values[-1:].expand(pad, -1, -1, -1)])
    height, width = values.shape[-2:]
    rows = []
    for first in range(0, len(values), temporal):
        unit = values[first : first + temporal]
        for top in range(0, height, patch * merge):
            for left in range(0, width, patch * merge):
                for y in range(top, top + patch * merge, patch):
                    for x in range(left, left + patch * merge, patch):
                        cut = unit[:, :, y : y + patch, x : x + patch]
                        rows.append(cut.transpose(0, 1).flatten())
    return torch.stack(rows).float()


@torch.no_grad()
def one_shot(
    reference: Any,
    ids: Tensor,
    patches: Tensor,
    grid: tuple[int, int, int],
    positions: Tensor | None = None,
    seen: Tensor | None = None,
) -> Any:
    """The library's single forward over the whole prompt. grid: (units, patch rows, patch columns).

    positions: int64 [3, n] in place of the library's own. seen: bool [n], visual rows, where another token marks them.
    """
    visual = ids == reference.config.video_token_id if seen is None else seen
    kinds = visual.to(torch.int32) * 2
    return reference(
        input_ids=ids[None],
        pixel_values_videos=patches,
        video_grid_thw=torch.tensor([grid]),
        mm_token_type_ids=kinds[None],
        attention_mask=torch.ones_like(ids[None]),
        position_ids=None if positions is None else positions[:, None],
    )
