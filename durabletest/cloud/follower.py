"""Follows one execution in the cloud from its start to its end, in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from threading import Event, Lock, RLock, Thread, Timer
from time import monotonic
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from durabletest.cloud.answers import CloudAnswers
from durabletest.cloud.console import whereabouts
from durabletest.cloud.poller import HistoryPoller
from durabletest.cloud.progress import Progress
from durabletest.cloud.refusals import explained, is_not_found
from durabletest.cloud.watches import Watches
from durabletest.errors import (
    CloudHistoryError,
    CloudTimeoutError,
    DurableTestError,
    OrchestratorError,
    RunnerClosedError,
)
from durabletest.model.history import History
from durabletest.model.lookup import listing
from durabletest.model.naming import execution_title, title
from durabletest.model.records import OperationRecord
from durabletest.model.times import span
from durabletest.model.wait_for_data import Watch
from durabletest.scripts import ScriptRegistry

_clock = [monotonic]
"""In a list, where a tool that freezes time does not look for it."""
FRESH_SECONDS = 30.0
"""For so long after its start an execution may be unknown to some part of the service."""
IDLE_POLLS = 10
"""After so many polls without news the service is asked whether the execution runs at all."""
LATE_ANSWERS = 3
"""So often it may say that the execution has ended before its history has to tell how."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How an execution is followed: real seconds between polls and for the whole run; whether scripts take time."""

    poll_interval: float
    timeout: float
    real_delays: bool = False


