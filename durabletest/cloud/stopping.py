"""Stops an execution in the cloud, with all executions below it that still run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from threading import Event
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from durabletest.cloud.aws_errors import is_not_found
from durabletest.cloud.history_pages import HistoryPages
from durabletest.model.history import History

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
    """The history of an execution, empty if it cannot be read: it can be stopped all the same."""
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
