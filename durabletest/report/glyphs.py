"""The characters that timelines are drawn with: boxes where the stream can show them, plain ASCII elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

from durabletest.model.enums import OperationStatus, OperationType


@dataclass(frozen=True)
class Glyphs:
    """``bars`` say what goes on, by type; ``marks`` how it ended, by status, or that it has not.

    A ``pause`` lies between two attempts of a step; a ``poll`` of a condition is an attempt that did not fail.
    """

    start: str
    context_start: str
    bars: Mapping[OperationType, str]
    pause: str
    failed_attempt: str
    poll: str
    marks: Mapping[OperationStatus, str]

    @property
    def text(self) -> str:
        """All of them."""
        marks = [self.pause, self.failed_attempt, self.poll, *self.marks.values()]
        return "".join([self.start, self.context_start, *self.bars.values(), *marks])


def _marks(succeeded: str, failed: str, timed_out: str, stopped: str, running: str) -> Mapping[OperationStatus, str]:
    return {
        OperationStatus.SUCCEEDED: succeeded,
        OperationStatus.FAILED: failed,
        OperationStatus.TIMED_OUT: timed_out,
        OperationStatus.STOPPED: stopped,
        OperationStatus.CANCELLED: stopped,
        OperationStatus.STARTED: running,
        OperationStatus.PENDING: running,
        OperationStatus.READY: running,
    }


def _bars(step: str, wait: str, callback: str, context: str) -> Mapping[OperationType, str]:
    return {
        OperationType.STEP: step,
        OperationType.WAIT: wait,
        OperationType.CALLBACK: callback,
        OperationType.CHAINED_INVOKE: callback,
        OperationType.CONTEXT: context,
    }


BOX = Glyphs("├", "╞", _bars("━", "─", "┄", "═"), "╌", "✗", "○", _marks("●", "✗", "◷", "■", "▶"))
ASCII = Glyphs("|", "[", _bars("#", "-", "~", "="), ".", "x", ":", _marks("o", "x", "!", "s", ">"))


def glyphs_for(stream: TextIO | None) -> Glyphs:
    """Boxes if the stream's encoding has them."""
    try:
        BOX.text.encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return BOX
