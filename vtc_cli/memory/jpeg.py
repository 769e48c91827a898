"""Key frames as JPEG, with the codec that comes with the video library."""

from __future__ import annotations

from fractions import Fraction

import torch
from torch import Tensor

from vtc_cli.errors import UsageError

QUALITY = 3
"""libav's scale, 1 best to 31; 3 is about what cameras use."""


def encode_jpeg(image: Tensor) -> bytes:
    """JPEG of uint8 [3, h, w], colour at full resolution; the same bytes for the same picture."""
    import av

    height, width = image.shape[-2:]
    codec = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height, codec.pix_fmt = width, height, "yuvj444p"
    codec.time_base = Fraction(1, 1)
    codec.qmin, codec.qmax = QUALITY, QUALITY
    codec.thread_count = 1
    picture = av.VideoFrame.from_ndarray(image.permute(1, 2, 0).contiguous().numpy(), format="rgb24")
    picture = picture.reformat(format="yuvj444p")
    picture.pts = 0
    return b"".join(bytes(packet) for packet in [*codec.encode(picture), *codec.encode(None)])


def decode_jpeg(data: bytes) -> Tensor:
    """The picture uint8 [3, h, w]. Raises UsageError for bytes that are none."""
    import av

    codec = av.CodecContext.create("mjpeg", "r")
    codec.thread_count = 1
    try:
        pictures = [*codec.decode(av.Packet(data)), *codec.decode(None)]
    except av.error.FFmpegError:
        pictures = []
    if not pictures:
        raise UsageError(
            "a stored key frame cannot be read: the memory is damaged", "`vtc index --force` makes it anew"
        )
    return torch.from_numpy(pictures[0].to_ndarray(format="rgb24")).permute(2, 0, 1)
