"""What a method computes for itself, counted by running it once more under a counter of matrix products."""

from __future__ import annotations

from collections.abc import Callable


def products_of(call: Callable[[], object]) -> int:
    """FLOP of the matrix products in `call`, multiply + add = 2; what it returns is thrown away.

    Sums, norms and sorting are not counted, as nowhere else: beside products they are small.
    """
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        call()
    return int(counter.get_total_flops())
