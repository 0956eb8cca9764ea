"""Stops executions in the cloud, with those below them: one by one, and all when the process ends or gets SIGTERM."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from _thread import interrupt_main
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from threading import Event, Thread, main_thread
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from durabletest.cloud.aws import is_not_found
from durabletest.cloud.history_pages import HistoryPages
from durabletest.errors import CloudServiceError
from durabletest.model.history import History
from durabletest.model.times import real_seconds

TEST_ENDED = {"ErrorType": "durabletest", "ErrorMessage": "The test has ended"}


def stop_with_children(
    client: Any,
    arn: str,
    error: Mapping[str, Any],
    *,
    ended: bool = False,
    children: Iterable[str] = (),
    is_fresh: Callable[[], bool] = lambda: False,
    poll_interval: float = 0.0,
) -> dict[str, Exception]:
    """Stop an execution unless it has ended, then its open children and theirs, with an ``ErrorObject`` as the reason.

    ``children`` are the ARNs of those that are known; those that an execution has invoked since are read from its
    history. The loser of a race is still open when its parent has ended. While the execution is fresh the service may
    not know it yet: the request is then repeated. Returns the errors of requests that failed, by the ARN of the
    execution that may still run.
    """
    failures: dict[str, Exception] = {}
    if not ended:
        try:
            while not _try_to_stop(client, arn, error, is_fresh):
                Event().wait(poll_interval)
        except (BotoCoreError, ClientError) as failure:
            failures[arn] = failure
        children = dict.fromkeys([*children, *open_children(_history(client, arn))])
    for child in children:
        history = _history(client, child)
        failures |= stop_with_children(
            client, child, error, ended=history.execution.ended, children=open_children(history)
        )
    return failures


def open_children(history: History) -> list[str]:
    """The ARNs of invoked executions whose ends are not recorded, not even if their parent has ended."""
    return [
        record.child_arn
        for record in history.operations
        if record.child_arn and record.events[-1]["EventType"] == "ChainedInvokeStarted"
    ]


def not_stopped(failures: Mapping[str, Exception]) -> str:
    """The message about executions that could not be stopped, by their ARNs."""
    lines = "\n".join(f"  {arn}: {error}" for arn, error in failures.items())
    return f"these executions may still run, because they could not be stopped:\n{lines}"


def _history(client: Any, arn: str) -> History:
    """The history of an execution; empty if it cannot be read, which does not keep it from being stopped."""
    with suppress(Exception):
        return History(HistoryPages(client, arn).read_new())
    return History()


def _try_to_stop(client: Any, arn: str, error: Mapping[str, Any], is_fresh: Callable[[], bool]) -> bool:
    """Whether the execution was stopped or has ended; False if it is not known yet."""
    try:
        client.stop_durable_execution(DurableExecutionArn=arn, **({"Error": dict(error)} if error else {}))
    except ClientError as refusal:
        if not _has_ended(client, arn):
            if is_not_found(refusal) and is_fresh():
                return False
            raise
    return True


def _has_ended(client: Any, arn: str) -> bool:
    with suppress(BotoCoreError, ClientError):
        return "EndTimestamp" in client.get_durable_execution(DurableExecutionArn=arn)
    return False


# --- when the process ends ---

Stop = Callable[[float | None], dict[str, Exception]]
"""Stops all running executions of a runner, within that many seconds unless it is None.

Returns the errors, by the ARN of what may still run.
"""

INTERRUPTED_SECONDS = 10.0
"""How long stopping may take when a test was interrupted, whose user can interrupt it again."""
WORKER_SECONDS = 2.5
"""The same in a worker of pytest-xdist, which has five seconds left if only its controller was interrupted."""
AGAIN_SECONDS = 1.0
"""The same when it was tried before, to say in the report what could not be stopped."""
REPORT_SECONDS = 10.0
"""How long the report of an interruption may take."""
_open: list[tuple[int, Stop]] = []
"""With the id of the process, whose forked children stop nothing."""
_terminated = Event()
_tried = Event()
"""Set when a process that is being terminated could not stop all."""


def register(stop: Stop) -> None:
    """Call ``stop`` if the process ends or is terminated before ``unregister`` was called.

    SIGTERM is handled where nothing else handles it: the executions are stopped, then it ends the process as it would
    have done at once. A second one does not wait for that.
    """
    if not _open:
        atexit.register(_stop_at_exit)
    with suppress(ValueError):  # not in the main thread
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _on_sigterm)
    _open.append((os.getpid(), stop))


def unregister(stop: Stop) -> None:
    _open[:] = [entry for entry in _open if entry[1] != stop]
    if not _open:
        atexit.unregister(_stop_at_exit)
        with suppress(ValueError):
            if signal.getsignal(signal.SIGTERM) is _on_sigterm:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)


def interrupted_seconds() -> float:
    """How long stopping may take when a test was interrupted, or its process is being terminated."""
    if _tried.is_set():
        return AGAIN_SECONDS
    return WORKER_SECONDS if "PYTEST_XDIST_WORKER" in os.environ else INTERRUPTED_SECONDS


def refuse_start() -> None:
    """Raise :class:`CloudServiceError` if the process is being terminated."""
    if _terminated.is_set():
        raise CloudServiceError("the process is being terminated by SIGTERM: nothing is started any more")


def _stop_at_exit() -> None:
    """In the main thread, since no thread can be started when the interpreter ends."""
    _tell(_stop_all(None))


def _tell(failures: Mapping[str, Exception]) -> None:
    if failures:
        sys.stderr.write(f"durabletest: {not_stopped(failures)}\n")
        sys.stderr.flush()


def _stop_all(seconds: float | None) -> dict[str, Exception]:
    end = None if seconds is None else real_seconds() + seconds
    failures: dict[str, Exception] = {}
    for stop in [stop for process, stop in _open if process == os.getpid()]:
        failures |= stop(None if end is None else max(0.0, end - real_seconds()))
    return failures


def _on_sigterm(signal_number: int, frame: Any) -> None:  # noqa: ARG001 - the signature of handlers
    """Stop in a second thread, as the main thread may hold locks that stopping needs."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _terminated.set()
    with suppress(RuntimeError):  # the interpreter ends, and all is being stopped
        Thread(target=_stop_and_terminate, name="durabletest-cloud-terminate", daemon=False).start()


def _interrupt_main_thread() -> None:
    """Raise KeyboardInterrupt there, by a signal where that is possible: it also ends a wait for a lock."""
    if hasattr(signal, "pthread_kill") and callable(signal.getsignal(signal.SIGINT)):
        signal.pthread_kill(main_thread().ident or 0, signal.SIGINT)
    else:
        interrupt_main()


def _stop_and_terminate() -> None:
    """End the process by SIGTERM; by KeyboardInterrupt if executions cannot be stopped.

    As its runner is closed, the interruption names them in a report, whereas standard error may be captured.
    """
    failures: Mapping[str, Exception] = {}
    try:
        failures = _stop_all(interrupted_seconds())
        if failures:
            _tried.set()
            _interrupt_main_thread()
            main_thread().join(REPORT_SECONDS)
    finally:
        if not failures or main_thread().is_alive():
            _tell(failures)
            os.kill(os.getpid(), signal.SIGTERM)
