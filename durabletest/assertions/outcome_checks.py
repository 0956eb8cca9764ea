"""Checks of how something ended, for executions and operations alike: its status, its result and its error."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol, Self, TypeVar

from durabletest.assertions.check import (
    Claim,
    LazyText,
    are_short,
    brief,
    call,
    counted,
    evaluate,
    short_type,
    shortened,
    show,
)
from durabletest.assertions.compare import equals
from durabletest.assertions.time_checks import Timed, TimedSubject
from durabletest.errors import UsageError
from durabletest.model.execution_view import ExecutionView
from durabletest.model.metering import operations_of
from durabletest.model.payloads import json_or_text
from durabletest.model.records import ErrorDetails, ExecutionRecord, OperationRecord

__unittest = True
__tracebackhide__ = True

UNSET: object = type("_Unset", (), {"__repr__": lambda _: "<not given>"})()
"""The default of values to compare with, since ``None`` is one of them."""

_UNREAD = (
    "This is the text that was recorded, as the operation's own serialiser wrote it, which nothing that is known here "
    "reads: compare with the text, or assert on what is made of the value."
)


class Outcome(Timed, Protocol):
    """The facts about something that ends with a result or an error.

    The result ``is_undecoded`` if it is still the recorded text, because its serialiser is not known here.
    """

    @property
    def record(self) -> ExecutionRecord | OperationRecord: ...
    def has(self, status: str) -> bool: ...
    def result(self) -> object: ...
    @property
    def is_undecoded(self) -> bool: ...


OutcomeT = TypeVar("OutcomeT", bound=Outcome)


class OutcomeSubject(TimedSubject[OutcomeT]):
    """Something that ends with a status, and with a result or an error."""

    def succeeded(self, result: object = UNSET) -> Self:
        """It SUCCEEDED, with this result if one is given. Values are compared with ``==``, so matchers work."""
        if result is UNSET:
            return self._has_status("SUCCEEDED")
        return self._check(lambda facts: _has_result(facts, result, "succeeded", "SUCCEEDED with result"))

    def failed(self, error: ErrorType | None = None, message: Message | None = None, *, data: object = None) -> Self:
        """It FAILED, with an error of this type, message and data, as far as they are given.

        ``error`` is an exception class, which includes its subclasses, or the recorded name of the type or its last
        dotted part, or a tuple of those. ``message`` is a part of the message or a compiled pattern. ``data`` is
        compared with the recorded text and, if that is JSON, with its value.
        """
        pattern = ErrorPattern(error, message, data)
        return self._check(lambda facts: _failed(facts, pattern))

    def timed_out(self) -> Self:
        """It TIMED_OUT. So did a ``wait_for_callback`` that FAILED because the callback inside it TIMED_OUT."""
        return self._has_status("TIMED_OUT")

    def stopped(self) -> Self:
        """It was STOPPED."""
        return self._has_status("STOPPED")

    def result(self, value: object) -> Self:
        """It SUCCEEDED with this result, compared with ``==``."""
        return self._check(lambda facts: _has_result(facts, value, "result", "result"))

    def error(self, type: ErrorType | None = None, message: Message | None = None, *, data: object = None) -> Self:
        """Its last error, which a step has between two attempts too, is of this type, message and data.

        The arguments are those of ``failed``; without any, it has an error of any kind.
        """
        pattern = ErrorPattern(type, message, data)
        return self._check(lambda facts: _has_error(facts, pattern))

    def _has_status(self, status: str) -> Self:
        return self._check(lambda facts: _claim(facts, facts.has(status), status))


def _has_result(facts: Outcome, value: object, check: str, words: str) -> Claim:
    if not facts.has("SUCCEEDED"):
        return _claim(facts, False, lambda: f"{words} == {show(value)}")
    actual = facts.result()
    claim = equals(value, actual, "result", lambda: call(check, actual))
    return replace(claim, remedy=_UNREAD) if not claim.holds and facts.is_undecoded else claim


def _failed(facts: Outcome, pattern: ErrorPattern) -> Claim:
    error = facts.record.error
    holds = facts.has("FAILED") and pattern.matches(error)
    return _claim(facts, holds, lambda: f"FAILED{pattern}", lambda: pattern.details(error))


def _has_error(facts: Outcome, pattern: ErrorPattern) -> Claim:
    error = facts.record.error
    holds = error is not None and pattern.matches(error)
    claim = _claim(facts, holds, lambda: f"an error{pattern}", lambda: pattern.details(error))
    return claim if error is None else replace(claim, instead=lambda: error_check("error", error))


def _claim(facts: Outcome, holds: bool, expected: LazyText, details: LazyText = "") -> Claim:
    error = facts.record.error
    return Claim(
        holds,
        expected,
        lambda: facts.story + evaluate(details),
        lambda: facts.instead,
        lambda: facts.remedy,
        trace=error.stack_trace if error else (),
    )


def described(error: ErrorDetails, view: ExecutionView) -> str:
    """The error in one line, with the place of a value that its serialiser refused, which is not recorded."""
    place = view.refused_place(error)
    return brief(error) if place is None else f"{brief(error)} ({place})"


def status_check(status: str, error: ErrorDetails | None) -> str:
    """The check that passes for this status, as code."""
    return error_check("failed", error) if status == "FAILED" else call(status.lower())


def error_check(check: str, error: ErrorDetails | None) -> str:
    """A check that takes an error, with this one as its arguments: ``.failed('CardDeclined', 'card expired')``.

    A message that is empty, or too long for the code, is left out, so that the check passes as it is written.
    """
    error = error or ErrorDetails()
    type_ = None if error.type is None else short_type(error.type)
    if not error.message or not are_short(type_, error.message):
        return call(check) if type_ is None else call(check, type_)
    return call(check, type_, error.message)


@dataclass(frozen=True)
class ExecutionFacts:
    """The facts about an execution. They are read from its history each time, since it may go on."""

    view: ExecutionView

    @property
    def record(self) -> ExecutionRecord:
        return self.view.history().execution

    @property
    def story(self) -> str:
        error = self.record.error
        return f"{self.record.status} with {described(error, self.view)}" if error else str(self.record.status)

    @property
    def remedy(self) -> str:
        if self.record.ended:
            return ""
        return "It has not ended yet: wait for it with execution.result(timeout=...) first."

    @property
    def instead(self) -> str:
        return status_check(self.record.status, self.record.error)

    def has(self, status: str) -> bool:
        return self.record.status == status

    def result(self) -> object:
        return self.view.decode(self.record.result, None)

    @property
    def is_undecoded(self) -> bool:
        return False


def billed(facts: ExecutionFacts, expected: Any, *, at_most: bool) -> Claim:
    """The claim about the number of durable operations that are billed."""
    operations = operations_of(facts.view.history())
    actual = operations.total()
    wanted = f"{counted(expected, 'operation')} billed" if isinstance(expected, int) else f"number == {show(expected)}"
    most = shortened([f"{count} for {what}" for what, count in operations.most_common()], 5)
    return Claim(
        actual <= expected if at_most else bool(expected == actual),
        f"{'at most ' if at_most else ''}{wanted}",
        f"{counted(actual, 'operation')} billed: {', '.join(most)}",
        f".operations_billed({'at_most=' if at_most else ''}{actual})",
        lambda: facts.remedy,
    )


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
            if isinstance(wanted, BaseException):
                raise UsageError(f"{wanted!r} is an exception; give its class, and its text as message=")
            if isinstance(wanted, re.Pattern):
                raise UsageError(
                    f"{wanted!r} stands where the error's type belongs; give a pattern for its text as message="
                )
            if isinstance(wanted, type) and not issubclass(wanted, BaseException):
                raise UsageError(f"{wanted!r} is no class of exceptions, so no error has it as its type")
        if not self._types:
            raise UsageError("() is no error type: give those that there may be, (CardDeclined, CardExpired)")
        if isinstance(self.message, str) and not self.message:
            raise UsageError("'' is contained in every message: leave it out; of an empty one say re.compile('^$')")

    def matches(self, error: ErrorDetails | None) -> bool:
        if error is None:
            return self.type is None and self.message is None and self.data is None
        if not (self._type_matches(error.type) and self._message_matches(error.message)):
            return False
        return self.data is None or any(self.data == one for one in (error.data, json_or_text(error.data)))

    def details(self, error: ErrorDetails | None) -> str:
        """The part of the error that its one-line form leaves out and the pattern is about: module or data."""
        if error is None:
            return ""
        names = [short_type(wanted.__name__ if isinstance(wanted, type) else str(wanted)) for wanted in self._types]
        same_name = error.type is not None and short_type(error.type) in names and not self._type_matches(error.type)
        full = f", recorded as {error.type!r}" if same_name else ""
        return full if self.data is None else f"{full}, data {show(error.data)}"

    def __str__(self) -> str:
        """The end of a sentence, `` with PaymentDeclined and a message containing 'expired'``; empty for any error."""
        data = "" if self.data is None else f"data == {show(self.data)}"
        types = "" if self.type is None else " or ".join(map(_type_text, self._types))
        parts = [part for part in (types, self._message_text(), data) if part]
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

    def _message_matches(self, recorded: str | None) -> bool:
        wanted = self.message
        if isinstance(wanted, str):
            return wanted in (recorded or "")
        if isinstance(wanted, re.Pattern):
            return wanted.search(recorded or "") is not None
        return wanted is None or bool(wanted == recorded)

    def _message_text(self) -> str:
        if self.message is None:
            return ""
        if isinstance(self.message, re.Pattern):
            return f"a message matching {self.message.pattern!r}"
        how = "containing" if isinstance(self.message, str) else "=="
        return f"a message {how} {show(self.message)}"


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
