"""Comparison with ``==``, field by field, so that every difference is shown with its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from itertools import zip_longest
from typing import Any

from durabletest.assertions.check import Claim, Text
from durabletest.assertions.text import counted, show

__unittest = True
__tracebackhide__ = True

_ABSENT: Any = object()
_SHOWN = 20
_PARTS = "If that is right, change the expected value; where it may vary, put unittest.mock.ANY or another matcher."


@dataclass(frozen=True)
class Difference:
    """One place where two structures differ; ``path`` is written as in Python, ``result['items'][0]``."""

    path: str
    expected: str
    actual: str


def equals(expected: object, actual: object, path: str, instead: Text) -> Claim:
    """The claim that ``path`` has this value; ``instead`` is the check for the value that it has.

    Where the two differ as a whole, their parts are compared once more to tell where.
    """
    found = [] if _at_once(expected, actual) else list(differences(expected, actual, path))
    if not found:
        return Claim(True, lambda: f"{path} == {show(expected)}", lambda: f"{path} == {show(actual)}")
    shown, more = found[:_SHOWN], found[_SHOWN:]
    rest = [f"... and {counted(len(more), 'more difference')}"] if more else []
    wanted = "\n".join([f"{difference.path} {difference.expected}" for difference in shown] + rest)
    actually = "\n".join([f"{difference.path} {difference.actual}" for difference in shown] + rest)
    remedy = "" if [difference.path for difference in found] == [path] else _PARTS
    return Claim(False, wanted, actually, instead, remedy)


def _at_once(expected: Any, actual: Any) -> bool:
    """Whether they are equal as a whole; where the comparison fails, that of the parts tells the place."""
    try:
        return bool(expected == actual)
    except Exception:
        return False


def differences(expected: Any, actual: Any, path: str) -> Iterator[Difference]:
    """Every difference. Plain dicts, lists and tuples are taken apart; all else is left to ``expected == actual``."""
    if expected is _ABSENT or actual is _ABSENT:
        yield Difference(path, _side(expected), _side(actual))
    elif type(expected) is dict and type(actual) is dict:
        for key in dict.fromkeys((*expected, *actual)):
            yield from differences(expected.get(key, _ABSENT), actual.get(key, _ABSENT), f"{path}[{show(key)}]")
    elif type(expected) is type(actual) and type(expected) in (list, tuple):
        for index, (one, other) in enumerate(zip_longest(expected, actual, fillvalue=_ABSENT)):
            yield from differences(one, other, f"{path}[{index}]")
    elif not _equal(expected, actual, path):
        yield from _by_field(expected, actual, path) or [_whole(expected, actual, path)]


def _by_field(expected: Any, actual: Any, path: str) -> list[Difference]:
    """The fields in which two instances of one dataclass differ; none if their inequality has other reasons."""
    if not is_dataclass(expected) or type(expected) is not type(actual):
        return []
    return [
        difference
        for field in fields(expected)
        if field.compare
        for difference in differences(
            getattr(expected, field.name), getattr(actual, field.name), f"{path}.{field.name}"
        )
    ]


def _whole(expected: Any, actual: Any, path: str) -> Difference:
    one, other = show(expected), show(actual)
    if one == other:
        one, other = f"{one} ({_class(expected)})", f"{other} ({_class(actual)}, not equal)"
    return Difference(path, f"== {one}", f"== {other}")


def _equal(expected: Any, actual: Any, path: str) -> bool:
    try:
        return expected is actual or bool(expected == actual)
    except Exception as error:
        error.add_note(f"raised while comparing {path}, {show(actual)}, with {show(expected)}")
        raise


def _side(value: Any) -> str:
    return "absent" if value is _ABSENT else f"== {show(value)}"


def _class(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
