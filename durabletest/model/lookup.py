"""Looking up operations by name, path, position or id, and suggestions for names that match nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from enum import StrEnum
from threading import Lock
from typing import TypeVar

from durabletest.errors import AmbiguousOperationError, OperationNotFoundError, UsageError
from durabletest.model.records import OperationId, OperationRecord

EnumT = TypeVar("EnumT", bound=StrEnum)

_LISTED_OPERATIONS = 40
_LISTED_NAMES = 20


class OperationIndex:
    """The operations of one execution, in execution order: the order of their first events.

    A bare name matches at any depth. In the path ``order/charge`` the parents must be the nearest named contexts; names
    may themselves contain slashes. Paths stay valid as operations are added, because a context is added before the
    operations inside it. Lookups are safe in any thread.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._reset()

    def _reset(self) -> None:
        self.operations: list[OperationRecord] = []
        self._by_id: dict[str | None, OperationRecord] = {}
        self._by_name: dict[str | None, list[OperationRecord]] = {}
        self._by_parent: dict[str | None, list[OperationRecord]] = {}
        self._paths: dict[str | None, str] = {}
        self._prefixes: dict[str | None, str] = {}
        self._indices: dict[str, int] = {}
        self._counts: dict[tuple[str | None, str], int] = {}
        self._path_matches: dict[str, _PathMatches] = {}

    def _add(self, record: OperationRecord) -> None:
        prefix = self._prefixes.get(record.parent_id, "")
        path = self._paths[record.id] = prefix + (record.name or "(unnamed)")
        self._prefixes[record.id] = f"{path}/" if record.name else prefix  # a path skips unnamed contexts
        index = self._indices[record.id] = self._counts.get((record.name, path), 0)
        self._counts[record.name, path] = index + 1
        self._by_id[record.id] = record
        self._by_name.setdefault(record.name, []).append(record)
        self._by_parent.setdefault(record.parent_id, []).append(record)
        self.operations.append(record)

    def find(self, path: str, index: int = 0) -> OperationRecord:
        """The operation with that name, path or :class:`OperationId`; ``index`` chooses among several of one path.

        Raises ``OperationNotFoundError`` or ``AmbiguousOperationError``.
        """
        record = self.get(path, index)
        if record is not None:
            return record
        raise not_found(self, path, index, 0 if isinstance(path, OperationId) else len(self._matches(path)))

    def get(self, path: str, index: int = 0) -> OperationRecord | None:
        """As ``find``, but ``None`` if there is no such operation; this costs no search for a suggestion."""
        if isinstance(path, OperationId):
            return self._by_id.get(path)
        found = self._matches(path)
        check_index(index)
        return found[index] if -len(found) <= index < len(found) else None

    def find_all(self, path: str) -> list[OperationRecord]:
        """All operations with that name or path, in execution order."""
        return list(self._matches(path))

    def named(self, name: str) -> Sequence[OperationRecord]:
        """All operations with exactly this name; the sequence grows with the history."""
        return self._by_name.get(name, ())

    def by_index(self, index: int) -> OperationRecord:
        """The operation at that position in execution order."""
        check_index(index)
        try:
            return self.operations[index]
        except IndexError:
            raise OperationNotFoundError(f"there is no operation with index {index}\n{listing(self)}") from None

    def by_id(self, operation_id: str) -> OperationRecord:
        return self.find(OperationId(operation_id))

    def parent(self, record: OperationRecord) -> OperationRecord | None:
        return self._by_id.get(record.parent_id) if record.parent_id is not None else None

    def ancestors(self, record: OperationRecord) -> list[OperationRecord]:
        """The contexts around an operation, the innermost first."""
        found: list[OperationRecord] = []
        while (parent := self.parent(found[-1] if found else record)) is not None:
            found.append(parent)
        return found

    def children(self, record: OperationRecord) -> list[OperationRecord]:
        """The operations directly inside a context."""
        return list(self._by_parent.get(record.id, ()))

    def path_of(self, record: OperationRecord) -> str:
        """The path that finds this operation; an unnamed one shows as ``(unnamed)`` and is found by its id only."""
        return self._paths[record.id]

    def index_of(self, record: OperationRecord) -> int:
        """The index of this operation among those with the same name and path."""
        return self._indices[record.id]

    def _matches(self, path: object) -> Sequence[OperationRecord]:
        if not isinstance(path, str):
            msg = f"{path!r} is no name of an operation: give a string, or look it up with get_operation_by_index"
            raise UsageError(msg)
        named = self.named(path)
        if "/" not in path:
            return named
        with self._lock:
            nested = self._path_matches.setdefault(path, _PathMatches(path)).update(self)
        if named and nested:
            raise _ambiguous(self, path, named[0], nested[0])
        return named or nested


