"""The words around the video: the checkpoint's own chat template, cut where the video and the question go.

What a user writes is tokenised as plain text: a question that spells `<|im_end|>` cannot end the turn.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtc_cli.errors import MachineError, UsageError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Private-use characters: no template and no sensible text holds them.
_SYSTEM = "\ue000system\ue001"
_QUESTION = "\ue000question\ue001"

STANDARD_LAYOUT = """\
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.content is string %}{{ message.content }}{% else %}
{%- for part in message.content -%}
{%- if part.type == 'video' -%}<|vision_start|><|video_pad|><|vision_end|>{%- else -%}{{ part.text }}{%- endif -%}
{%- endfor -%}
{%- endif -%}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}<|im_start|>assistant
{% endif -%}
"""


def multiple_choice(question: str, choices: Mapping[str, str]) -> str:
    """The question with one `label. text` line per choice and one line saying how to answer."""
    if not choices:
        raise UsageError("a multiple-choice question needs at least one choice.")
    lines = [f"{label}. {text}" if text else label for label, text in choices.items()]
    kind = "letter" if all(len(label) == 1 and label.isalpha() for label in choices) else "label"
    return "\n".join([question, *lines, f"Answer with the {kind} of the correct option only."])


def time_tag(first: float, last: float) -> str:
    """The text that tells when a unit happens: the mean of its first and last frame's times, in seconds."""
    return f"<{(first + last) / 2:.1f} seconds>"


class Prompt:
    """Token ids of the parts of a conversation about one video.

    video: the placeholder token that the template writes where the video goes. media: the kind of content that makes
    it write one. before, after: words between the template's and the video. template: in place of the checkpoint's.
    Raises MachineError when the chat template does not keep the video and the question in sight.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        folder: Path,
        video: str = "<|video_pad|>",
        *,
        media: str = "video",
        before: str = "",
        after: str = "",
        template: str | None = None,
    ):
        self._tokenizer = tokenizer
        self._template = template or _chat_template(tokenizer, folder)
        self._media, self._around = media, (before, after)
        added = sorted(map(str, tokenizer.get_added_vocab()), key=len, reverse=True)
        self._control = re.compile("(" + "|".join(map(re.escape, added)) + ")") if added else None
        self._video = video
        self._before, after = self._render([], video, folder)
        self._first = self._added_first()
        self._before_with_system = self._with_system(video, folder)
        self._after = after
        if after.count(_QUESTION) != 1:
            raise MachineError(
                f"the chat template of {folder} does not write the video and the question once, in order.",
                "Use the template the checkpoint was published with.",
            )

    def opening(self, system: str | None = None) -> list[int]:
        """Everything before the video. Raises UsageError when the template has no place for a system prompt."""
        if system is None:
            return [*self._first, *self._encode(self._before, {}, first=True)]
        if self._before_with_system is None:
            raise UsageError(
                "this checkpoint's chat template has no place for a system prompt.",
                "Leave it out, or write it into the question.",
            )
        return [*self._first, *self._encode(self._before_with_system, {_SYSTEM: system}, first=True)]

    def closing(self, question: str) -> list[int]:
        """Everything after the video, up to where the answer starts."""
        return self._encode(self._after, {_QUESTION: question})

    def plain(self, text: str) -> list[int]:
        """`text` alone, special tokens spelled out."""
        return list(self._tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])

    def following(self, text: str) -> list[int]:
        """`text` as it is written after a control token, special tokens spelled out.

        Some tokenizers put a space before the first word of everything they are given, which in the middle of a
        conversation is not there.
        """
        if self._control is None or self._control.search(text) or self._video not in self._tokenizer.get_added_vocab():
            return self.plain(text)
        ids = list(self._tokenizer(self._video + text, add_special_tokens=False)["input_ids"])
        return ids[1:]

    def written(self, label: str) -> list[int]:
        """`label` as the model writes it at the start of an answer: after a space where the template ends in a word."""
        tail = (self._control.split(self._after) if self._control else [self._after])[-1].replace(_QUESTION, "")
        if not tail or tail[-1].isspace():
            return self.plain(label)
        before, both = self.following(tail), self.following(f"{tail} {label}")
        return both[len(before) :] if both[: len(before)] == before else self.plain(label)

    def _added_first(self) -> list[int]:
        """What the tokenizer puts at the start of every text, unless the template writes it itself."""
        bos = self._tokenizer.bos_token
        if bos and self._before.startswith(str(bos)):
            return []
        alone = list(self._tokenizer("a", add_special_tokens=False)["input_ids"])
        whole = list(self._tokenizer("a")["input_ids"])
        return whole[: whole.index(alone[0])] if alone[0] in whole else []

    def _with_system(self, video: str, folder: Path) -> str | None:
        """Everything before the video, with a system prompt; None where the template writes none.

        Templates take a system prompt as a string, as a list of parts, or not at all.
        """
        from jinja2 import TemplateError

        for content in (_SYSTEM, [{"type": "text", "text": _SYSTEM}]):
            try:
                before, _ = self._render([{"role": "system", "content": content}], video, folder)
            except (TemplateError, TypeError):  # the template takes the other form
                continue
            if before.count(_SYSTEM) == 1:
                return before
        return None

    def _render(self, system: list[dict[str, Any]], video: str, folder: Path) -> tuple[str, str]:
        user = {"role": "user", "content": [{"type": self._media}, {"type": "text", "text": _QUESTION}]}
        text = self._tokenizer.apply_chat_template(
            [*system, user],
            chat_template=self._template,
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=False,  # for templates that know it: the next token is the answer's first
        )
        parts = str(text).split(video)
        if len(parts) != 2:
            raise MachineError(
                f"the chat template of {folder} writes {len(parts) - 1} video placeholders ({video}) for one video.",
                "Use the template the checkpoint was published with.",
            )
        before, after = self._around
        return parts[0] + before, after + parts[1]

    def _encode(self, template: str, values: Mapping[str, str], first: bool = False) -> list[int]:
        """Template text with control tokens as such; the values inside it as plain text.

        Text between two control tokens is tokenised in one go, value included, as the library does with the whole
        string: byte-pair merges may cross the border between the template's words and the user's.
        """
        ids: list[int] = []
        for piece in self._control.split(template) if self._control else [template]:
            if self._control and self._control.fullmatch(piece):
                ids.append(self._tokenizer.get_added_vocab()[piece])
            elif piece:
                for mark, value in values.items():
                    piece = piece.replace(mark, value)
                ids.extend(self.plain(piece) if first else self.following(piece))
            first = first and not piece
        return ids


def _chat_template(tokenizer: PreTrainedTokenizerBase, folder: Path) -> str:
    template = tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    if template:
        return str(template)
    path = folder / "chat_template.json"
    if path.is_file():
        try:
            return str(json.loads(path.read_text(encoding="utf-8"))["chat_template"])
        except (OSError, ValueError, KeyError) as error:
            raise MachineError(f"{path} cannot be read: {error}.", "Download the checkpoint again.") from error
    return STANDARD_LAYOUT
