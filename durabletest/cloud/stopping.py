"""Stops an execution in the cloud, with the executions that it waits for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Event
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

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
) -> dict[str, Exception]:
    """Stop an execution, then the open children in its history, with an ``ErrorObject`` as the reason.

    While the execution is fresh the service may not know it yet: the request is then repeated. Returns the errors of
    requests that failed, by the ARN of the execution that may still run.
    """
    reason = {"Error": dict(error)} if error else {}
    failures: dict[str, Exception] = {}
    try:
        while not _try_to_stop(client, arn, reason, is_fresh):
            Event().wait(poll_interval)
    except (BotoCoreError, ClientError) as failure:
        failures[arn] = failure
    for record in history.operations:
        if record.child_arn and not record.status.is_terminal:
            try:
                _try_to_stop(client, record.child_arn, reason, lambda: False)
            except (BotoCoreError, ClientError) as failure:
                failures[record.child_arn] = failure
    return failures


def _try_to_stop(client: Any, arn: str, reason: Mapping[str, Any], is_fresh: Callable[[], bool]) -> bool:
    """Whether the execution was stopped or has ended; False if it is not known yet."""
    try:
        client.stop_durable_execution(DurableExecutionArn=arn, **reason)
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
