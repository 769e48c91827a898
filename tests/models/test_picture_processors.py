"""Families with one-frame units against the library's own processors: same pictures to the last bit, same ids."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.models.picture_families import NAMES, QUESTION, Loaded, loaded, spans_of
from tests.support.checkpoints import random_pixels
from tests.support.torchvision_shim import declare_operators, torchvision_or_skip

declare_operators()
SIZES = [(90, 70), (40, 40), (33, 120), (320, 181), (9, 30)]  # (width, height)


@pytest.fixture(params=NAMES)
def family(request: pytest.FixtureRequest) -> Loaded:
    torchvision_or_skip()
    pytest.importorskip("PIL")
    if request.param == "smolvlm":
        pytest.importorskip("num2words")
    return loaded(request.param)


def onevision(family: Loaded, tokenizer: Any) -> Any:
    from transformers import LlavaOnevisionImageProcessor, LlavaOnevisionProcessor, LlavaOnevisionVideoProcessor

    return LlavaOnevisionProcessor(
        image_processor=LlavaOnevisionImageProcessor.from_pretrained(family.folder),
        tokenizer=tokenizer,
        video_processor=LlavaOnevisionVideoProcessor.from_pretrained(family.folder),
        num_image_tokens=25,
        vision_feature_select_strategy="full",
        chat_template=tokenizer.chat_template,
    )


def internvl(family: Loaded, tokenizer: Any) -> Any:
    from transformers import GotOcr2ImageProcessor, InternVLProcessor, InternVLVideoProcessor

    return InternVLProcessor(
        image_processor=GotOcr2ImageProcessor.from_pretrained(family.folder),
        tokenizer=tokenizer,
        video_processor=InternVLVideoProcessor.from_pretrained(family.folder),
        image_seq_length=4,
        chat_template=tokenizer.chat_template,
    )


def llava(family: Loaded, tokenizer: Any) -> Any:
    from transformers import CLIPImageProcessor, LlavaProcessor

    return LlavaProcessor(
        image_processor=CLIPImageProcessor.from_pretrained(family.folder),
        tokenizer=tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=tokenizer.chat_template,
    )


def llava_next(family: Loaded, tokenizer: Any) -> Any:
    from transformers import LlavaNextImageProcessor, LlavaNextProcessor

    return LlavaNextProcessor(
        image_processor=LlavaNextImageProcessor.from_pretrained(family.folder),
        tokenizer=tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=tokenizer.chat_template,
    )


def llava_next_video(family: Loaded, tokenizer: Any) -> Any:
    from transformers import LlavaNextImageProcessor, LlavaNextVideoProcessor, LlavaNextVideoVideoProcessor

    return LlavaNextVideoProcessor(
        video_processor=LlavaNextVideoVideoProcessor.from_pretrained(family.folder),
        image_processor=LlavaNextImageProcessor.from_pretrained(family.folder),
        tokenizer=tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=tokenizer.chat_template,
    )


def smolvlm(family: Loaded, tokenizer: Any) -> Any:
    from transformers import SmolVLMImageProcessor, SmolVLMProcessor, SmolVLMVideoProcessor

    return SmolVLMProcessor(
        image_processor=SmolVLMImageProcessor.from_pretrained(family.folder),
        tokenizer=tokenizer,
        video_processor=SmolVLMVideoProcessor.from_pretrained(family.folder),
        image_seq_len=9,
    )


PROCESSORS: dict[str, Callable[[Loaded, Any], Any]] = {
    "llava-onevision": onevision,
    "internvl": internvl,
    "llava": llava,
    "llava-next": llava_next,
    "llava-next-video": llava_next_video,
    "smolvlm": smolvlm,
}


def processed(family: Loaded, images: Tensor, gap: float = 1.0) -> Any:
    """What the family's processor makes of a video: of a list of pictures where it knows no videos."""
    from transformers import AutoTokenizer

    processor = PROCESSORS[family.name](family, AutoTokenizer.from_pretrained(family.folder))
    words = {"type": "text", "text": QUESTION}
    if family.name in ("llava", "llava-next"):
        turn = {"role": "user", "content": [*[{"type": "image"}] * len(images), words]}
        text = processor.apply_chat_template([turn], add_generation_prompt=True)
        return processor(text=[text], images=list(images), return_tensors="pt")
    turn = {"role": "user", "content": [{"type": "video"}, words]}
    text = processor.apply_chat_template([turn], add_generation_prompt=True)
    count = len(images)
    metadata = {"fps": 1 / gap, "frames_indices": list(range(count)), "total_num_frames": count}
    return processor(
        text=[text], videos=[images], video_metadata=[metadata], do_sample_frames=False, return_tensors="pt"
    )


