"""Whether a history is the one that a requirement expects.

In what is expected ``'*'`` matches anything that is there, ``{}`` any object, ``${/regex/}`` whatever the expression is
found in, and ``${NAME}`` stands for one value: the first one that it meets. Dictionaries match by the keys that are
expected, lists element by element, everything else literally.

Two rules are stricter than that. Nothing may be in the history that is not expected, apart from the first event and,
where the requirement says how the execution ends, the event that ends it; and two names stand for two operations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.conformance.placeholders import NAME, fill

Event = Mapping[str, Any]

ANYTHING = "*"
_REGEX = re.compile(r"\$\{/(.*)/\}", re.DOTALL)
_MISSING: Any = object()


def history_mismatches(expected: Sequence[Event], history: Sequence[Event], status: str | None) -> list[str]:
    """Every way in which a history is not the expected one; none if it is.

    ``status`` is how the execution is expected to end, None if it is expected to go on.
    """
    numbers = [event.get("EventId") for event in history]
    if numbers != list(range(1, len(history) + 1)):
        return [f"the events are numbered {numbers}: they must be numbered from 1, without gaps and in order"]
    return [*_frame(expected, history, status), *Matcher().events(expected, history)]


def _frame(expected: Sequence[Event], history: Sequence[Event], status: str | None) -> Iterator[str]:
    """What the expected events leave open: how the history begins, how it ends, and that nothing else is there."""
    types = [event.get("EventType") for event in history]
    if types[:1] != ["ExecutionStarted"]:
        yield f"the history begins with {types[:1]}: it must begin with ExecutionStarted"
    foreseen = {event["EventId"] for event in expected} | {1}
    if status is not None:
        ending = f"Execution{status.title().replace('_', '')}"
        if types[-2:] != ["InvocationCompleted", ending]:
            yield f"the history ends with {types[-2:]}: it must end with InvocationCompleted, then {ending}"
        foreseen.add(max(foreseen) + 1 if expected[-1]["EventType"] != ending else max(foreseen))
    for event in history:
        if event["EventId"] not in foreseen:
            yield f"event {event['EventId']} is {event.get('EventType')}: none is expected there"


def log_mismatches(expected: Sequence[Mapping[str, Any]], lines: Sequence[str]) -> list[str]:
    """Every expectation of log lines that does not hold; a message between slashes is searched for as an expression."""
    wrong = []
    for expectation in expected:
        message, count = expectation["match"]["message"], expectation["count"]
        pattern = message[1:-1] if message.startswith("/") and message.endswith("/") else re.escape(message)
        found = sum(1 for line in lines if re.search(pattern, line))
        if found != count:
            wrong.append(f"{message} is in {found} log lines: {count} expected")
    return wrong


class Matcher:
    """Compares values with what is expected of them, and remembers what the names stand for."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {}
        self._ids: dict[Any, str] = {}

    def events(self, expected: Sequence[Event], history: Sequence[Event]) -> Iterator[str]:
        """Compare each expected event with the recorded one of the same number."""
        recorded = {event["EventId"]: event for event in history}
        for event in expected:
            number = event["EventId"]
            yield from self.value(f"event {number}", event, recorded.get(number, _MISSING))

    def value(self, path: str, expected: Any, actual: Any) -> Iterator[str]:
        """Compare one value; ``path`` says where it is."""
        if actual is _MISSING or (actual is None and expected is not None):
            yield f"{path} is missing: expected {expected!r}"
        elif isinstance(expected, Mapping):
            yield from self._object(path, expected, actual)
        elif isinstance(expected, list):
            yield from self._list(path, expected, actual)
        elif isinstance(expected, str):
            yield from self._text(path, expected, actual)
        elif expected != actual or isinstance(expected, bool) is not isinstance(actual, bool):
            yield f"{path} is {actual!r}: expected {expected!r}"

    def _object(self, path: str, expected: Mapping[str, Any], actual: Any) -> Iterator[str]:
        if not isinstance(actual, Mapping):
            yield f"{path} is {actual!r}: expected an object"
            return
        for key, value in expected.items():
            yield from self.value(f"{path}.{key}", value, actual.get(key, _MISSING))

    def _list(self, path: str, expected: list[Any], actual: Any) -> Iterator[str]:
        if not isinstance(actual, list) or len(actual) != len(expected):
            yield f"{path} is {actual!r}: expected a list of {len(expected)}"
            return
        for index, (wanted, given) in enumerate(zip(expected, actual, strict=True)):
            yield from self.value(f"{path}[{index}]", wanted, given)

    def _text(self, path: str, expected: str, actual: Any) -> Iterator[str]:
        if expected == ANYTHING:
            return
        if found := _REGEX.fullmatch(expected):
            if re.search(found[1], str(actual)) is None:
                yield f"{path} is {actual!r}: expected something with {found[1]!r}"
        elif (name := NAME.fullmatch(expected)) and name[1] not in self.names:
            yield from self._bind(path, name[1], actual)
        elif (wanted := self._filled(expected)) != actual:
            yield f"{path} is {actual!r}: expected {wanted!r}"

    def _bind(self, path: str, name: str, actual: Any) -> Iterator[str]:
        self.names[name] = actual
        if path.endswith(".Id"):
            other = self._ids.setdefault(actual, name)
            if other != name:
                yield f"{path} is {actual!r}, which {other} stands for already: expected another operation as {name}"

    def _filled(self, expected: str) -> Any:
        """A name alone stands for its value, whatever its type; within a text it must be known already."""
        alone = NAME.fullmatch(expected)
        if alone:
            return self.names[alone[1]]
        filled = fill(expected, self.names)
        if NAME.search(filled):
            raise ValueError(f"{expected!r} holds a name that stands for nothing yet")
        return filled
