"""HiPrune and HiPrune++ (arXiv 2508.00553): keep the tokens that the vision tower itself attends to."""

from vtc_hiprune.prompted import HiPrunePlus
from vtc_hiprune.pruner import HiPrune
from vtc_hiprune.selection import cosine, select, select_with_text

__all__ = ["HiPrune", "HiPrunePlus", "cosine", "select", "select_with_text"]