@pytest.mark.parametrize("size", SIZES)
def test_pictures_equal_the_processors(family: Loaded, size: tuple[int, int]) -> None:
    images = random_pixels(3, size[1], size[0], seed=size[0])
    theirs = processed(family, images)
    pixels = theirs["pixel_values_videos" if "pixel_values_videos" in theirs else "pixel_values"]
    if family.name == "llava-next":
        pixels = pixels[:, 0]  # of each picture, the overview; then its tiles, which a frame of a video has not
    side = family.pictures.side
    assert torch.equal(family.prepared(images).patches, pixels.reshape(-1, 3, side, side))


def test_shrinking_first_changes_nothing(family: Loaded) -> None:
    from tests.models.reference import frames_of

    model, images = family.model, random_pixels(3, 70, 90)
    geometry = model.geometry((90, 70))
    small = [model.shrink(frame, geometry) for frame in frames_of(images)]
    assert all(model.shrink(frame, geometry) is frame for frame in small)
    assert torch.equal(model.prepare(small, geometry).patches, family.prepared(images).patches)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_ids_equal_the_processors(family: Loaded, count: int) -> None:
    """All of them, but for what a stream cannot know or a video does not have: see the two exceptions."""
    images = random_pixels(count, 70, 90, seed=7)
    theirs = processed(family, images, gap=13.0)["input_ids"][0].tolist()
    ours = torch.cat([span.ids for span in spans_of(family.model, family.watch(images, 13.0))]).tolist()
    pad = family.model._pad
    if family.name == "llava-next":
        assert theirs.count(pad) > ours.count(pad) == count * 26  # the tiles
        assert words(theirs, pad) == words(ours, pad)
    elif family.name == "smolvlm":
        tokenizer = family.model.tokenizer
        told, said = tokenizer.decode(theirs), tokenizer.decode(ours)
        first = "\nFrame from 00:00:"
        assert told.split(first)[1] == said.split(first)[1]
        length = {1: "one frames from a 0:00:00", 2: "two frames from a 0:00:13", 5: "five frames from a 0:00:52"}
        assert told.replace(f"{length[count]} [H:MM:SS] video", "frames from a video") == said
        start = ours.index(family.model.token("<fake_token_around_image>"))
        assert theirs[-len(ours) + start :] == ours[start:]
    else:
        assert ours == theirs


def words(ids: list[int], pad: int) -> list[int]:
    """The ids with every run of placeholders as one."""
    return [token for place, token in enumerate(ids) if token != pad or ids[place - 1] != pad]


PILLOW = {
    "llava": ("llava", "LlavaImageProcessorPil", {}),
    "llava-next": ("llava_next", "LlavaNextImageProcessorPil", {}),
    "llava-next-video": ("llava", "LlavaImageProcessorPil", {}),
    "llava-onevision": ("llava_onevision", "LlavaOnevisionImageProcessorPil", {"image_grid_pinpoints": [[40, 40]]}),
    "smolvlm": ("smolvlm", "SmolVLMImageProcessorPil", {"do_image_splitting": False}),
}


@pytest.mark.parametrize("size", [(90, 70), (33, 120), (320, 181)])
@pytest.mark.parametrize("name", PILLOW)
def test_pictures_agree_with_the_librarys_pillow_processors(name: str, size: tuple[int, int]) -> None:
    """The second oracle, where torchvision is not there: Pillow rounds in its own way, by a grey level or two."""
    pytest.importorskip("PIL", reason="the second oracle needs Pillow")
    family, (module, cls, options) = loaded(name), PILLOW[name]
    pillow = getattr(importlib.import_module(f"transformers.models.{module}.image_processing_pil_{module}"), cls)
    image = random_pixels(1, size[1], size[0], seed=3)
    found = pillow.from_pretrained(family.folder, **options)(images=[image[0].numpy()], return_tensors="pt")
    side = family.pictures.side
    theirs = found["pixel_values"].reshape(-1, 3, side, side)[:1]
    levels = (family.prepared(image).patches - theirs).abs() * 255 * torch.tensor(family.pictures.std)[:, None, None]
    assert levels.max() < 3.01
    assert levels.mean() < 0.5
