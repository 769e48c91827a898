"""InfiniPot-V: a cache of bounded size for streaming video (Kim et al., NeurIPS 2025, arXiv:2506.15745)."""

from vtc_infinipot_v.policy import InfiniPotV
from vtc_infinipot_v.selection import select

__all__ = ["InfiniPotV", "select"]
