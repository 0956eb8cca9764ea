"""How a name or path finds an operation, and what is said when it finds none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from threading import Lock
from typing import TYPE_CHECKING

from durabletest.errors import AmbiguousOperationError, OperationNotFoundError, UsageError
from durabletest.model.records import OperationRecord

if TYPE_CHECKING:
    from durabletest.model.history import History

_LISTED = 40


class Places:
    """Which operations a path means, and which of several at one path an operation is.

    Nothing is looked at twice: a question that was asked before is answered from the operations that are new since. An
    operation's place never changes, because the contexts around it come before it in the history. Any thread may ask.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._lock = Lock()
        self._inside: dict[str, _Inside] = {}
        self._numbered: dict[str | None, _Numbered] = {}

    def at(self, path: str) -> Sequence[OperationRecord]:
        """All operations that ``path`` means; one literally named so and one inside a context must not compete."""
        literal = self._history.named(path)
        if "/" not in path:
            return literal
        with self._lock:
            inside = self._inside.setdefault(path, _Inside(path)).read(self._history)
        if literal and inside:
            raise _ambiguous(self._history, path, literal[0], inside[0])
        return literal or inside

    def index_of(self, record: OperationRecord) -> int:
        """Its index among the operations at its path."""
        with self._lock:
            return self._numbered.setdefault(record.name, _Numbered()).read(self._history, record)


class _Inside:
    """The operations that a path with slashes means by leading to them, as far as the history was read."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._read = dict.fromkeys(_last_names(path), 0)
        self._found: list[OperationRecord] = []

    def read(self, history: History) -> Sequence[OperationRecord]:
        """Those that were found, the new ones included; the list that is given may grow, at its end."""
        new: list[OperationRecord] = []
        for name in self._read:
            unread = _unread(history.named(name), self._read[name])
            self._read[name] += len(unread)
            new += [record for record in unread if _is_at(history, record, self._path)]
        if len(self._read) == 1:
            self._found += new
        elif new:
            self._found = sorted([*self._found, *new], key=_first_event)
        return self._found


class _Numbered:
    """The operations of one name, counted by their paths, as far as the history was read."""

    def __init__(self) -> None:
        self._read = 0
        self._counts: Counter[str] = Counter()
        self._indices: dict[str, int] = {}

    def read(self, history: History, record: OperationRecord) -> int:
        """The index of one of them."""
        unread = _unread(history.named(record.name or ""), self._read)
        self._read += len(unread)
        for other in unread:
            path = path_of(history, other)
            self._indices[other.id] = self._counts[path]
            self._counts[path] += 1
        return self._indices[record.id]


def _unread(named: Sequence[OperationRecord], read: int) -> Sequence[OperationRecord]:
    return named[read:] if len(named) > read else ()


def checked_name(path: object) -> str:
    """Refuse what can be no name."""
    if not isinstance(path, str):
        msg = f"{path!r} is no name of an operation: give a string, or look it up with get_operation_by_index"
        raise UsageError(msg)
    return path


def check_index(index: object) -> None:
    """Refuse what does not count; as in lists, -1 is the last."""
    if isinstance(index, bool) or not isinstance(index, int):
        msg = f"{index!r} is no index of an operation: give a number, counted from 0"
        raise UsageError(msg)


def path_of(history: History, record: OperationRecord) -> str:
    return "/".join([*_named_ancestors(history, record), record.name or "(unnamed)"])


def closest(history: History, path: str) -> str | None:
    """The existing name or path that was most likely meant."""
    names = dict.fromkeys(record.name for record in history.operations if record.name)
    paths = dict.fromkeys(path_of(history, record) for record in history.operations if record.name)
    candidates = [*names, *(p for p in paths if p not in names)]
    close = get_close_matches(path, candidates, n=1)
    if not close and "/" in path:
        close = get_close_matches(path.rsplit("/", 1)[1], candidates, n=1)
    return close[0] if close else None


def why_not_found(history: History, path: str, index: int, found: int) -> str:
    """One sentence on why this path and index find nothing."""
    if found:
        count = "1 operation has" if found == 1 else f"{found} operations have"
        return f"{count} that name, so there is no index {index}"
    near = closest(history, path)
    return "no operation has that name" + (f"; did you mean {near!r}?" if near else "")


def not_found(history: History, path: str, index: int, found: int) -> OperationNotFoundError:
    asked = f"operation {path!r}" + (f" (index {index})" if index else "")
    reason = why_not_found(history, path, index, found)
    return OperationNotFoundError(f"{asked} not found: {reason}\n{listing(history)}")


def no_such_index(history: History, index: int) -> OperationNotFoundError:
    return OperationNotFoundError(f"there is no operation with index {index}\n{listing(history)}")


def no_such_id(history: History, operation_id: str) -> OperationNotFoundError:
    near = get_close_matches(operation_id, [record.id for record in history.operations], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return OperationNotFoundError(f"there is no operation with id {operation_id!r}{hint}\n{listing(history)}")


def listing(history: History) -> str:
    """Every operation with its path and type, the way to write it first."""
    if not history.operations:
        return "The execution has no operations."
    rows = [(path_of(history, record), record) for record in history.operations[:_LISTED]]
    width = max(len(path) for path, _ in rows)
    lines = [f"  {path:{width}}  {_kind(record)}" for path, record in rows]
    if len(history.operations) > _LISTED:
        lines.append(f"  ... and {len(history.operations) - _LISTED} more")
    return "\n".join(["The operations of the execution:", *lines])


def _first_event(record: OperationRecord) -> int:
    first: int = record.events[0]["EventId"]
    return first


def _kind(record: OperationRecord) -> str:
    return f"{record.type} (id {record.id!r})" if record.name is None else str(record.type)


def means(history: History, record: OperationRecord, path: str) -> bool:
    """Whether ``path`` means this operation, perhaps among others."""
    return record.name == path or (record.name in _last_names(path) and _is_at(history, record, path))


def possible_names(path: str) -> list[str]:
    """All names that an operation which ``path`` means can have."""
    return [path, *_last_names(path)]


def _last_names(path: str) -> list[str]:
    """Names may contain slashes, so every tail of a path can be the name of an operation."""
    parts = path.split("/")
    return ["/".join(parts[i:]) for i in range(1, len(parts))]


def _is_at(history: History, record: OperationRecord, path: str) -> bool:
    return f"/{path_of(history, record)}".endswith(f"/{path}")


def _named_ancestors(history: History, record: OperationRecord) -> list[str]:
    """Unnamed contexts are left out: nobody could write them."""
    names: list[str] = []
    parent = history.parent(record)
    while parent is not None:
        if parent.name:
            names.append(parent.name)
        parent = history.parent(parent)
    return names[::-1]


def _ambiguous(
    history: History, path: str, literal: OperationRecord, inside: OperationRecord
) -> AmbiguousOperationError:
    outer = path[: -len(inside.name or "") - 1]
    return AmbiguousOperationError(
        f"{path!r} can be read in two ways\n"
        f"  the {literal.type} named {path!r}: get_operation_by_id({literal.id!r})\n"
        f"  the {inside.type} {inside.name!r} in {outer!r}: get_operation_by_id({inside.id!r})\n"
        f"{listing(history)}"
    )
