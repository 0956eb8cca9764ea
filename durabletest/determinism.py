"""The check that a handler does the same in each replay, and what it says about one that does not."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date, time
from typing import Protocol

from durabletest.errors import UsageError
from durabletest.local.replays import ReplayDifference, ReplayProbe
from durabletest.model.history import execution_title
from durabletest.result import TestResult

_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)
_TIME = re.compile(r"\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d")
_IN_A_STEP = "take it in a step: what a step returns is the same in each replay"


class ReplayingRunner(Protocol):
    """A runner that can have its executions replay."""

    def replaying(self, each: bool = False) -> AbstractContextManager[ReplayProbe]:
        """In the block, have executions replay."""
        ...


def complaint_about(runner: ReplayingRunner, execute: Callable[[], TestResult], each: bool) -> str | None:
    """Execute with forced replays; the report of the first thing that was not as before, None if all was.

    With ``each`` the handler replays after each operation, else once, from the state that its execution leaves.
    """
    with runner.replaying(each) as probe:
        result = execute()
    if not result.get_status().is_terminal:
        raise UsageError(f"{execution_title(result.arn)} has not ended: there is nothing to compare")
    return None if probe.difference is None else told(probe.difference)


def told(difference: ReplayDifference) -> str:
    """What differed, both values, and the usual cure."""
    subject, before, after = _words(difference)
    return (
        f"the handler does not do the same in each replay: {subject}\n"
        f"first run: {before}\n"
        f"   replay: {after}\n"
        f"{_cure(difference)}"
    )


def _words(difference: ReplayDifference) -> tuple[str, str, str]:
    operation, before, after = difference.operation, difference.before, difference.after
    match difference.what:
        case "missing":
            return f"{operation} was left out", str(operation), "the handler ended without it"
        case "operation":
            return f"{operation} was another operation", str(before), str(after)
        case "result" | "status" | "error":
            return f"its {difference.what} was another one", str(before), str(after)
    return f"{difference.what} of {operation} was another value", repr(before), repr(after)


def _cure(difference: ReplayDifference) -> str:
    match difference.what:
        case "missing":
            return (
                "Something that is not in the history decides whether the operation comes: the memory of the process, "
                f"the time, chance. If it is a value, {_IN_A_STEP}"
            )
        case "result" | "status" | "error":
            return (
                "A variable that a step changes, or the memory of the process, is not as it was before: in a replay, "
                f"the functions of steps do not run again. Use what steps return{_of_value(difference)}"
            )
    return f"Its value is not in the history{_of_value(difference)}: {_IN_A_STEP}"


def _of_value(difference: ReplayDifference) -> str:
    """What such a value usually is made by."""
    value, text = difference.before, str(difference.before)
    guess = None
    if _UUID.search(text):
        guess = "uuid4()"
    elif isinstance(value, date | time) or _TIME.search(text):
        guess = "datetime.now()"
    elif isinstance(value, float) or re.search(r"\b0\.\d{6,}", text):
        guess = "random() or time()"
    return "" if guess is None else f" (it looks like {guess} outside of a step)"
