"""What two histories mean differently, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from durabletest.model.canonical import Canonical
from durabletest.model.titles import word_for

_ABSENT: Any = object()
_PARTS = ("name", "operations")
"""What is not compared as a value: the name has matched the two already, and the operations are compared one by one."""


@dataclass(frozen=True)
class Place:
    """Where two structures are compared: the path of the contexts around, each with a slash behind it."""

    path: str
    ignoring: Collection[str]


def differences(expected: Canonical, actual: Canonical, ignoring: Collection[str] = ()) -> list[str]:
    """Sentences such as ``step 'order/charge': attempts: 2 instead of 3``; none if both mean the same.

    Both are what :func:`durabletest.model.canonical.canonical` gives, or what has become of it by way of JSON. The
    operations of a context are matched by name and in their order, so that a new or missing one does not make all that
    follow it differ. ``ignoring`` are names of facts that do not count, ``"function"`` for example.
    """
    place = Place("", ignoring)
    return [*_facts("execution", expected, actual, place), *_operations(expected, actual, place)]


def _operations(expected: Canonical, actual: Canonical, place: Place) -> Iterator[str]:
    ours, theirs = expected.get("operations", []), actual.get("operations", [])
    names, other_names = _titles(ours, place), _titles(theirs, place)
    before, after = ({title: place for place, title in enumerate(titles)} for titles in (names, other_names))
    moved = before.keys() & after.keys()
    for tag, i, i_end, j, j_end in SequenceMatcher(None, names, other_names, autojunk=False).get_opcodes():
        if tag == "equal":
            for one, other, title in zip(ours[i:i_end], theirs[j:j_end], names[i:i_end], strict=True):
                yield from _operation(one, other, title, place)
            continue
        yield from (f"{title} is missing" for title in names[i:i_end] if title not in moved)
        for title, other in zip(other_names[j:j_end], theirs[j:j_end], strict=True):
            if title not in moved:
                yield f"{title} is not expected: it is {other['status']}"
                continue
            now, then = _after(other_names, after[title]), _after(names, before[title])
            yield f"{title} is in another place: {now} instead of {then}"
            yield from _operation(ours[before[title]], other, title, place)


def _operation(expected: Canonical, actual: Canonical, title: str, place: Place) -> Iterator[str]:
    yield from _facts(title, expected, actual, place)
    inside = f"{place.path}{expected['name']}/" if expected.get("name") else place.path
    yield from _operations(expected, actual, Place(inside, place.ignoring))


def _titles(operations: list[Canonical], place: Place) -> list[str]:
    """``step 'order/charge'``, unique among siblings: the second of that name is ``step 'order/charge' (index 1)``."""
    seen: Counter[str] = Counter()
    titles = []
    for operation in operations:
        kind = word_for(operation.get("sub_type"), operation["type"])
        name = operation.get("name")
        title = f"unnamed {kind}{_inside(place)}" if name is None else f"{kind} {place.path + name!r}"
        titles.append(title + (f" (index {seen[title]})" if seen[title] else ""))
        seen[title] += 1
    return titles


def _inside(place: Place) -> str:
    return f" in {place.path.rstrip('/')!r}" if place.path else ""


def _after(titles: list[str], index: int) -> str:
    return f"after {titles[index - 1]}" if index else "first"


def _facts(title: str, expected: Canonical, actual: Canonical, place: Place) -> Iterator[str]:
    for name in dict.fromkeys((*expected, *actual)):
        if name not in _PARTS and name not in place.ignoring:
            for path, one, other in _values(expected.get(name, _ABSENT), actual.get(name, _ABSENT), name):
                yield f"{title}: {path}: {_shown(other)} instead of {_shown(one)}"


def _values(expected: Any, actual: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """The innermost places at which two JSON values differ, with what is there."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in dict.fromkeys((*expected, *actual)):
            yield from _values(expected.get(key, _ABSENT), actual.get(key, _ABSENT), f"{path}[{key!r}]")
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for index, (one, other) in enumerate(zip(expected, actual, strict=True)):
            yield from _values(one, other, f"{path}[{index}]")
    elif expected != actual or isinstance(expected, bool) is not isinstance(actual, bool):
        yield path, expected, actual


def _shown(value: Any) -> str:
    return "nothing" if value is _ABSENT else repr(value) if not _is_word(value) else value


def _is_word(value: Any) -> bool:
    """Statuses and types read better without quotes."""
    return isinstance(value, str) and value.isupper() and value.replace("_", "").isalpha()
