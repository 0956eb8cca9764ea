"""Which recorded errors a test means, by type, message and data."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from durabletest.assertions.text import short_type, show
from durabletest.errors import UsageError
from durabletest.model.details import ErrorDetails

__unittest = True
__tracebackhide__ = True

ErrorType = type[BaseException] | str
Message = str | re.Pattern[str]


@dataclass(frozen=True)
class ErrorPattern:
    """An error type, a message and data to look for; ``None`` matches any.

    A name matches a recorded type as a whole or its last dotted part. A class matches the names that can be recorded
    for it. A message matches where it is contained, a compiled pattern where it is found, anything else by ``==``. Data
    is recorded as text; where that is JSON, the value that it stands for matches too.
    """

    type: object = None
    message: object = None
    data: object = None

    def __post_init__(self) -> None:
        if isinstance(self.type, BaseException):
            msg = f"{self.type!r} is an exception; give its class, and its text as message="
            raise UsageError(msg)
        if isinstance(self.type, re.Pattern):
            msg = f"{self.type!r} stands where the error's type belongs; give a pattern for its text as message="
            raise UsageError(msg)

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

    def _type_matches(self, recorded: str | None) -> bool:
        wanted = self.type
        if isinstance(wanted, type):
            return recorded in (wanted.__name__, wanted.__qualname__, f"{wanted.__module__}.{wanted.__qualname__}")
        if isinstance(wanted, str):
            return recorded is not None and wanted in (recorded, short_type(recorded))
        return wanted is None or bool(wanted == recorded)

    def _is_namesake(self, recorded: str) -> bool:
        """Whether only the modules of wanted and recorded type differ, which short names do not show."""
        wanted = self.type.__name__ if isinstance(self.type, type) else str(self.type)
        return short_type(wanted) == short_type(recorded)

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
        if self.type is None:
            return ""
        if isinstance(self.type, type):
            return self.type.__qualname__
        return self.type if isinstance(self.type, str) else f"a type == {show(self.type)}"

    def _message_text(self) -> str:
        if self.message is None:
            return ""
        if isinstance(self.message, re.Pattern):
            return f"a message matching {self.message.pattern!r}"
        how = "containing" if isinstance(self.message, str) else "=="
        return f"a message {how} {show(self.message)}"


def _readings(data: str | None) -> list[object]:
    """The recorded text, and what it means as JSON."""
    try:
        return [data, json.loads(data or "")]
    except ValueError:
        return [data]