class Follower:
    """Polls the history, answers callbacks by script, and settles the futures of those who wait.

    ``ended`` is set at the end; ``error`` then says why the run is not to be trusted, if so. A run that takes longer
    than its timeout is ended from a second thread, since the first one may be waiting for a slow answer; it is stopped
    if it is ``owned``, that is if it was started here. One that is followed ``late`` may have run for long before.
    ``on_child`` is told the ARN of each execution that this one invokes.
    """

    def __init__(
        self,
        arn: str,
        client: Any,
        scripts: ScriptRegistry,
        pace: Pace,
        *,
        owned: bool,
        late: bool,
        on_child: Callable[[str], object],
    ) -> None:
        self.arn = arn
        self.owned = owned
        self.ended = Event()
        self.error: DurableTestError | None = None
        self.progress = Progress(arn)
        self.answers = CloudAnswers(client, arn, scripts, pace.real_delays, late)
        self._client = client
        self._pace = pace
        self._on_child = on_child
        self._poller = HistoryPoller(client, arn)
        self._history = History()
        self._children: set[str] = set()
        self._watches = Watches()
        self._lock = Lock()
        self._fresh: list[Mapping[str, Any]] = []
        self._looked = Event()
        self._wake = Event()
        self._began = _clock[0]()
        self._idle = 0
        self._late_answers = 0
        self._stopping = RLock()
        self._stopped = False
        self._thread = Thread(target=self._run, name="durabletest-cloud-poller", daemon=True)
        self._timer = Timer(pace.timeout, self._expire)
        self._timer.daemon = True

    def start(self) -> None:
        """Begin to follow."""
        self._timer.start()
        self._thread.start()

    def close(self, timeout: float = 5.0) -> None:
        """Follow no longer; who still waits is told."""
        self._finish(RunnerClosedError(f"{execution_title(self.arn)} is followed no longer: its runner was closed"))
        for thread in (self._timer, self._thread):
            thread.join(timeout)

    @property
    def running(self) -> bool:
        """Whether the execution runs, as far as it is known."""
        return not (self._stopped or self._history.execution.ended)

    # --- for the threads of the test ---

    def wait_for_first_look(self) -> None:
        """Return when the history was read once; raises what has made that impossible."""
        self._looked.wait()
        if self.error is not None:
            raise self.error

    def take_fresh(self) -> list[Mapping[str, Any]]:
        """The events that came since this was last asked."""
        with self._lock:
            fresh, self._fresh = self._fresh, []
        return fresh

    def watch(self, watch: Watch) -> Future[OperationRecord]:
        """Have the watch's future settled when its operation gets there, or cannot any more."""
        self._watches.add(watch)
        if self.ended.is_set():
            self._settle_all()
        else:
            self._wake.set()
        return watch.future

    def stop(self, error: Mapping[str, Any]) -> None:
        """Stop the execution in the cloud, and those that it waits for.

        Right after its start the service may not know it yet; one that has ended stays as it is.
        """
        reason = {"Error": dict(error)} if error else {}
        with self._stopping:
            if self._stopped:
                return
            while not self._try_to_stop(reason):
                Event().wait(self._pace.poll_interval)
            for child in self._open_children():
                self._client.stop_durable_execution(DurableExecutionArn=child, **reason)
            self._stopped = True

    def _try_to_stop(self, reason: Mapping[str, Any]) -> bool:
        try:
            self._client.stop_durable_execution(DurableExecutionArn=self.arn, **reason)
        except ClientError as refusal:
            if not self._may_come_to_be_known(refusal):
                raise
            return False
        return True

    def _open_children(self) -> list[str]:
        records = self._history.operations
        return [record.child_arn for record in records if record.child_arn and not record.status.is_terminal]

    # --- the thread that polls ---

    def _run(self) -> None:
        try:
            while not self.ended.is_set():
                self._turn()
                self._pause()
        except (BotoCoreError, ClientError) as error:
            self._give_up(explained(error), error)
        except DurableTestError as error:
            self._give_up(error)
        except Exception as error:
            self._give_up(OrchestratorError(f"{execution_title(self.arn)} cannot be followed: {error!r}"), error)
        finally:
            self._settle_all()

    def _turn(self) -> None:
        new = self._poll()
        self._idle = 0 if new else self._idle + 1
        with self._lock:
            self._fresh += new
        self._history.extend(new)
        if new:
            self._looked.set()
        now = _clock[0]()
        self.answers.look(self._history, now)
        self.answers.act(now)
        self._tell_of_children()
        self.progress.show(self._history)
        self._watches.settle(self._history)
        if self._history.execution.ended and not self._poller.has_gap:
            self._finish(None)
        elif self._idle and self._idle % IDLE_POLLS == 0:
            self._check_status()

    def _poll(self) -> list[dict[str, Any]]:
        try:
            return self._poller.poll()
        except ClientError as error:
            if self._may_come_to_be_known(error):
                return []
            raise

    def _pause(self) -> None:
        """Until the next poll is due; meanwhile scripted answers become due, and futures are asked for."""
        end = _clock[0]() + self._pace.poll_interval
        while not self.ended.is_set() and (now := _clock[0]()) < end:
            due = self.answers.next_due()
            self._wake.wait(max(0.0, min(end if due is None else due, end) - now))
            self._wake.clear()
            self._watches.settle(self._history)
            self.answers.act(_clock[0]())

    def _tell_of_children(self) -> None:
        for record in self._history.operations:
            if record.child_arn is not None and record.child_arn not in self._children:
                self._children.add(record.child_arn)
                self._on_child(record.child_arn)

    def _check_status(self) -> None:
        """An end that the history does not tell would be waited for until the timeout."""
        try:
            execution = self._client.get_durable_execution(DurableExecutionArn=self.arn)
        except ClientError as error:
            if self._may_come_to_be_known(error):
                return
            raise
        self._late_answers += "EndTimestamp" in execution
        if self._late_answers >= LATE_ANSWERS:
            last = self._history.events[-1]["EventType"] if self._history.events else None
            raise CloudHistoryError(
                f"{execution_title(self.arn)} is {execution['Status']!r}, and its history ends with {last!r}: this "
                f"version of durabletest does not know what that means\n{whereabouts(self.arn)}\n"
                f"{listing(self._history)}"
            )

    # --- the end ---

    def _expire(self) -> None:
        limit = span(timedelta(seconds=self._pace.timeout))
        stopped = ", and was stopped" if self.owned else ""
        self._give_up(
            CloudTimeoutError(
                f"{execution_title(self.arn)} did not end within {limit}, its cloud timeout{stopped}\n"
                f"{whereabouts(self.arn)}\n{_waited_for(self._history)}{listing(self._history)}"
            )
        )

    def _give_up(self, error: DurableTestError, cause: Exception | None = None) -> None:
        error.__cause__ = cause
        if self.arn not in str(error):
            error.add_note(whereabouts(self.arn))
        with (
            self._stopping,
            suppress(BotoCoreError, ClientError),
        ):  # what still runs is stopped again, loudly, at the end
            if self._finish(error) and self.owned:
                self.stop({"ErrorType": type(error).__name__, "ErrorMessage": str(error).splitlines()[0]})

    def _finish(self, error: DurableTestError | None) -> bool:
        """The end, unless it has come before."""
        with self._lock:
            if self.ended.is_set():
                return False
            self.error = error
            self.ended.set()
        self._timer.cancel()
        self._looked.set()
        self._wake.set()
        self._settle_all()
        return True

    def _settle_all(self) -> None:
        self._watches.settle_all(self._history, self.error)

    def _may_come_to_be_known(self, refusal: ClientError) -> bool:
        return is_not_found(refusal) and _clock[0]() - self._began < FRESH_SECONDS


def _waited_for(history: History) -> str:
    """The line that names what has not ended, contexts aside; empty if nothing is open."""
    names = [
        title(history, record)
        for record in history.operations
        if not record.status.is_terminal and not history.children(record)
    ]
    return f"It waits for {', '.join(names)}.\n" if names else ""
