"""`vtc` as a model of lmms-eval: its tasks run with `--model vtc --model_args pretrained=NAME,method=hiprune++`.

Needs lmms-eval, which imports this. Pictures and films go through the same readers, methods and cache as in `vtc ask`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import torch
from lmms_eval.api.model import lmms

from vtc_cli.bench.clips import StoredClip
from vtc_cli.bench.rows import rows_of
from vtc_cli.bench.still import still
from vtc_cli.errors import UsageError, VideoError
from vtc_cli.jobs.questions import Question
from vtc_cli.jobs.run import Runner
from vtc_cli.jobs.settings import Settings
from vtc_cli.video import open_clip
from vtc_cli.video.frame import Clip, ClipInfo, Frame

TAKEN = (
    *("fps", "max_frames", "pixels", "budget", "chunk", "system"),
    *("device", "dtype", "attention", "quantize", "adapter", "revision"),
    *("device_map", "max_memory", "compile", "trust_remote_code"),
)
IGNORED = ("batch_size", "max_batch_size")  # lmms-eval always gives them; one film is watched at a time
LONGEST = 128  # tokens of an answer where a task does not say


@dataclass(frozen=True)
class _Request:
    """One question. place: among the requests. film: what tells its film from others; several may share one."""

    place: int
    film: tuple[Any, ...]
    visuals: tuple[Any, ...]
    text: str
    settings: Settings
    until: tuple[str, ...]


class VtcModel(lmms):
    """See `lmms`. pretrained: as `vtc --model`. method: as one `-m` of `vtc bench`, stages joined by `+`.

    options: as of `vtc ask`, by the names in `TAKEN`. Raises UsageError for others, and for impossible ones.
    """

    is_simple = True

    def __init__(self, pretrained: str = "auto", method: str = "none", **options: Any) -> None:
        super().__init__()
        for name in options:
            if name not in (*TAKEN, *IGNORED):
                raise UsageError(f"--model_args {name}: no such setting", f"there are {', '.join(TAKEN)}")
        given = {name: value for name, value in options.items() if name in TAKEN and value is not None}
        row = rows_of([str(method).strip("\"'")])[-1]
        self._settings = Settings.of({"model": pretrained, "method": row.methods, **given})
        self._model = Runner(self._settings).prepare()
        self.device = torch.device(self._model.info.device)

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """One answer per request, in their order. Requests that follow each other about one film share its watching.

        Raises UsageError for a request without pictures, VideoError for a film that cannot be read.
        """
        answers = [""] * len(requests)
        read = (self._request(place, request) for place, request in enumerate(requests))
        for (_, settings), group in groupby(read, lambda request: (request.film, request.settings)):
            together = list(group)
            runner = Runner(settings, model=self._model)
            clip = _open(together[0].visuals)
            try:
                if hasattr(clip, "fill"):
                    clip.fill(self._model.info.frames_per_unit)
                records = runner.answer(clip, [Question(request.text) for request in together])
                for request, record in zip(together, records, strict=True):
                    answers[request.place] = _until(record["answer"] or "", request.until)
            finally:
                clip.close()
        return answers

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """Not offered: raises UsageError."""
        raise UsageError("vtc generates answers; it does not score given ones", "choose a task that generates")

    def generate_until_multi_round(self, requests: Sequence[Any]) -> list[str]:
        """Not offered: raises UsageError."""
        raise UsageError("vtc answers each question by itself, not in rounds", "choose a task of one round")

    def _request(self, place: int, request: Any) -> _Request:
        text, options, visuals_of, document, task, split = request.args
        found = tuple(_flat(visuals_of(self.task_dict[task][split][document])))
        temperature = float(options.get("temperature") or 0.0)
        wanted = replace(
            self._settings,
            max_new_tokens=int(options.get("max_new_tokens") or LONGEST),
            temperature=temperature if options.get("do_sample", temperature > 0) else 0.0,
        )
        stops = options.get("until") or ()
        film = tuple(visual if isinstance(visual, str) else (task, split, document) for visual in found)
        until = (stops,) if isinstance(stops, str) else tuple(stops)
        return _Request(place, film, found, str(text).replace("<image>", "").strip(), wanted, until)


def _flat(visuals: Any) -> Iterator[Any]:
    if isinstance(visuals, list | tuple):
        for visual in visuals:
            yield from _flat(visual)
    elif visuals is not None:
        yield visuals


def _open(visuals: Sequence[Any]) -> Clip:
    """The film of a request: a file, one picture, or pictures of one size, one per second."""
    if not visuals:
        raise UsageError("a question without a picture or a film", "vtc answers about what it sees")
    if len(visuals) == 1 and isinstance(visuals[0], str):
        return open_clip(visuals[0])
    pictures = [_picture(visual, number) for number, visual in enumerate(visuals)]
    if len(pictures) == 1:
        return pictures[0]
    frames = [next(picture.frames(1.0)).image for picture in pictures]
    for picture in pictures:
        picture.close()
    if len({frame.shape for frame in frames}) > 1:
        raise UsageError(f"{len(frames)} pictures of several sizes are no film", "choose a task of one picture or film")
    shape = frames[0].shape
    info = ClipInfo("pictures", None, float(len(frames)), (shape[2], shape[1]), "pictures", 1.0, "lmms-eval", "assumed")
    return StoredClip(info, (Frame(float(number), frame) for number, frame in enumerate(frames)))


def _picture(visual: Any, number: int) -> Any:
    if not hasattr(visual, "save"):
        raise VideoError(f"lmms-eval gave {type(visual).__name__}, which is neither a path nor a picture")
    out = io.BytesIO()
    visual.convert("RGB").save(out, "PNG")
    return still(out.getvalue(), f"picture {number + 1}")


def _until(text: str, stops: Sequence[str]) -> str:
    """The text before the first of the stops."""
    ends = [place for stop in stops if stop and (place := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else text
