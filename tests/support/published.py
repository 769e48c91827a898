"""Published benchmarks in miniature, by layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.support.published_films import (
    egoschema,
    egoschema_original,
    longvideobench,
    mlvu,
    mvbench,
    mvbench_parts,
    ovobench,
    streamingbench,
    videomme,
    vnbench,
)
from tests.support.published_pictures import (
    gqa,
    gqa_original,
    mmbench,
    mmbench_tsv,
    pope,
    pope_original,
    textvqa,
    textvqa_original,
)

LAYOUTS: dict[str, tuple[str, Callable[[Path], None]]] = {
    made.__name__: (made.__name__.partition("_")[0], made)
    for made in (
        *(videomme, mlvu, longvideobench, egoschema, egoschema_original, vnbench, mvbench, mvbench_parts),
        *(streamingbench, ovobench, gqa, gqa_original, pope, pope_original, textvqa, textvqa_original),
        *(mmbench, mmbench_tsv),
    )
}
