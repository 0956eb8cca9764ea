"""The operation table: one line an operation, each context followed by the operations inside it; and text that fits."""

from __future__ import annotations

import os
import re
import shutil
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TextIO, TypeAlias

from durabletest.model.comparison import in_stable_order
from durabletest.model.lookup import unknown
from durabletest.model.records import ErrorDetails, OperationRecord
from durabletest.model.times import precision, span, utc

WIDTH = 100
"""The columns of a report that is written to no terminal: to a file, a pipe, or the log of a CI job."""
_NARROWEST = 60
_WIDEST_NAME = 60
_BOUNDARY = re.compile(r"(?<=[\s/_.,:;-])(?=\S)|(?=\s)")
"""Where a text may be cut: around blanks, and after the punctuation that joins the parts of a name."""
_NOT_SHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Control characters, marks that change the direction of the text around them, and halves of surrogate pairs."""


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


def visible(text: str) -> str:
    """A text without characters that would change how the text around it is shown: each is written as its code."""
    return _NOT_SHOWN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def printable(text: str, stream: TextIO) -> str:
    """A text with codes in place of the characters that the stream's encoding does not have."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def one_line(text: str | None, room: int = _WIDEST_NAME) -> str:
    """A name as tables show it: on one line, and cut if it is long."""
    if text is None:
        return "(unnamed)"
    return shortened(text if text.isprintable() else repr(text)[1:-1], room)


