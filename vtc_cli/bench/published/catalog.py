"""Where published benchmarks lie on the hub: one table, since their names move."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A benchmark. repo, revision: of a data set on the hub. files: those of it that are fetched.

    size: of them all, None where its page has to tell. elsewhere: where its films are, when that is not the hub.
    """

    title: str
    repo: str
    revision: str = "main"
    files: tuple[str, ...] = ("*",)
    size: str | None = None
    elsewhere: str | None = None


PUBLISHED = {
    "videomme": Published("Video-MME", "lmms-eval/Video-MME", size="about 100 GB"),
    "mlvu": Published("MLVU", "MLVU/MVLU"),
    "longvideobench": Published("LongVideoBench", "longvideobench/LongVideoBench"),
    "egoschema": Published("EgoSchema", "lmms-eval/egoschema", files=("Subset/*", "*.zip")),
    "vnbench": Published(
        "VNBench", "videoniah/VNBench", files=("*.json",), elsewhere="its films are linked from the project's own page"
    ),
    "mvbench": Published("MVBench", "OpenGVLab/MVBench", revision="video", files=("json/*", "video/*")),
    "streamingbench": Published("StreamingBench", "mjuicem/StreamingBench"),
    "ovobench": Published(
        "OVO-Bench", "JoeLeelyf/OVO-Bench", files=("*.json", "src_videos.tar*", "src_videos/*"), size="about 44 GB"
    ),
    "gqa": Published("GQA", "lmms-lab-encoder/GQA", files=("testdev_balanced_*/*",)),
    "pope": Published("POPE", "lmms-lab-encoder/POPE", files=("data/*",)),
    "textvqa": Published("TextVQA", "lmms-lab-encoder/textvqa", files=("data/validation-*",)),
    "mmbench": Published("MMBench", "lmms-lab-encoder/MMBench", files=("en/dev-*",)),
}
