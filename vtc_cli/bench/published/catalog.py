"""Where published benchmarks lie on the hub: one table, since their names move."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A benchmark. repo, revision: of a data set on the hub. files: those of it that are fetched. size: of them all.

    elsewhere: what the hub does not have, None where it has everything. gated: its terms have to be accepted first.
    """

    title: str
    repo: str
    size: str
    revision: str = "main"
    files: tuple[str, ...] = ("*",)
    elsewhere: str | None = None
    gated: bool = False


PUBLISHED = {
    "videomme": Published("Video-MME", "lmms-lab/Video-MME", "100 GB"),
    "mlvu": Published("MLVU", "MLVU/MVLU", "400 GB", gated=True),
    "longvideobench": Published("LongVideoBench", "longvideobench/LongVideoBench", "160 GB", gated=True),
    "egoschema": Published("EgoSchema", "lmms-lab/egoschema", "110 GB", files=("Subset/*", "*.zip")),
    "vnbench": Published(
        "VNBench",
        "videoniah/VNBench",
        "2 MB",
        files=("*.json",),
        elsewhere="its videos are linked from the project's page, and not on the hub",
    ),
    "mvbench": Published("MVBench", "OpenGVLab/MVBench", "17 GB", revision="video", files=("json/*", "video/*")),
    "streamingbench": Published("StreamingBench", "mjuicem/StreamingBench", "240 GB"),
    "ovobench": Published(
        "OVO-Bench", "JoeLeelyf/OVO-Bench", "44 GB", files=("*.json", "src_videos.tar*", "src_videos/*")
    ),
    "gqa": Published("GQA", "lmms-lab/GQA", "60 MB", files=("testdev_balanced_*/*",)),
    "pope": Published("POPE", "lmms-lab/POPE", "1.4 GB", files=("data/*",)),
    "textvqa": Published("TextVQA", "lmms-lab/textvqa", "1.2 GB", files=("data/validation-*",)),
    "mmbench": Published("MMBench", "lmms-lab/MMBench", "100 MB", files=("en/dev-*",)),
}
