"""KeyDiff: the entries whose keys differ most from the average key."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import normalize

from vtc_baselines.rows import wide
from vtc_baselines.tags import best
from vtc_cli import CachePolicy, LayerView


@dataclass
class KeyDiffCache(CachePolicy):
    """Keep the entries whose keys point away from the average key, in every layer and head on its own.

    KeyDiff (arXiv 2504.15364): the score is minus the cosine between a key, as it stands in the cache, and the mean of
    all keys scaled to length one; keys that stand out tend to be attended to. Needs neither the question nor attention
    weights. Of equal scores the earlier entry stays. Time tags keep their share of the cache and go to the units with
    most entries left, since the words of a tag say nothing by their keys.
    """

    def select(self, view: LayerView, keep: int) -> Tensor:
        keys = normalize(wide(view.keys, f"the keys of layer {view.layer}"), dim=-1, eps=1e-12)
        middle = normalize(keys.mean(1, keepdim=True), dim=-1, eps=1e-12)
        return best(-(keys * middle).sum(-1), view, keep)
