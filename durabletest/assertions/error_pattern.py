"""Which recorded errors a test means, by type and message."""

from __future__ import annotations

import re
from dataclasses import dataclass

from durabletest.assertions.text import show
from durabletest.errors import UsageError
from durabletest.model.details import ErrorDetails

__unittest = True
__tracebackhide__ = True

ErrorType = type[BaseException] | str
Message = str | re.Pattern[str]


@dataclass(frozen=True)
class ErrorPattern:
    """An error type and a message to look for; ``None`` matches any.

    A name matches a recorded type as a whole or its last dotted part. A class matches the names that can be recorded
    for it. A message matches where it is contained, a compiled pattern where it is found, anything else by ``==``.
    """

    type: object = None
    message: object = None

    def __post_init__(self) -> None:
        if isinstance(self.type, BaseException):
            msg = f"{self.type!r} is an exception; give its class, and its text as message="
            raise UsageError(msg)

    def matches(self, error: ErrorDetails | None) -> bool:
        if error is None:
            return self.type is None and self.message is None
        return self._type_matches(error.type) and self._message_matches(error.message)

    def __str__(self) -> str:
        """As the tail of a sentence: `` with PaymentDeclined and a message containing 'expired'``, or nothing."""
        parts = [part for part in (self._type_text(), self._message_text()) if part]
        return f" with {' and '.join(parts)}" if parts else ""

    def _type_matches(self, recorded: str | None) -> bool:
        wanted = self.type
        if isinstance(wanted, type):
            return recorded in (wanted.__name__, wanted.__qualname__, f"{wanted.__module__}.{wanted.__qualname__}")
        if isinstance(wanted, str):
            return recorded is not None and wanted in (recorded, recorded.rpartition(".")[2])
        return wanted is None or wanted == recorded

    def _message_matches(self, recorded: str | None) -> bool:
        wanted = self.message
        if isinstance(wanted, str):
            return wanted in (recorded or "")
        if isinstance(wanted, re.Pattern):
            return wanted.search(recorded or "") is not None
        return wanted is None or wanted == recorded

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
