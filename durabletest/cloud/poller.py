"""Polls one execution in the cloud until it ends, in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from threading import Event, Lock, RLock, Thread, Timer
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from durabletest import errors
from durabletest.cloud.answers import CallbackAnswers
from durabletest.cloud.aws import arn_and_link, explained, is_not_found, is_outage
from durabletest.cloud.cloudwatch import CloudWatchLogs
from durabletest.cloud.history_pages import HistoryPages, last_seen
from durabletest.cloud.stopping import open_children, stop_with_children
from durabletest.model.history import History, execution_name, execution_title, title
from durabletest.model.lookup import listing
from durabletest.model.records import OperationRecord
from durabletest.model.times import real_seconds, span
from durabletest.model.wait_for_data import Watch, resolve
from durabletest.progress import ProgressLine
from durabletest.scripts import ScriptRegistry

FRESH_SECONDS = 30.0
"""How long parts of the service may not know of the start of an execution, or of its end."""
IDLE_POLLS = 10
"""The number of polls without new events after which the service is asked for the status of the execution."""


@dataclass(frozen=True, slots=True)
class CloudContext:
    """The client and the settings that all executions of one runner share.

    ``interval`` is the time between two polls and ``timeout`` the limit of an execution, in real seconds. With
    ``real_delays`` scripted answers take as long as they say. ``unavailable`` is the error of what the cloud does not
    offer, ``logs`` the reader of logs, if there is one.
    """

    client: Any
    scripts: ScriptRegistry
    interval: float
    timeout: float
    real_delays: bool
    unavailable: type[errors.NotAvailableError]
    logs: CloudWatchLogs | None


class Poller:
    """Reads the history of one execution, answers its callbacks by script, and settles futures.

    ``ended`` is set when the execution has ended or polling was given up; in the second case ``error`` says why. The
    timeout is watched by a second thread, since the first one may be blocked by a slow answer. During an outage of the
    service polling goes on until the timeout.

    An execution that is ``owned`` was started by this runner, and is stopped when polling is given up. One that is
    followed ``late`` may have run for long before. ``on_child`` is called with the ARN of each execution that this one
    invokes, and returns its poller if there is one; an error while that answers a callback ends this one too.
    """

    def __init__(
        self, arn: str, context: CloudContext, *, owned: bool, late: bool, on_child: Callable[[str], Poller | None]
    ) -> None:
        self.arn = arn
        self.owned = owned
        self.ended = Event()
        self.error: Exception | None = None
        self.progress = ProgressLine(execution_name(arn))
        self.answers = CallbackAnswers(context.client, arn, context.scripts, context.real_delays, late)
        self._client = context.client
        self._interval, self._timeout = context.interval, context.timeout
        self._on_child = on_child
        self._pages = HistoryPages(context.client, arn, self.ended.is_set)
        self._history = History()
        self._children: set[str] = set()
        self._parents: list[Poller] = []
        self._answering = False
        self._lock = Lock()
        self._watches: list[Watch] = []
        self._new_events: list[Mapping[str, Any]] = []
        self._first_poll = Event()
        self._wake = Event()
        self._began = real_seconds()
        self._outage: Exception | None = None
        self._idle_polls = 0
        self._ended_since: float | None = None
        self._stopping = RLock()
        self.stopped = False
        self._thread = Thread(target=self._run, name="durabletest-cloud-poller", daemon=True)
        self._timer = Timer(self._timeout, self._time_out)
        self._timer.daemon = True

    def start(self) -> None:
        self._timer.start()
        self._thread.start()

    def close(self) -> None:
        """End polling; pending waits get a ``RunnerClosedError``."""
        self._finish(
            errors.RunnerClosedError(f"{execution_title(self.arn)} is followed no longer: its runner was closed")
        )

    def join(self, timeout: float) -> None:
        """Wait for the end of both threads, up to ``timeout`` seconds for each."""
        for thread in (self._timer, self._thread):
            thread.join(timeout)

    # --- for the threads of the test ---

    def wait_for_first_poll(self) -> None:
        """Return when the history was read once; raises the error that has prevented it."""
        self._first_poll.wait()
        if self.error is not None:
            raise self.error

    def take_new_events(self) -> list[Mapping[str, Any]]:
        with self._lock:
            taken, self._new_events = self._new_events, []
        return taken

    @property
    def saw_end(self) -> bool:
        """Whether the execution ended without being stopped."""
        return self.ended.is_set() and self.error is None

    def watch(self, watch: Watch) -> Future[OperationRecord]:
        """Settle the watch's future when its operation reaches the state, or no longer can."""
        with self._lock:
            self._watches.append(watch)
        if self.ended.is_set():
            self._settle_all()
        else:
            self._wake.set()
        return watch.future

    def stop(self, error: Mapping[str, Any]) -> dict[str, Exception]:
        """Stop what still runs of the execution and its children, once; ``error`` is the ``ErrorObject`` recorded.

        Returns the errors of requests that failed, by the ARN of the execution that may still run.
        """
        with self._stopping:
            if self.stopped:
                return {}
            with self._lock:
                ended, children = self._history.execution.ended, open_children(self._history)
            failures = stop_with_children(
                self._client,
                self.arn,
                error,
                ended=ended,
                children=children,
                is_fresh=self._is_fresh,
                poll_interval=self._interval,
            )
            self.stopped = not failures
            return failures

    def report_to(self, parent: Poller) -> None:
        """End a parent's polling too if an answer to a callback of this execution fails."""
        self._parents.append(parent)
        if self._answering and self.error is not None:
            parent._give_up(self.error)

    # --- the polling thread ---

    def _run(self) -> None:
        try:
            while not self.ended.is_set():
                try:
                    self._poll()
                    self._outage = None
                    self._sleep_until_next_poll()
                except (BotoCoreError, ClientError) as error:
                    if not is_outage(error):
                        raise
                    self._outage = error
                    self.ended.wait(self._interval)
        except Exception as error:
            failure = self._failure(error)
            self._give_up(failure, None if failure is error else error)
            if self._answering:
                for parent in self._parents:
                    parent._give_up(failure)
        finally:
            self._settle_all()

    def _failure(self, error: Exception) -> Exception:
        """The error for the test; an assertion that fails in a script is the test's own."""
        if isinstance(error, errors.DurableTestError | AssertionError):
            return error
        if isinstance(error, BotoCoreError | ClientError):
            return explained(error)
        return errors.OrchestratorError(f"{execution_title(self.arn)} cannot be followed: {error!r}")

    def _poll(self) -> None:
        try:
            new = self._pages.read_new()
        except ClientError as error:
            if not (is_not_found(error) and self._is_fresh()):
                raise
            new = []
        self._idle_polls = 0 if new else self._idle_polls + 1
        with self._lock:
            self._new_events += new
            self._history.extend(new)
        if new:
            self._first_poll.set()
        self._answering = True
        self.answers.find_callbacks(self._history, real_seconds())
        self._send_answers()
        self._announce_children()
        if self.progress.is_shown:
            self.progress.show(last_seen(self._history))
        self._settle()
        if self._history.execution.ended and not self._pages.has_gap:
            self._finish(None)
        elif self._idle_polls and self._idle_polls % IDLE_POLLS == 0:
            self._check_status()

    def _sleep_until_next_poll(self) -> None:
        """Wait for the next poll; scripted answers that become due and new watches interrupt the wait."""
        end = real_seconds() + self._interval
        while not self.ended.is_set() and (now := real_seconds()) < end:
            due = self.answers.next_due()
            self._wake.wait(max(0.0, min(end if due is None else due, end) - now))
            self._wake.clear()
            self._settle()
            self._send_answers()

    def _send_answers(self) -> None:
        self._answering = True
        self.answers.send_due(real_seconds())
        self._answering = False

    def _announce_children(self) -> None:
        for record in self._history.operations:
            if record.child_arn is not None and record.child_arn not in self._children:
                self._children.add(record.child_arn)
                child = self._on_child(record.child_arn)
                if child is not None:
                    child.report_to(self)

    def _check_status(self) -> None:
        """Raise if the execution ended a while ago and its history does not show how."""
        try:
            execution = self._client.get_durable_execution(DurableExecutionArn=self.arn)
        except ClientError as error:
            if is_not_found(error) and self._is_fresh():
                return
            raise
        if "EndTimestamp" not in execution:
            return
        if self._ended_since is None:
            self._ended_since = real_seconds()
        if real_seconds() - self._ended_since >= FRESH_SECONDS:
            last = self._history.events[-1].get("EventType") if self._history.events else None
            raise errors.CloudHistoryError(
                f"{execution_title(self.arn)} is {execution['Status']!r}, and its history ends with {last!r}: this "
                f"version of durabletest does not know what that means\n{arn_and_link(self.arn)}\n"
                f"{listing(self._history)}"
            )

    def _is_fresh(self) -> bool:
        return real_seconds() - self._began < FRESH_SECONDS

    def _time_out(self) -> None:
        if self._outage is not None:
            self._give_up(explained(self._outage), self._outage)
            return
        limit = span(timedelta(seconds=self._timeout))
        stopped = ", and was stopped" if self.owned else ""
        history = self._history
        unfinished = [record for record in history.operations if not record.status.is_terminal]
        awaited = [title(history, record) for record in unfinished if not history.children(record)]
        waits = f"It waits for {', '.join(awaited)}.\n" if awaited else ""
        message = f"{execution_title(self.arn)} did not end within {limit}, its cloud timeout{stopped}"
        self._give_up(errors.CloudTimeoutError(f"{message}\n{arn_and_link(self.arn)}\n{waits}{listing(history)}"))

    def _give_up(self, error: Exception, cause: Exception | None = None) -> None:
        """End with an error, and stop an owned execution; if that fails, the runner tries again when it is closed."""
        if cause is not None:
            error.__cause__ = cause
        if self.arn not in str(error):
            error.add_note(arn_and_link(self.arn))
        with self._stopping:
            if self._finish(error) and self.owned:
                self.stop({"ErrorType": type(error).__name__, "ErrorMessage": str(error).partition("\n")[0]})

    def _finish(self, error: Exception | None) -> bool:
        """Set the end, unless it was set before."""
        with self._lock:
            if self.ended.is_set():
                return False
            self.error = error
            self.ended.set()
        self._timer.cancel()
        self._first_poll.set()
        self._wake.set()
        self._pages.wake()
        self._settle_all()
        return True

    # --- watches, which the threads of the test add ---

    def _settle(self) -> None:
        still_open = resolve(self._take_watches(), self._history, ended=False)
        with self._lock:
            self._watches += still_open

    def _settle_all(self) -> None:
        watches = self._take_watches()
        if self.error is None:
            resolve(watches, self._history, ended=True)
            return
        for watch in watches:
            if watch.future.set_running_or_notify_cancel():
                watch.future.set_exception(self.error)

    def _take_watches(self) -> list[Watch]:
        with self._lock:
            taken, self._watches = self._watches, []
        return taken
