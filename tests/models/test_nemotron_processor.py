"""Nemotron Omni against its own processor: sizes of frames, pictures, token ids."""

from __future__ import annotations

import pytest
import torch

from tests.models.nemotron import GAP, QUESTION, Loaded
from tests.models.reference import frames_of
from tests.support.checkpoints import random_pixels
from tests.support.torchvision_shim import torchvision_or_skip
from vtc_cli.models.tubelets import Tubelets


@pytest.mark.parametrize("size", [(48, 32), (90, 70), (33, 200), (320, 181), (1280, 720)])
def test_the_size_of_a_frame_is_the_processors(size: tuple[int, int]) -> None:
    torchvision_or_skip()
    from transformers.models.nemotron_h_omni.video_processing_nemotron_h_omni import (
        NemotronH_Omni_Reasoning_V3VideoProcessor as Processor,
    )

    for target in (24, 256, 1024):
        for shape in (True, False):
            theirs = Processor(
                video_target_num_patches=target,
                video_maintain_aspect_ratio=shape,
                norm_mean=[0.5] * 3,
                norm_std=[0.5] * 3,
            )
            wide, high = theirs._compute_target_patches(size[1], size[0])
            ours = Tubelets(target=target, keep_shape=shape).geometry(size)
            assert (2 * ours.grid[0], 2 * ours.grid[1]) == (high, wide)


@pytest.mark.parametrize("size", [(48, 32), (90, 70), (320, 181)])
def test_ids_and_pictures_equal_the_processors(nemotron: Loaded, size: tuple[int, int]) -> None:
    """Bit for bit at the model's size. Elsewhere the library keeps fractions of a level, and what bicubic weights take
    beyond black and white; a picture here is rounded to whole levels."""
    torchvision_or_skip()
    pytest.importorskip("PIL")
    from transformers import AutoTokenizer, ParakeetFeatureExtractor
    from transformers.models.nemotron_h_omni.image_processing_nemotron_h_omni import (
        NemotronH_Omni_Reasoning_V3ImageProcessor,
    )
    from transformers.models.nemotron_h_omni.processing_nemotron_h_omni import NemotronH_Omni_Reasoning_V3Processor
    from transformers.models.nemotron_h_omni.video_processing_nemotron_h_omni import (
        NemotronH_Omni_Reasoning_V3VideoProcessor,
    )
    from transformers.video_utils import VideoMetadata

    tokenizer = AutoTokenizer.from_pretrained(nemotron.folder)
    processor = NemotronH_Omni_Reasoning_V3Processor(
        image_processor=NemotronH_Omni_Reasoning_V3ImageProcessor.from_pretrained(nemotron.folder),
        feature_extractor=ParakeetFeatureExtractor(),
        video_processor=NemotronH_Omni_Reasoning_V3VideoProcessor.from_pretrained(nemotron.folder),
        tokenizer=tokenizer,
        chat_template=tokenizer.chat_template,
    )
    images = random_pixels(5, size[1], size[0], seed=7)
    user = {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": QUESTION}]}
    text = processor.apply_chat_template([user], add_generation_prompt=True, enable_thinking=False)
    metadata = VideoMetadata(total_num_frames=5, fps=1 / GAP, frames_indices=list(range(5)))
    theirs = processor(
        text=[text], videos=[images], video_metadata=metadata, do_sample_frames=False, return_tensors="pt"
    )
    spans = nemotron.spans(nemotron.watch(images))
    assert torch.cat([span.ids for span in spans]).tolist() == theirs["input_ids"][0].tolist()
    geometry = nemotron.model.geometry(size)
    ours = nemotron.model.prepare(frames_of(images), geometry).patches.unflatten(1, (2, 3)).flatten(0, 1)[:5]
    if size == (48, 32):
        assert torch.equal(ours, theirs["pixel_values_videos"])
        return
    preprocessor = nemotron.model.preprocessor
    mean, std = (torch.tensor(values)[:, None, None] for values in (preprocessor.mean, preprocessor.std))
    levels, exact = (255 * (values * std + mean) for values in (ours, theirs["pixel_values_videos"]))
    assert (levels - exact.clamp(0, 255)).abs().max() < 0.501
