"""Text that fits: the width that a report may have, and texts cut between two words."""

from __future__ import annotations

import os
import re
import shutil
from typing import TextIO

WIDTH = 100
"""The columns of a report that is written to no terminal: to a file, a pipe, or the log of a CI job."""
_NARROWEST = 60
_WIDEST_NAME = 60
_BOUNDARY = re.compile(r"(?<=[\s/_.,:;-])(?=\S)|(?=\s)")
"""Where a text may be cut: around blanks, and after the punctuation that joins the parts of a name."""


def width_of(stream: TextIO | None) -> int:
    """The columns that a report on this stream may have, 60 at least.

    That is the width of the terminal if the stream is one, or the environment variable ``COLUMNS`` if it is set. It is
    100 everywhere else, and always if the variable ``CI`` is set, so that the logs of CI jobs can be compared.
    """
    if os.environ.get("CI"):
        return WIDTH
    if "COLUMNS" not in os.environ and not (stream is not None and stream.isatty()):
        return WIDTH
    return max(shutil.get_terminal_size((WIDTH, 24)).columns, _NARROWEST)


def shortened(text: str, room: int) -> str:
    """The beginning of a text that is longer than ``room`` characters, cut before a word and followed by ``...``.

    A word that would leave more than two thirds of the room empty is cut itself.
    """
    if len(text) <= room:
        return text
    most = max(room - 3, 1)
    ends = [match.start() for match in _BOUNDARY.finditer(text[: most + 1]) if match.start() <= most]
    end = ends[-1] if ends and ends[-1] >= room / 3 else most
    return f"{text[:end].rstrip()}..."


def one_line(text: str | None, room: int = _WIDEST_NAME) -> str:
    """A name as tables show it: on one line, and cut if it is long."""
    if text is None:
        return "(unnamed)"
    return shortened(text if text.isprintable() else repr(text)[1:-1], room)


def wrapped(line: str, width: int) -> list[str]:
    """The lines of a long line, each but the first indented; a word that is longer than a line stays whole."""
    lines: list[str] = []
    rest = line
    while len(rest) > width:
        end = rest.rfind(" ", len(rest) - len(rest.lstrip()) + 1, width + 1)
        end = rest.find(" ", width) if end < 0 else end
        if end < 0:
            break
        lines.append(rest[:end])
        rest = f"    {rest[end + 1 :]}"
    return [*lines, rest]
