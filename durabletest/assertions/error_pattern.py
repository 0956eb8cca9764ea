"""Patterns that recorded errors match, by type, message and data."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property

from durabletest.assertions.check import short_type, show
from durabletest.errors import UsageError
from durabletest.model.records import ErrorDetails

__unittest = True
__tracebackhide__ = True

ErrorName = type[BaseException] | str
ErrorType = ErrorName | tuple[ErrorName, ...]
Message = str | re.Pattern[str]


@dataclass(frozen=True)
class ErrorPattern:
    """A type, a message and data, each of which matches any error if it is ``None``.

    ``type``: the service records only the name of an error's type. A string matches the whole name or its last dotted
    part; an exception class matches the names that may be recorded for it and for its subclasses, as far as they are
    imported; a tuple matches if one of its items does. ``message``: a string matches if it is contained, a compiled
    pattern if it is found. ``data`` is compared with the recorded text and, if that is JSON, with the value. All other
    objects, matchers for example, are compared with ``==``.
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
        """The part of the error that its one-line form leaves out and the pattern is about: module or data."""
        if error is None:
            return ""
        namesake = error.type is not None and not self._type_matches(error.type) and self._is_namesake(error.type)
        full = f", recorded as {error.type!r}" if namesake else ""
        return full if self.data is None else f"{full}, data {show(error.data)}"

    def __str__(self) -> str:
        """The end of a sentence, `` with PaymentDeclined and a message containing 'expired'``; empty for any error."""
        data = "" if self.data is None else f"data == {show(self.data)}"
        parts = [part for part in (self._type_text(), self._message_text(), data) if part]
        return f" with {' and '.join(parts)}" if parts else ""

    @property
    def _types(self) -> tuple[object, ...]:
        return self.type if isinstance(self.type, tuple) else (self.type,)

    @cached_property
    def _names_of_classes(self) -> frozenset[str]:
        """The names that versions of the SDK may record for the wanted classes and their subclasses."""
        classes: list[type] = [wanted for wanted in self._types if isinstance(wanted, type)]
        for cls in classes:
            classes.extend(type.__subclasses__(cls))  # while iterating, so that the loop visits them too
        return frozenset(
            name for cls in classes for name in (cls.__name__, cls.__qualname__, f"{cls.__module__}.{cls.__qualname__}")
        )

    def _type_matches(self, recorded: str | None) -> bool:
        return recorded in self._names_of_classes or any(_name_matches(wanted, recorded) for wanted in self._types)

    def _is_namesake(self, recorded: str) -> bool:
        """Whether a wanted type has the same short name: messages must then show the module too."""
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


def _name_matches(wanted: object, recorded: str | None) -> bool:
    if isinstance(wanted, type):
        return False  # it is among the names of all classes
    if isinstance(wanted, str):
        return recorded is not None and wanted in (recorded, short_type(recorded))
    return wanted is None or bool(wanted == recorded)


def _type_text(wanted: object) -> str:
    if isinstance(wanted, type):
        more = " (or a subclass)" if type.__subclasses__(wanted) else ""
        return wanted.__qualname__ + more
    return wanted if isinstance(wanted, str) else f"a type == {show(wanted)}"


def _readings(data: str | None) -> list[object]:
    """The recorded text and, if it is JSON, its value."""
    try:
        return [data, json.loads(data or "")]
    except ValueError:
        return [data]
