"""Comparison with ``==``, field by field, so that a message shows every difference with its path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from itertools import zip_longest
from typing import Any

from durabletest.assertions.check import LONGEST_VALUE, Claim, LazyText, call, counted, shortened, show
from durabletest.execution_handle import Pending
from durabletest.model import records

__unittest = True
__tracebackhide__ = True

RECORDS: tuple[type, ...] = (
    Pending,
    records.CallbackDetails,
    records.ContextDetails,
    records.ErrorDetails,
    records.Invocation,
    records.InvokeDetails,
    records.LogEntry,
    records.StepDetails,
    records.WaitDetails,
)
"""The public dataclasses for which ``assertEqual`` uses :func:`record_difference`."""

_ABSENT: Any = object()
_BEFORE, _AROUND = 40, 200
"""The characters that are shown before the first difference of two long texts, and in all."""
_PARTS_DIFFER = (
    "If that is right, change the expected value; where it may vary, put unittest.mock.ANY or another matcher."
)


@dataclass(frozen=True)
class Difference:
    """One place where two values differ; ``path`` is Python code, ``result['items'][0]``."""

    path: str
    expected: str
    actual: str


def equals(expected: object, actual: object, path: str, instead: LazyText) -> Claim:
    """The claim that the value called ``path`` equals ``expected``; ``instead`` is the check for the actual value.

    The values are first compared as a whole, and only if they differ part by part.
    """
    found = [] if _equal_as_a_whole(expected, actual) else list(differences(expected, actual, path))
    if not found:
        return Claim(True, lambda: f"{path} == {show(expected)}", lambda: f"{path} == {show(actual)}")
    wanted = shortened([f"{difference.path} {difference.expected}" for difference in found], noun="difference")
    actually = shortened([f"{difference.path} {difference.actual}" for difference in found], noun="difference")
    remedy = "" if [difference.path for difference in found] == [path] else _PARTS_DIFFER
    return Claim(False, "\n".join(wanted), "\n".join(actually), instead, remedy)


def counts(check: str, noun: str, expected: object, actual: int, story: LazyText, remedy: LazyText) -> Claim:
    """The claim of a check such as ``attempts(2)``: the number of attempts equals ``expected``."""
    text = counted(expected, noun) if isinstance(expected, int) else f"{check} == {show(expected)}"
    return Claim(bool(expected == actual), text, story, lambda: call(check, actual), remedy)


def record_difference(first: object, second: object) -> str:
    """The message of ``assertEqual`` for two records of one type; empty if they are equal."""
    found = list(differences(first, second, ""))
    if not found:
        return ""
    firsts = [f"{difference.path.removeprefix('.')} {difference.expected}".lstrip() for difference in found]
    seconds = [f"{difference.path.removeprefix('.')} {difference.actual}".lstrip() for difference in found]
    head = f"two {type(first).__name__} differ in {counted(len(found), 'place')}"
    return "\n".join([head, " First: " + "\n        ".join(firsts), "Second: " + "\n        ".join(seconds)])


def differences(expected: Any, actual: Any, path: str) -> Iterator[Difference]:
    """Every difference inside dictionaries, lists, tuples and dataclasses.

    Subclasses of the first three, as matchers may be, and all other values are compared with ``expected == actual``.
    """
    if expected is _ABSENT or actual is _ABSENT:
        yield Difference(path, _shown(expected), _shown(actual))
    elif type(expected) is dict and type(actual) is dict:
        for key in dict.fromkeys((*expected, *actual)):
            yield from differences(expected.get(key, _ABSENT), actual.get(key, _ABSENT), f"{path}[{show(key)}]")
    elif type(expected) is type(actual) and type(expected) in (list, tuple):
        for index, (one, other) in enumerate(zip_longest(expected, actual, fillvalue=_ABSENT)):
            yield from differences(one, other, f"{path}[{index}]")
    elif not _equal(expected, actual, path):
        yield from _field_differences(expected, actual, path) or [_whole(expected, actual, path)]


def _field_differences(expected: Any, actual: Any, path: str) -> list[Difference]:
    """Differences between the fields of two dataclass instances; none if they are unequal for another reason."""
    if not is_dataclass(expected) or type(expected) is not type(actual):
        return []
    return [
        difference
        for name in (field.name for field in fields(expected) if field.compare)
        for difference in differences(getattr(expected, name), getattr(actual, name), f"{path}.{name}")
    ]


def _whole(expected: Any, actual: Any, path: str) -> Difference:
    one, other = show(expected), show(actual)
    if type(expected) is type(actual) is str and one[:LONGEST_VALUE] == other[:LONGEST_VALUE]:
        pairs = enumerate(zip_longest(expected, actual))
        start = max(0, next(place for place, (ours, theirs) in pairs if ours != theirs) - _BEFORE)
        one, other = (_part(text, start) for text in (expected, actual))
    elif one == other:
        one, other = f"{one} ({_class_of(expected)})", f"{other} ({_class_of(actual)}, not equal)"
    return Difference(path, f"== {one}", f"== {other}")


def _part(text: str, start: int) -> str:
    part = text[start : start + _AROUND]
    return f"{part!r} (characters {start + 1} to {start + len(part)} of {len(text)})"


def _equal_as_a_whole(expected: Any, actual: Any) -> bool:
    """False if the comparison raises: it raises again when the parts are compared, which tells the path."""
    try:
        return bool(expected == actual)
    except Exception:
        return False


def _equal(expected: Any, actual: Any, path: str) -> bool:
    try:
        return expected is actual or bool(expected == actual)
    except Exception as error:
        error.add_note(f"raised while comparing {path}, {show(actual)}, with {show(expected)}")
        raise


def _shown(value: Any) -> str:
    return "absent" if value is _ABSENT else f"== {show(value)}"


def _class_of(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
