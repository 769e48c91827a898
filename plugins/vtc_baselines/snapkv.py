"""SnapKV: the entries that the question looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor
from torch.nn.functional import avg_pool1d, max_pool1d

from vtc_baselines.rows import wide
from vtc_baselines.tags import best
from vtc_cli import CachePolicy, LayerView, ModelInfo


@dataclass
class SnapKVCache(CachePolicy):
    """Keep the entries that the question attends to, in every layer and head on its own. The question must be known.

    SnapKV (arXiv 2404.14469, NeurIPS 2024): the attention paid by the last rows of the prompt, pooled along the cache
    so that neighbours of what is looked at stay too; the largest are kept. There the whole prompt is in the cache when
    it is cut once; here the question is put on top of the video at each compaction, read, and taken off again, which
    costs one forward of the question each time. Of equal scores the earlier entry stays. Time tags keep their share of
    the cache and go to the units with most entries left.

    window: how many of the question's last rows count.
    kernel: how many neighbouring entries are pooled, an odd number; 1 pools nothing.
    pooling: whether neighbours are averaged (avg) or the largest counts (max).
    """

    needs: ClassVar[frozenset[str]] = frozenset({"question:32"})
    instead: ClassVar[str | None] = "keydiff"

    window: int = 32
    kernel: int = 5
    pooling: Literal["avg", "max"] = "avg"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.window < 1:
            raise ValueError(f"window must be at least 1, not {self.window}")
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise ValueError(f"kernel must be an odd number, 1 or more, not {self.kernel}")

    def needs_on(self, model: ModelInfo) -> frozenset[str]:
        return frozenset({f"question:{self.window}"})

    def select(self, view: LayerView, keep: int) -> Tensor:
        if view.attention is None:
            raise ValueError("was given no attention of the question")
        score = wide(view.attention, f"the attention of the question in layer {view.layer}")
        pool = avg_pool1d if self.pooling == "avg" else max_pool1d
        return best(pool(score[None], self.kernel, stride=1, padding=self.kernel // 2)[0], view, keep)
