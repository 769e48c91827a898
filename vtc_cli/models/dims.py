"""Widths of a vision tower and of a decoder: what counting operations and bytes needs to know about a model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TowerDims:
    """Widths of a vision tower, for counting. `merge`: patches per token side; `deep`: DeepStack mergers.

    windowed: layers (1-based) whose attention stays within windows of the picture. window: patches of a whole window.
    quartered: layers at the end that see a quarter as many rows, after a merger within the tower.
    opaque: how it attends is not known, so no attention is read from it.
    projector: multiply-adds per patch of what leads to the decoder; 0 for a merger of two layers, counted from widths.
    """

    layers: int
    hidden: int
    heads: int
    intermediate: int
    patch_inputs: int
    merge: int
    out_hidden: int
    deep: int = 0
    gated: bool = False
    windowed: tuple[int, ...] = ()
    window: int = 0
    projector: float = 0.0
    quartered: int = 0
    opaque: bool = False


@dataclass(frozen=True)
class LinearDims:
    """Widths of a linear-attention layer, which keeps a state of `heads` x `key_dim` x `value_dim` and no entries.

    key_heads: heads that keys and queries have; each serves `heads` / `key_heads` heads of values.
    """

    key_heads: int
    heads: int
    key_dim: int
    value_dim: int


@dataclass(frozen=True)
class OtherLayer:
    """A layer with attention that keeps no entries which a policy could evict.

    kv_heads: 0 where it reads the keys and values of an earlier layer and keeps none. intermediate: as in
    `DecoderDims`. window: how many positions a row sees, 0 for all.
    """

    kv_heads: int
    head_dim: int
    intermediate: int
    window: int = 0


@dataclass(frozen=True)
class DecoderDims:
    """Widths of a decoder, for counting. `kv_heads` x `head_dim` x 2 x `cached` values are cached per token.

    intermediate: hidden width of the MLP a row goes through, of all its experts together where there are experts.
    gated: whether attention has an output gate as wide as its queries. recurrent: layers (0-based) that keep a state of
    fixed size instead of entries; linear: their widths. others: theirs, one by one, where they have attention.
    value_bytes: of what those keep. row_products: multiply-adds of a row in all layers without entries, where these are
    of several kinds and those with entries have no MLP. state_values: fp32 values of all their states.
    """

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocab: int
    gated: bool = False
    recurrent: tuple[int, ...] = ()
    linear: LinearDims | None = None
    others: tuple[OtherLayer, ...] = ()
    value_bytes: int = 4
    row_products: int = 0
    state_values: int = 0

    @property
    def windows(self) -> dict[int, int]:
        """Layers that keep their last rows only -> how many positions these see."""
        layers = zip(self.recurrent, self.others, strict=False)
        return {number: layer.window for number, layer in layers if layer.kv_heads}

    @property
    def cached(self) -> int:
        """Layers that keep entries."""
        return self.layers - len(self.recurrent)

    @property
    def state_bytes(self) -> int:
        """Bytes of the states of the other layers: those of linear attention are kept in fp32."""
        if self.state_values:
            return 4 * self.state_values
        if self.linear is None:
            return self.value_bytes * sum(2 * layer.kv_heads * layer.head_dim * layer.window for layer in self.others)
        return 4 * len(self.recurrent) * self.linear.heads * self.linear.key_dim * self.linear.value_dim
