"""Scripted answers in real time: the world outside of an execution that runs in the cloud."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from botocore.exceptions import ClientError

from durabletest.cloud.refusals import code_of
from durabletest.errors import ConfigurationError
from durabletest.model.enums import OperationStatus
from durabletest.model.history import History
from durabletest.model.naming import callback_names, submitter_child
from durabletest.model.records import OperationRecord
from durabletest.scripts import Action, Answer, ScriptedCallback, ScriptRegistry, Use

REAL_DELAYS_VARIABLE = "DURABLETEST_REAL_DELAYS"
_REFUSED = frozenset({"CallbackTimeoutException", "ResourceNotFoundException", "InvalidParameterValueException"})


def real_delays() -> bool:
    """Whether scripted answers take as long as they say."""
    value = os.environ.get(REAL_DELAYS_VARIABLE, "")
    if value not in ("", "0", "1"):
        raise ConfigurationError(f"the environment variable {REAL_DELAYS_VARIABLE} is {value!r}: write 1 or 0")
    return value == "1"


@dataclass(frozen=True, slots=True)
class Due:
    """One action of a script, at a time of the caller's monotonic clock."""

    at: float
    use: Use
    action: Action
    operation_id: str


class CloudAnswers:
    """Plays the scripts against the callbacks of one execution.

    A callback is answered once it can be: that of a ``wait_for_callback`` when its submitter has succeeded. Unless the
    delays are real, they are left out; an answer that would have come after the callback's timeout is left out too, so
    that what times out in virtual time does so here. The answer for a callback that has ended before it was seen is
    used up, as it is in virtual time; not so if the execution is followed ``late`` and that was before the first look.
    """

    def __init__(self, client: Any, arn: str, scripts: ScriptRegistry, real: bool, late: bool) -> None:
        self._client = client
        self._arn = arn
        self._scripts = scripts
        self._real = real
        self._late = late
        self._known: set[str] = set()
        self._due: list[Due] = []
        self.left_out: dict[str, timedelta] = {}
        """The delays that were not waited for, by the id of the callback operation."""

    def look(self, history: History, now: float) -> None:
        """Find the callbacks that can be answered since the last look, or could have been in the meantime."""
        if self._late and history.operations:
            self._known |= {record.id for record in history.operations if record.status.is_terminal}
            self._late = False
        for record in history.operations:
            if record.callback_id is not None and record.id not in self._known and _is_decided(history, record):
                self._known.add(record.id)
                self._plan(record, callback_names(history, record), now)

    def act(self, now: float) -> None:
        """Do what is due."""
        due = [entry for entry in self._due if entry.at <= now]
        self._due = [entry for entry in self._due if entry.at > now]
        for entry in due:
            self._send(entry)

    def next_due(self) -> float | None:
        """When there is something to do next."""
        return min((entry.at for entry in self._due), default=None)

    def pending(self, now: float) -> Iterator[tuple[str, timedelta]]:
        """What is still to come: the callback operation's id, and how long it will take."""
        return ((entry.operation_id, timedelta(seconds=entry.at - now)) for entry in self._due)

    def _plan(self, record: OperationRecord, names: tuple[str, ...], now: float) -> None:
        name = names[0] if names else None
        callback = ScriptedCallback(
            record.callback_id or "", name, self._arn, record.timeout or None, record.heartbeat_timeout or None
        )
        use = self._scripts.take(names, callback)
        if use is None or record.status.is_terminal:
            return
        actions = _in_order(use.answer) if self._real else list(_in_time(use.answer, callback))
        delays = ((action.after.total_seconds() if self._real else 0.0, action) for action in actions)
        self._due += [Due(now + delay, use, action, record.id) for delay, action in delays]
        self._due.sort(key=lambda due: due.at)
        if actions and not self._real:
            self.left_out[record.id] = actions[-1].after

    def _send(self, due: Due) -> None:
        """An answer that the service refuses is the test's to assert on; the script keeps the service's words."""
        try:
            due.use.send(due.action, self._client)
        except ClientError as refusal:
            if code_of(refusal) not in _REFUSED:
                raise
            due.use.refused.append((due.action, str(refusal)))


def _in_order(answer: Answer) -> list[Action]:
    return sorted(answer.actions, key=lambda action: action.after)


def _in_time(answer: Answer, callback: ScriptedCallback) -> Iterator[Action]:
    """The actions that would have come before the callback timed out."""
    last = timedelta(0)
    for action in _in_order(answer):
        too_late = _at_least(action.after, callback.timeout)
        if too_late or _at_least(action.after - last, callback.heartbeat_timeout):
            return
        last = action.after
        yield action


def _at_least(delay: timedelta, seconds: int | None) -> bool:
    return seconds is not None and delay >= timedelta(seconds=seconds)


def _is_decided(history: History, record: OperationRecord) -> bool:
    """Whether it can be answered, or cannot any more."""
    return record.status.is_terminal or _is_submitted(history, record)


def _is_submitted(history: History, record: OperationRecord) -> bool:
    parent = history.parent(record)
    if parent is None or not parent.is_wait_for_callback:
        return True
    submitter = submitter_child(history, parent)
    return submitter is not None and submitter.status is OperationStatus.SUCCEEDED
