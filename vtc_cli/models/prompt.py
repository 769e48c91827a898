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

    video: the placeholder token that the template writes where the video goes.
    Raises MachineError when the chat template does not keep the video and the question in sight.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, folder: Path, video: str = "<|video_pad|>"):
        self._tokenizer = tokenizer
        self._template = _chat_template(tokenizer, folder)
        added = sorted(map(str, tokenizer.get_added_vocab()), key=len, reverse=True)
        self._control = re.compile("(" + "|".join(map(re.escape, added)) + ")") if added else None
        self._before, after = self._render([], video, folder)
        self._before_with_system, _ = self._render([{"role": "system", "content": _SYSTEM}], video, folder)
        self._after = after
        if self._before_with_system.count(_SYSTEM) != 1 or after.count(_QUESTION) != 1:
            raise MachineError(
                f"the chat template of {folder} does not write the system prompt and the question once, in order.",
                "Use the template the checkpoint was published with.",
            )

    def opening(self, system: str | None = None) -> list[int]:
        """Everything before the video."""
        if system is None:
            return self._encode(self._before, {})
        return self._encode(self._before_with_system, {_SYSTEM: system})

    def closing(self, question: str) -> list[int]:
        """Everything after the video, up to where the answer starts."""
        return self._encode(self._after, {_QUESTION: question})

    def plain(self, text: str) -> list[int]:
        """`text` alone, special tokens spelled out."""
        return list(self._tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])

    def _render(self, system: list[dict[str, Any]], video: str, folder: Path) -> tuple[str, str]:
        user = {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": _QUESTION}]}
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
        return parts[0], parts[1]

    def _encode(self, template: str, values: Mapping[str, str]) -> list[int]:
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
                ids.extend(self.plain(piece))
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
