"""Answers the callbacks of an execution in the cloud as their scripts say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from botocore.exceptions import ClientError

from durabletest.cloud.aws import error_code
from durabletest.errors import NeverUsedError
from durabletest.model.history import History, as_written, callback_names
from durabletest.model.records import OperationRecord
from durabletest.model.wait_for_data import is_submitted
from durabletest.scripts import Action, ScriptedCallback, ScriptRegistry, Use, refused

REAL_DELAYS_VARIABLE = "DURABLETEST_REAL_DELAYS"
"""Whether scripted answers wait for their ``after``."""
_REFUSED = frozenset({"CallbackTimeoutException", "ResourceNotFoundException", "InvalidParameterValueException"})


@dataclass(frozen=True, slots=True)
class DueAction:
    """One action of a script; ``at`` is in seconds of the monotonic clock."""

    at: float
    use: Use
    action: Action
    operation_id: str


class CallbackAnswers:
    """Sends the scripted answers to the callbacks of one execution.

    A callback is answered as soon as that is possible; for ``wait_for_callback``, when its submitter has succeeded.
    Delays are skipped unless they are ``real``, and so is an answer that would have come after the callback's timeout,
    so that the callback times out as it does in virtual time. A callback that had ended before it was first seen uses
    its answer up, as it does in virtual time, unless the execution is followed ``late`` and it had ended before the
    first poll. A refused answer that the execution still waits for is an error.
    """

    def __init__(self, client: Any, arn: str, scripts: ScriptRegistry, real: bool, late: bool) -> None:
        self._client = client
        self._arn = arn
        self._scripts = scripts
        self._real = real
        self._late = late
        self._known: set[str] = set()
        self._due: list[DueAction] = []
        self._refused: list[DueAction] = []
        self.skipped_delays: dict[str, timedelta] = {}
        """By the id of the callback operation."""

    def find_callbacks(self, history: History, now: float) -> None:
        """Schedule the answers for the callbacks that have become answerable, or have ended, since the last call.

        Raises :class:`NeverUsedError` if a callback is still open whose answer was refused before the history was read.
        """
        for entry in self._refused:
            if not (history.execution.ended or history.by_id(entry.operation_id).status.is_terminal):
                raise NeverUsedError(refused(entry.use, *entry.use.refused[-1]))
        self._refused.clear()
        if self._late and history.operations:
            self._known |= {record.id for record in history.operations if record.status.is_terminal}
            self._late = False
        for record in history.operations:
            new = record.callback_id is not None and record.id not in self._known
            if new and (record.status.is_terminal or is_submitted(history, as_written(history, record))):
                self._known.add(record.id)
                self._schedule(record, callback_names(history, record), now)

    def send_due(self, now: float) -> None:
        """Send the answers that are due; one whose request fails with an error of the client stays due."""
        while self._due and self._due[0].at <= now:
            self._send(self._due[0])
            self._due = self._due[1:]

    def next_due(self) -> float | None:
        """The time of the next answer, None if none is scheduled."""
        return min((entry.at for entry in self._due), default=None)

    def pending(self, now: float) -> Iterator[tuple[str, timedelta]]:
        """The scheduled answers: the id of the callback operation, and the time until then."""
        return ((entry.operation_id, timedelta(seconds=entry.at - now)) for entry in self._due)

    def _schedule(self, record: OperationRecord, names: tuple[str, ...], now: float) -> None:
        name = names[0] if names else None
        callback = ScriptedCallback(
            record.callback_id or "", name, self._arn, record.timeout or None, record.heartbeat_timeout or None
        )
        use = self._scripts.take(names, callback)
        if use is None or record.status.is_terminal:
            return
        actions = sorted(use.answer.actions, key=lambda action: action.after)
        if not self._real:
            actions = list(_in_time(actions, callback))
        delays = ((action.after.total_seconds() if self._real else 0.0, action) for action in actions)
        self._due += [DueAction(now + delay, use, action, record.id) for delay, action in delays]
        self._due.sort(key=lambda due: due.at)
        if actions and not self._real:
            self.skipped_delays[record.id] = actions[-1].after

    def _send(self, due: DueAction) -> None:
        """Send one answer; a refusal is recorded in the script, where the test can assert on it."""
        try:
            due.use.send(due.action, self._client)
        except ClientError as refusal:
            if error_code(refusal) not in _REFUSED:
                raise
            due.use.refused.append((due.action, str(refusal)))
            too_late = error_code(refusal) == "CallbackTimeoutException"
            if due.action.is_answer and not due.use.script.optional and not too_late:
                self._refused.append(due)


def _in_time(actions: Iterable[Action], callback: ScriptedCallback) -> Iterator[Action]:
    """The actions that would have come before the callback timed out."""
    last = timedelta(0)
    for action in actions:
        too_late = _at_least(action.after, callback.timeout)
        if too_late or _at_least(action.after - last, callback.heartbeat_timeout):
            return
        last = action.after
        yield action


def _at_least(delay: timedelta, seconds: int | None) -> bool:
    return seconds is not None and delay >= timedelta(seconds=seconds)
