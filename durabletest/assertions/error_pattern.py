"""Which recorded errors a test means, by type, message and data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from durabletest.assertions.text import short_type, show
from durabletest.errors import UsageError
from durabletest.model.records import ErrorDetails

__unittest = True
__tracebackhide__ = True

ErrorName = type[BaseException] | str
ErrorType = ErrorName | tuple[ErrorName, ...]
Message = str | re.Pattern[str]


@dataclass(frozen=True)
class ErrorPattern:
    """An error type, a message and data to look for; ``None`` matches any.

    What is recorded of an error's type is its name. A name matches it as a whole or its last dotted part. A class
    matches the names that can be recorded for it, and for each of its subclasses that is loaded; of a tuple any one has
    to match. A message matches where it is contained, a compiled pattern where it is found, anything else by ``==``.
    Data is recorded as text; where that is JSON, the value that it stands for matches too.
    """

    type: object = None
    message: object = None
    data: object = None

    def __post_init__(self) -> None:
        for wanted in self._types:
            _check_type(wanted)
        if not self._types:
            raise UsageError("() is no error type: give those that there may be, (CardDeclined, CardExpired)")
        if isinstance(self.message, str) and not self.message:
            raise UsageError("'' is contained in every message: leave it out; of an empty one say re.compile('^$')")

    def matches(self, error: ErrorDetails | None) -> bool:
        if error is None:
            return self.type is None and self.message is None and self.data is None
        return self._type_matches(error.type) and self._message_matches(error.message) and self._data_matches(error)

    def details(self, error: ErrorDetails | None) -> str:
        """What the one-line form of an error leaves out, if the pattern asks for it."""
        if error is None:
            return ""
        namesake = error.type is not None and not self._type_matches(error.type) and self._is_namesake(error.type)
        full = f", recorded as {error.type!r}" if namesake else ""
        return full if self.data is None else f"{full}, data {show(error.data)}"

    def __str__(self) -> str:
        """As the tail of a sentence: `` with PaymentDeclined and a message containing 'expired'``, or nothing."""
        data = "" if self.data is None else f"data == {show(self.data)}"
        parts = [part for part in (self._type_text(), self._message_text(), data) if part]
        return f" with {' and '.join(parts)}" if parts else ""

    @property
    def _types(self) -> tuple[object, ...]:
        return self.type if isinstance(self.type, tuple) else (self.type,)

    @cached_property
    def _names_of_classes(self) -> frozenset[str]:
        """What may be recorded as the type of an error of the wanted classes and their subclasses."""
        families = (_family(wanted) for wanted in self._types if isinstance(wanted, type))
        return frozenset(name for family in families for cls in family for name in _names(cls))

    def _type_matches(self, recorded: str | None) -> bool:
        return recorded in self._names_of_classes or any(_type_matches(wanted, recorded) for wanted in self._types)

    def _is_namesake(self, recorded: str) -> bool:
        """Whether only the modules of a wanted and the recorded type differ, which short names do not show."""
        names = [wanted.__name__ if isinstance(wanted, type) else str(wanted) for wanted in self._types]
        return short_type(recorded) in map(short_type, names)

    def _message_matches(self, recorded: str | None) -> bool:
        wanted = self.message
        if isinstance(wanted, str):
            return wanted in (recorded or "")
        if isinstance(wanted, re.Pattern):
            return wanted.search(recorded or "") is not None
        return wanted is None or bool(wanted == recorded)

    def _data_matches(self, error: ErrorDetails) -> bool:
        return self.data is None or any(bool(self.data == value) for value in _readings(error.data))

    def _type_text(self) -> str:
        return "" if self.type is None else " or ".join(map(_type_text, self._types))

    def _message_text(self) -> str:
        if self.message is None:
            return ""
        if isinstance(self.message, re.Pattern):
            return f"a message matching {self.message.pattern!r}"
        how = "containing" if isinstance(self.message, str) else "=="
        return f"a message {how} {show(self.message)}"


def _check_type(wanted: object) -> None:
    if isinstance(wanted, BaseException):
        raise UsageError(f"{wanted!r} is an exception; give its class, and its text as message=")
    if isinstance(wanted, re.Pattern):
        raise UsageError(f"{wanted!r} stands where the error's type belongs; give a pattern for its text as message=")
    if isinstance(wanted, type) and not issubclass(wanted, BaseException):
        raise UsageError(f"{wanted!r} is no class of exceptions, so no error has it as its type")


def _type_matches(wanted: object, recorded: str | None) -> bool:
    """Classes are compared by their names, all at once."""
    if isinstance(wanted, type):
        return False
    if isinstance(wanted, str):
        return recorded is not None and wanted in (recorded, short_type(recorded))
    return wanted is None or bool(wanted == recorded)


def _family(cls: type) -> Iterator[type]:
    """The class and all classes below it, as far as they are loaded."""
    yield cls
    subclasses: list[type] = type.__subclasses__(cls)
    for subclass in subclasses:
        yield from _family(subclass)


def _names(cls: type) -> tuple[str, ...]:
    """What is recorded depends on the version of the SDK."""
    return cls.__name__, cls.__qualname__, f"{cls.__module__}.{cls.__qualname__}"


def _type_text(wanted: object) -> str:
    if isinstance(wanted, type):
        more = " (or a subclass)" if type.__subclasses__(wanted) else ""
        return wanted.__qualname__ + more
    return wanted if isinstance(wanted, str) else f"a type == {show(wanted)}"


def _readings(data: str | None) -> list[object]:
    """The recorded text, and what it means as JSON."""
    try:
        return [data, json.loads(data or "")]
    except ValueError:
        return [data]
