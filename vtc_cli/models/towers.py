"""Vision towers that look at one picture of fixed size at a time: CLIP, SigLIP and their kin.

Blocks are run here, up to the one whose output leaves the tower, on the library's own modules. Attention received is
read where a method asks for it, as `received` does for towers that see patches of several pictures in one row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from vtc_cli.models.received import column_means


def _same(states: Tensor) -> Tensor:
    return states


@dataclass(frozen=True)
class PictureTower:
    """The part of a vision tower that runs.

    embed: pictures [units, 3, side, side] to rows [units, T, width]. run: (block, rows) -> rows.
    blocks: those whose output counts. attention: the name of a block's attention module.
    extra: rows before the patches (1 for a class token). finish: applied to the rows of the last block.
    """

    embed: Callable[[Tensor], Tensor]
    run: Callable[[nn.Module, Tensor], Tensor]
    blocks: tuple[nn.Module, ...]
    attention: str = "self_attn"
    extra: int = 0
    finish: Callable[[Tensor], Tensor] = _same

    def __call__(self, pictures: Tensor) -> Tensor:
        """[units, patches, width]: what each patch of normalised pictures [units, 3, side, side] became."""
        states = self.embed(pictures)
        for block in self.blocks:
            states = self.run(block, states)
        return self.finish(states)[:, self.extra :]

    @contextmanager
    def received(self, layers: Sequence[int]) -> Iterator[dict[int, Tensor]]:
        """While the tower runs inside the block, fill {layer: fp32 [units, patches]} for the 1-based `layers`.

        A value is the mean over heads and queries of the attention a patch receives within its picture. A class token
        counts among the queries; what it receives itself is dropped, so that the patches of a picture sum to less than
        1 by just that.
        """
        found: dict[int, Tensor] = {}
        with ExitStack() as hooks:
            for layer in sorted(set(layers)):
                attention = getattr(self.blocks[layer - 1], self.attention)
                reader = _Reader(attention, self.extra, found, layer)
                for part, hear in (("q", reader.query), ("k", reader.key)):
                    # Where queries and keys are normalised after they are projected, the norm comes last.
                    last = getattr(attention, f"{part}_norm", None) or getattr(attention, f"{part}_proj")
                    hooks.callback(last.register_forward_hook(hear).remove)
            yield found


@dataclass
class _Reader:
    """Reads one attention module as it runs: queries, then keys [units, T, width]."""

    attention: Any
    extra: int
    found: dict[int, Tensor]
    layer: int
    asked: Tensor | None = None

    def query(self, _: nn.Module, __: tuple[Any, ...], rows: Tensor) -> None:
        self.asked = rows

    def key(self, _: nn.Module, __: tuple[Any, ...], rows: Tensor) -> None:
        assert self.asked is not None, "queries are projected before keys"
        units, length, _width = rows.shape
        query, key = (
            states.flatten(0, 1).unflatten(-1, (self.attention.num_heads, -1)) for states in (self.asked, rows)
        )
        self.asked = None
        means = column_means(query, key, [length] * units, self.attention.scale)
        self.found[self.layer] = means.view(units, length)[:, self.extra :]


def clip_tower(model: Any, layers: int) -> PictureTower:
    """A transformers CLIP or SigLIP vision model up to its layer `layers` (1-based), before any final norm."""
    norm = getattr(model, "pre_layrnorm", None)  # the library's spelling; CLIP has it, SigLIP does not
    return PictureTower(
        embed=model.embeddings if norm is None else lambda pictures: norm(model.embeddings(pictures)),
        run=lambda block, states: block(states, None),
        blocks=tuple(model.encoder.layers[:layers]),
        extra=int(hasattr(model.embeddings, "class_embedding")),
    )


def layers_used(chosen: int, depth: int) -> int:
    """How many blocks a tower of `depth` runs for the hidden state number `chosen` (0 is the embedding; may count from
    the end)."""
    return chosen if chosen >= 0 else depth + 1 + chosen


def block_means(patches: Tensor, merge: int) -> Tensor:
    """[units, n] from values of patches [units, rows * rows] in raster order: the mean over blocks of merge x merge."""
    rows = round(patches.shape[1] ** 0.5)
    squares = patches.unflatten(1, (rows // merge, merge, rows // merge, merge))
    return squares.mean((2, 4)).flatten(1)
