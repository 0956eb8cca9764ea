"""Wrong histories, made of right ones: each differs in one way from what its requirement expects."""

from __future__ import annotations

import copy
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from tests.conformance.matcher import ANYTHING
from tests.conformance.placeholders import NAME

History: TypeAlias = list[dict[str, Any]]
Path: TypeAlias = tuple[Any, ...]
Mutation: TypeAlias = tuple[str, History]

_ELSE = "something else"


def without_an_event(history: History) -> Iterator[Mutation]:
    """Each event missing once: as a gap in the numbers, and with the others moved up."""
    for index, event in enumerate(history):
        rest = history[:index] + history[index + 1 :]
        yield f"no {_title(event)}", rest
        yield f"no {_title(event)}, others moved up", renumbered(rest)


def with_another_event(history: History) -> Iterator[Mutation]:
    """Each event twice: the second directly after the first, or at the end."""
    for index, event in enumerate(history):
        yield f"{_title(event)} repeated", renumbered([*history[: index + 1], event, *history[index + 1 :]])
        yield f"{_title(event)} again at the end", renumbered([*history, event])


def in_another_order(history: History) -> Iterator[Mutation]:
    """Each two neighbours exchanged, with and without their numbers."""
    for index, (first, second) in enumerate(itertools.pairwise(history)):
        swapped = [*history[:index], second, first, *history[index + 2 :]]
        yield f"{_title(second)} before {_title(first)}", renumbered(swapped)
        yield f"{_title(second)} before {_title(first)}, with their numbers", swapped


def with_another_end(history: History) -> Iterator[Mutation]:
    """The last event is of another type, or tells of another execution's end."""
    for kind in ("ExecutionStarted", "ExecutionStopped", "ExecutionTimedOut", "InvocationStarted"):
        yield f"ends with {kind}", [*history[:-1], {**history[-1], "EventType": kind}]


def without_a_detail(expected: Sequence[Mapping[str, Any]], history: History) -> Iterator[Mutation]:
    """Each expected key missing once."""
    for index, path, _ in _expectations(expected, history):
        if isinstance(path[-1], str):
            changed = copy.deepcopy(history)
            del _at(changed[index], path[:-1])[path[-1]]
            yield f"{_title(history[index])} without {path}", changed


def with_another_detail(expected: Sequence[Mapping[str, Any]], history: History) -> Iterator[Mutation]:
    """Each expected value another one; not where one value is as good as any other."""
    uses = Counter(NAME.findall(repr(expected)))
    for index, path, wanted in _expectations(expected, history):
        name = NAME.fullmatch(wanted) if isinstance(wanted, str) else None
        if wanted == ANYTHING or (name and uses[name[1]] < 2):
            continue
        changed = copy.deepcopy(history)
        _at(changed[index], path[:-1])[path[-1]] = wanted + 1 if isinstance(wanted, int) else _ELSE
        yield f"{_title(history[index])} with another {path}", changed


def with_operations_confused(history: History) -> Iterator[Mutation]:
    """Each operation has the id of the one before it."""
    ids = list(dict.fromkeys(event["Id"] for event in history[1:-1] if "Id" in event))
    for first, second in itertools.pairwise(ids):
        yield (
            f"{second} is called {first}",
            [{**event, "Id": first} if event.get("Id") == second else event for event in history],
        )


def renumbered(history: Sequence[Mapping[str, Any]]) -> History:
    """The same events, numbered from 1."""
    return [{**event, "EventId": number} for number, event in enumerate(history, start=1)]


def _expectations(expected: Sequence[Mapping[str, Any]], history: History) -> Iterator[tuple[int, Path, Any]]:
    """The place in the history, the path and the value of everything that is expected."""
    places = {event["EventId"]: index for index, event in enumerate(history)}
    for event in expected:
        for path, wanted in _leaves(event, ()):
            yield places[event["EventId"]], path, wanted


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Every value inside, the containers too."""
    if path:
        yield path, value
    if isinstance(value, Mapping):
        for key, member in value.items():
            yield from _leaves(member, (*path, key))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _leaves(member, (*path, index))


def _at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def _title(event: Mapping[str, Any]) -> str:
    return f"{event['EventType']} ({event['EventId']})"