class _PathMatches:
    """The operations at one path with slashes; repeated lookups compare only the operations that are new."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._compared = dict.fromkeys(possible_names(path)[1:], 0)
        self._found: list[OperationRecord] = []

    def update(self, operations: OperationIndex) -> Sequence[OperationRecord]:
        """Compare the operations that are new, and return all matches in execution order."""
        new: list[OperationRecord] = []
        for name, compared in self._compared.items():
            named = operations.named(name)
            if len(named) > compared:
                self._compared[name] = len(named)
                new += [record for record in named[compared:] if _is_at(operations, record, self._path)]
        if len(self._compared) == 1:
            self._found += new
        elif new:
            self._found = sorted([*self._found, *new], key=lambda record: record.first_event)
        return self._found


def means(operations: OperationIndex, record: OperationRecord, path: str) -> bool:
    """Whether a name or path matches this operation, perhaps among others."""
    return record.name == path or (record.name in possible_names(path) and _is_at(operations, record, path))


def possible_names(path: str) -> list[str]:
    """All names that an operation at this path can have: itself and its tails, as names may contain slashes."""
    parts = path.split("/")
    return ["/".join(parts[i:]) for i in range(len(parts))]


def _is_at(operations: OperationIndex, record: OperationRecord, path: str) -> bool:
    return f"/{operations.path_of(record)}".endswith(f"/{path}")


def check_index(index: object) -> None:
    """Raise ``UsageError`` unless this is an integer; as in lists, -1 is the last."""
    if isinstance(index, bool) or not isinstance(index, int):
        raise UsageError(f"{index!r} is no index of an operation: give a number, counted from 0")


def not_found(operations: OperationIndex, path: str, index: int, found: int) -> OperationNotFoundError:
    """The error for a path or :class:`OperationId`; ``found`` operations match the path, none of them at the index."""
    if isinstance(path, OperationId):
        hint = nearest(path, [record.id for record in operations.operations])
        reason = f"there is no operation with id {path!r}{hint}"
    else:
        asked = f"operation {path!r}" + (f" (index {index})" if index else "")
        reason = f"{asked} not found: {why_not_found(operations, path, index, found)}"
    return OperationNotFoundError(f"{reason}\n{listing(operations)}")


def why_not_found(operations: OperationIndex, path: str, index: int, found: int) -> str:
    """A clause: ``no operation has that name; did you mean 'charge'?``."""
    if found:
        count = "1 operation has" if found == 1 else f"{found} operations have"
        return f"{count} that name, so there is no index {index}"
    return f"no operation has that name{did_you_mean(closest(operations, path))}"


def closest(operations: OperationIndex, path: str) -> str | None:
    """The existing name or path that is most similar, if any is similar."""
    named = [record for record in operations.operations if record.name]
    candidates = list(dict.fromkeys([str(record.name) for record in named] + [operations.path_of(r) for r in named]))
    close = get_close_matches(path, candidates, n=1)
    if not close and "/" in path:
        close = get_close_matches(path.rsplit("/", 1)[1], candidates, n=1)
    return close[0] if close else None


def listing(operations: OperationIndex) -> str:
    """All operations, one a line: the path to find it by, and its type."""
    if not operations.operations:
        return "The execution has no operations."
    rows = [(operations.path_of(record), record) for record in operations.operations[:_LISTED_OPERATIONS]]
    width = max(len(path) for path, _ in rows)
    lines = ["The operations of the execution:"]
    for path, record in rows:
        lines.append(f"  {path:{width}}  {record.type}" + (f" (id {record.id!r})" if record.name is None else ""))
    if len(operations.operations) > _LISTED_OPERATIONS:
        lines.append(f"  ... and {len(operations.operations) - _LISTED_OPERATIONS} more")
    return "\n".join(lines)


def _ambiguous(
    operations: OperationIndex, path: str, named: OperationRecord, nested: OperationRecord
) -> AmbiguousOperationError:
    outer = path[: -len(nested.name or "") - 1]
    return AmbiguousOperationError(
        f"{path!r} can be read in two ways\n"
        f"  the {named.type} named {path!r}: get_operation_by_id({named.id!r})\n"
        f"  the {nested.type} {nested.name!r} in {outer!r}: get_operation_by_id({nested.id!r})\n"
        f"{listing(operations)}"
    )


def member(enum: type[EnumT], value: str, what: str) -> EnumT:
    """The member with exactly this value; raises ``UsageError`` with a suggestion."""
    try:
        return enum(value)
    except ValueError:
        raise unknown(value, enum, what) from None


def unknown(value: object, valid: Iterable[str], what: str) -> UsageError:
    """The error for a name that is not one of ``valid``: it suggests the closest one, and lists all of them."""
    names = {str(name).lower(): str(name) for name in valid}
    near = get_close_matches(str(value).lower(), names, n=1)
    hint = did_you_mean(names[near[0]]) if near else "."
    return UsageError(f"{value!r} is no {what}{hint} There are {', '.join(names.values())}.")


def nearest(name: str, names: Sequence[str]) -> str:
    """``; did you mean 'charge'?``, or an empty string if no name is similar."""
    return did_you_mean(next(iter(get_close_matches(name, names, n=1)), None))


def did_you_mean(name: str | None) -> str:
    return f"; did you mean {name!r}?" if name else ""


def listed(names: Sequence[str]) -> str:
    """``'charge', 'ship'``; a long list is cut."""
    return ", ".join(map(repr, names[:_LISTED_NAMES])) + (", ..." if len(names) > _LISTED_NAMES else "")
