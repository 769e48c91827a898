"""One complete set of facts, as an hour of video on a GPU would give them. Figures are invented; shapes are real."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from vtc_cli.models.contract import DecoderDims, ModelInfo, TowerDims
from vtc_cli.report.facts import Asked, CacheFacts, Counts, Evidence, MethodFacts, Outcome, Sampling, Seconds, Work
from vtc_cli.report.flops import Forwards
from vtc_cli.report.memory import MemoryUse, Sample
from vtc_cli.video.frame import ClipInfo

CLIP = ClipInfo(
    source="kitchen.mp4",
    digest="blake2b:9f2c61d0",
    duration=3600.04,
    size=(1280, 720),
    codec="h264",
    fps=29.97,
    reader="pyav 18.1.0",
    audio_tracks=1,
)
MODEL = ModelInfo(
    name="Qwen/Qwen3-VL-2B-Instruct",
    name_reason="as asked",
    family="qwen3_vl",
    revision="89644892e4d85e24eaac8bacfd4f463576704203",
    device="cuda:0",
    device_reason="the only GPU",
    dtype="bfloat16",
    dtype_reason="stored so, and the device computes in it",
    attention="sdpa",
    parameters=2_127_532_032,
    weight_bytes=4_255_064_064,
    context=262_144,
    frames_per_unit=2,
    tower=TowerDims(
        layers=24, hidden=1024, heads=16, intermediate=4096, patch_inputs=1536, merge=2, out_hidden=2048, deep=3
    ),
    decoder=DecoderDims(layers=28, hidden=2048, heads=16, kv_heads=8, head_dim=128, intermediate=6144, vocab=151_936),
    kv_bytes_per_token=114_688,
)
SETTINGS: dict[str, Any] = {
    "model": "Qwen/Qwen3-VL-2B-Instruct",
    "method": ("uniform:retain=1/4",),
    "fps": 1.0,
    "pixels": 100_352,
    "budget": "8192",
    "temperature": 0.0,
    "seed": 0,
    "max_new_tokens": 256,
}


def facts(**changes: Any) -> dict[str, Any]:
    """Arguments of `build_record`; `changes` replace some of them."""
    per_unit, kept, units = 98, 24, 1800
    rows = (kept + 12) * units
    base: dict[str, Any] = {
        "video": "kitchen.mp4",
        "asked": Asked("When does the pan catch fire?"),
        "settings": SETTINGS,
        "clip": CLIP,
        "model": MODEL,
        "sampling": Sampling(
            fps=1.0, start=0.0, end=None, frames=3600, frames_per_unit=2, size=(448, 224), grid=(7, 14),
            tokens_per_unit=per_unit, kept_per_unit=kept,
        ),
        "methods": (
            MethodFacts("pruner", "uniform", {"retain": "1/4"}, "vtc-cli", "0.1.0"),
            MethodFacts("cache", "window", {"budget": 8192, "target": 0.75}, "vtc-cli", "0.1.0"),
        ),
        "cache": CacheFacts(
            policy="window", budget_entries=8192, budget_bytes=8192 * 114_688, reason="as asked", entries_peak=8192,
            bytes_peak=8192 * 114_688, evicted=rows - 7000, compactions=28,
        ),
        "outcome": Outcome(
            "The pan catches fire at about 41 minutes.", finish="stop",
            evidence=(Evidence(2472.0, 0.31), Evidence(2480.5)),
        ),
        "counts": Counts(
            frames=3600, units=units, visual_in=per_unit * units, visual_kept=kept * units, rows=rows, context=7008,
            prompt=31, completing=0, generated=12,
        ),
        "work": Work(
            vision=Forwards.one(392, 0, logits=0) * units,
            prefill=Forwards.one(36, 7000) * units,
            question=Forwards.one(31, 7008),
            decode=Forwards.one(1, 7045) * 11,
        ),
        "seconds": Seconds(
            load=4.2, decode=58.1, preprocess=9.0, vision=121.4, method=2.9, prefill=31.0, watch=171.5,
            first_token=0.084, first_token_cold=171.584, generate=0.288,
        ),
        "memory": MemoryUse(
            rss_after_load=1_100_000_000, rss_peak=1_196_000_000, rss_lifetime_peak=2_300_000_000,
            gpu_after_load=4_260_000_000, gpu_peak=6_100_000_000, gpu_reserved_peak=6_400_000_000,
            timeline=tuple(
                Sample(60.0 * minute, 1_180_000_000 + 200_000 * minute, 939_524_096) for minute in range(60)
            ),
        ),
        "threads": 8,
        "hardware": {
            "system": "Linux 6.8.0",
            "architecture": "x86_64",
            "processor": "AMD EPYC 9354",
            "cores": 16,
            "accelerator": "NVIDIA L4",
        },
        "created": datetime(2026, 11, 21, 9, 30, tzinfo=UTC),
    }  # fmt: skip
    return base | changes
