"""Stops an execution in the cloud, with the executions that it waits for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Event
from typing import Any

from botocore.exceptions import ClientError

from durabletest.cloud.aws_errors import is_not_found
from durabletest.model.history import History

TEST_ENDED = {"ErrorType": "durabletest", "ErrorMessage": "The test has ended"}


def stop_with_children(
    client: Any,
    arn: str,
    history: History,
    error: Mapping[str, Any],
    is_fresh: Callable[[], bool],
    poll_interval: float,
) -> None:
    """Stop an execution, then the open children in its history, with an ``ErrorObject`` as the reason.

    While the execution is fresh the service may not know it yet: the request is then repeated. Stopping an execution
    that has ended changes nothing. Raises what the client raises.
    """
    reason = {"Error": dict(error)} if error else {}
    while not _try_to_stop(client, arn, reason, is_fresh):
        Event().wait(poll_interval)
    for record in history.operations:
        if record.child_arn and not record.status.is_terminal:
            client.stop_durable_execution(DurableExecutionArn=record.child_arn, **reason)


def _try_to_stop(client: Any, arn: str, reason: Mapping[str, Any], is_fresh: Callable[[], bool]) -> bool:
    try:
        client.stop_durable_execution(DurableExecutionArn=arn, **reason)
    except ClientError as refusal:
        if is_not_found(refusal) and is_fresh():
            return False
        raise
    return True
