"""A sliding window over the video: the newest entries stay."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from vtc_cli import CachePolicy, LayerView


@dataclass
class WindowCache(CachePolicy):
    """Keep the newest entries; the pinned prefix before them always stays.

    With the prefix as the sink, this is StreamingLLM (arXiv 2309.17453) with positions left as they are.

    Exactly the last `keep` entries of every layer and head, visual rows and time tags alike. The oldest unit kept may
    be cut: it loses its time tag and its first rows, so a tag never outlives its unit's visual rows.
    """

    def select(self, view: LayerView, keep: int) -> torch.Tensor:
        heads, count = view.unit.shape
        return torch.arange(count - keep, count, device=view.unit.device).expand(heads, keep)
