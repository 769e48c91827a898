"""What a run tells whoever watches it. The terminal shows some of it; the default shows nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vtc_cli.engine.session import Session
    from vtc_cli.errors import VtcError
    from vtc_cli.jobs.questions import Question
    from vtc_cli.video.frame import ClipInfo


class Events:
    """Callbacks of a run, in the order they happen. Subclass and override what is of interest; all do nothing."""

    def loading(self, model: str) -> None:
        """The model is about to be loaded."""

    def watching(self, source: str, info: ClipInfo, frames: int | None) -> None:
        """A video is about to be watched. frames: how many are planned, None when its length is unknown."""

    def started(self, session: Session) -> None:
        """The session that is about to watch, before its first frame."""

    def frame(self, time: float) -> None:
        """One frame has gone into the model. time: seconds."""

    def watched(self) -> None:
        """The video has been watched; questions follow."""

    def ready(self, session: Session) -> None:
        """The session that watched, before its first question. It stays as it is while questions are asked."""

    def asking(self, question: Question) -> None:
        """A question is about to be answered."""

    def token(self, text: str) -> None:
        """The next piece of the answer."""

    def skipped(self, source: str, questions: int) -> None:
        """A video whose questions were all answered by an earlier run."""

    def told(self, text: str) -> None:
        """Something worth knowing, as it should be."""

    def warning(self, text: str) -> None:
        """Something the user should know; the run goes on."""

    def failed(self, source: str, error: VtcError) -> None:
        """A video could not be answered; the batch goes on."""