def wrapped(line: str, width: int) -> list[str]:
    """The lines of a long line, each but the first indented; a word that is longer than a line stays whole."""
    return textwrap.wrap(line, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


DEFAULT_COLUMNS = ("name", "type", "status", "started", "ended", "duration", "attempts", "error")
REPORT_COLUMNS = ("name", "type", "status", "after", "duration", "attempts", "error")
"""The columns in failure reports, where 80 characters have to suffice."""
_PADDING = "\ue000"
"""A character for private use in place of leading blanks, which tabulate would strip."""
_HEADER_PADDING = 2
"""The characters that tabulate adds to headers."""
_LEAST_ROOM = 34
"""The least characters for name and error together."""
_LEFT_OUT = ("type", "attempts", "after")
"""The columns that a report leaves out, one after the other, where the terminal is too narrow for all."""


@dataclass(frozen=True)
class Row:
    """An operation and the contexts around it, the outermost first."""

    operation: OperationRecord
    ancestors: tuple[OperationRecord, ...]


def tree_order(operations: Iterable[OperationRecord]) -> list[Row]:
    """Arrange operations, given in execution order, as a tree that is the same in every run.

    The branches of a parallel or map, which start in any order, are sorted by name. An operation whose context is not
    among the operations is at the outermost level.
    """
    known = {operation.id: operation for operation in operations}
    children: dict[str | None, list[OperationRecord]] = {}
    for operation in known.values():
        parent_id = operation.parent_id if operation.parent_id in known else None
        children.setdefault(parent_id, []).append(operation)
    rows: list[Row] = []
    stack = [Row(operation, ()) for operation in reversed(children.get(None, []))]
    while stack:  # no recursion: contexts may be nested deeply
        row = stack.pop()
        rows.append(row)
        ordered = in_stable_order(row.operation, children.get(row.operation.id, []))
        stack.extend(Row(child, (*row.ancestors, row.operation)) for child in reversed(ordered))
    return rows


@dataclass(frozen=True)
class _Times:
    """The ``timespec`` of all times in a table, and the start of the execution."""

    timespec: str
    start: datetime

    def of(self, moment: datetime | None) -> str:
        return "" if moment is None else utc(moment).replace(tzinfo=None).isoformat(" ", self.timespec)

    def after(self, moment: datetime) -> str:
        return span(max(moment - self.start, timedelta()))


def error_text(error: ErrorDetails | None) -> str:
    """Type and message on one line, the type without the module that it is in; nothing without an error."""
    if error is None:
        return ""
    dotted = all(part.isidentifier() for part in (error.type or "").split("."))
    bare = replace(error, type=(error.type or "").rpartition(".")[2]) if dotted else error
    return visible(" ".join(str(bare).split()))


_CELLS: dict[str, Callable[[Row, _Times], str]] = {
    "name": lambda row, _: _PADDING * 2 * len(row.ancestors) + one_line(row.operation.name),
    "path": lambda row, _: "/".join(one_line(operation.name) for operation in [*row.ancestors, row.operation]),
    "type": lambda row, _: row.operation.type,
    "sub_type": lambda row, _: row.operation.sub_type or "",
    "status": lambda row, _: row.operation.status,
    "started": lambda row, times: times.of(row.operation.started_at),
    "ended": lambda row, times: times.of(row.operation.ended_at),
    "after": lambda row, times: times.after(row.operation.started_at),
    "duration": lambda row, _: "" if row.operation.duration is None else span(row.operation.duration),
    "attempts": lambda row, _: str(row.operation.attempts or ""),
    "error": lambda row, _: error_text(row.operation.error),
    "id": lambda row, _: row.operation.id,
    "parent": lambda row, _: row.operation.parent_id or "",
}
"""The text of each cell, by column: a function of its row and the times of the table."""

COLUMNS = tuple(_CELLS)
"""The columns there are: name (indented by nesting), path, type, sub_type, status, started and ended (UTC), after (the
time from the start of the execution to that of the operation), duration, attempts (of steps), error (type and message),
id, and parent (its id)."""


def operation_table(
    operations: Iterable[OperationRecord],
    columns: Sequence[str] | None = None,
    *,
    width: int = WIDTH,
    start: datetime | None = None,
) -> str:
    """The table as text, of these columns; without errors, the default columns have none for them.

    Errors are cut between two words to fit into ``width``, but not to less than half of it. ``start`` is that of the
    execution, by default of the first operation. The table does not depend on the local time zone.
    """
    names = DEFAULT_COLUMNS if columns is None else [columns] if isinstance(columns, str) else columns
    for name in names:
        if name not in _CELLS:
            raise unknown(name, COLUMNS, "column of the operation table")
    table = _table(operations, names, start)
    if columns is None:
        _drop_empty_errors(table)
    return _drawn(table, width, least_room=width // 2)


def report_table(operations: Iterable[OperationRecord], width: int, start: datetime | None = None) -> str:
    """The table of a failure report, which fits into ``width``.

    Where it does not, errors are cut, and names that take more than half of the room for both. On a terminal too narrow
    for that, columns are left out.
    """
    table = _table(operations, REPORT_COLUMNS, start)
    _drop_empty_errors(table)
    for column in _LEFT_OUT:
        if table and width - _width(table, but="name", and_but="error") < _LEAST_ROOM:
            del table[column]
    if table:
        room = width - _width(table, but="name", and_but="error")
        errors = _widest("error", table["error"]) if "error" in table else 0
        table["name"] = [_cut_name(cell, max(room - errors, room // 2)) for cell in table["name"]]
    return _drawn(table, width, least_room=0)


_Table: TypeAlias = dict[str, list[str]]
"""The cells of each column by its name; empty without operations."""


def _table(operations: Iterable[OperationRecord], names: Sequence[str], start: datetime | None) -> _Table:
    rows = tree_order(operations)
    if not rows:
        return {}
    instants = [time for row in rows for time in (row.operation.started_at, row.operation.ended_at) if time is not None]
    times = _Times(precision(*instants), min(instants) if start is None else start)
    return {name: [_CELLS[name](row, times) for row in rows] for name in names}


def _drop_empty_errors(table: _Table) -> None:
    if not any(table.get("error", ())):
        table.pop("error", None)


def _widest(name: str, cells: Sequence[str]) -> int:
    return max(len(name) + _HEADER_PADDING, *map(len, cells))


def _width(table: _Table, *, but: str, and_but: str = "") -> int:
    """The width of the table without the cells of one or two of its columns."""
    cells = sum(_widest(name, column) for name, column in table.items() if name not in (but, and_but))
    return cells + 2 * (len(table) - 1)


def _cut_name(cell: str, room: int) -> str:
    name = cell.lstrip(_PADDING)
    indent = cell[: min(len(cell) - len(name), room // 2)]
    return indent + shortened(name, room - len(indent))


def _drawn(table: _Table, width: int, least_room: int) -> str:
    """The text of a table, its errors cut to what the other columns leave of the width, or to ``least_room``."""
    from tabulate import tabulate  # it is slow to import, and tests that pass need no table

    if not table:
        return "(no operations)"
    if "error" in table:
        room = max(width - _width(table, but="error"), least_room)
        table["error"] = [shortened(cell, room) for cell in table["error"]]
    text = tabulate(table, headers="keys", tablefmt="simple", disable_numparse=True)
    return "\n".join(line.rstrip() for line in text.replace(_PADDING, " ").splitlines())
