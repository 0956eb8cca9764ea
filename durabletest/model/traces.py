"""Where the code of the author was, in tracebacks that were logged."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from durabletest.model.details import ErrorDetails
from durabletest.model.logs import LogEntry

_FRAME = re.compile(r'^  File "(?P<file>[^"\n]+)", line \d+, in .*\n(?:    .*\n)*', re.MULTILINE)
_MACHINERY = re.compile(r"[\\/](?:aws_durable_execution_sdk_python|durabletest|concurrent[\\/]futures)[\\/]")


def logged_trace(logs: Sequence[LogEntry] | None, error: ErrorDetails) -> tuple[str, ...]:
    """The author's own frames behind an error that the last invocation logged, the outermost first.

    The service records no stack trace when a handler raises. The SDK logs it: where the handler was, and before that
    where the step was whose failure it is.
    """
    if not logs or not error.message:
        return ()
    said = [entry for entry in logs if entry.invocation == logs[-1].invocation and _says(entry, error.message)]
    frames = (frame for entry in reversed(said) for frame in own_frames(entry.traceback or ""))
    return tuple(dict.fromkeys(frames))


def own_frames(traceback: str) -> Iterator[str]:
    """The frames of a traceback's text that are neither the SDK's nor this package's."""
    for frame in _FRAME.finditer(traceback):
        if _MACHINERY.search(frame["file"]) is None:
            yield frame[0].rstrip()


def _says(entry: LogEntry, message: str) -> bool:
    return entry.traceback is not None and entry.traceback.rstrip().endswith(f": {message}")
