"""Stops an execution in the cloud, with all executions below it that still run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Event
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from durabletest.cloud.aws_errors import is_not_found
from durabletest.cloud.history_pages import HistoryPages
from durabletest.errors import CloudServiceError
from durabletest.model.history import History

TEST_ENDED = {"ErrorType": "durabletest", "ErrorMessage": "The test has ended"}


def stop_with_children(
    client: Any,
    arn: str,
    history: History,
    error: Mapping[str, Any],
    is_fresh: Callable[[], bool] = lambda: False,
    poll_interval: float = 0.0,
) -> dict[str, Exception]:
    """Stop an execution unless it has ended, then its open children and theirs, with an ``ErrorObject`` as the reason.

    The loser of a race is still open when its parent has ended. While the execution is fresh the service may not know
    it yet: the request is then repeated. Returns the errors of requests that failed, by the ARN of the execution that
    may still run.
    """
    histories = {child: _history(client, child) for child in _open_children(history)}
    failures: dict[str, Exception] = {}
    if not history.execution.ended:
        try:
            while not _try_to_stop(client, arn, error, is_fresh):
                Event().wait(poll_interval)
        except (BotoCoreError, ClientError) as failure:
            failures[arn] = failure
    for child, history_of_child in histories.items():
        failures |= stop_with_children(client, child, history_of_child, error)
    return failures


def _open_children(history: History) -> list[str]:
    """The ARNs of invoked executions whose ends are not recorded, not even if their parent has ended."""
    return [
        record.child_arn
        for record in history.operations
        if record.child_arn and record.events[-1]["EventType"] == "ChainedInvokeStarted"
    ]


def _history(client: Any, arn: str) -> History:
    """The history of a child, empty if it cannot be read: the child can be stopped all the same."""
    with suppress(BotoCoreError, ClientError, CloudServiceError):
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
