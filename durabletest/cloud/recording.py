"""The histories of a function's executions, as the service has them now."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from durabletest.cloud.aws import explained, is_not_found, unqualified
from durabletest.cloud.history_pages import HistoryPages
from durabletest.errors import UsageError
from durabletest.model.records import ExecutionStatus

OPEN = (ExecutionStatus.RUNNING, ExecutionStatus.PAUSING, ExecutionStatus.PAUSED)
"""The statuses of executions that go on, if not now."""
_VERSION = re.compile(r":(\$LATEST|\d+)$")


@dataclass(frozen=True, slots=True)
class RecordedExecution:
    """An execution with its events, payloads included."""

    arn: str
    name: str
    status: str
    started_at: datetime
    events: Sequence[dict[str, Any]]

    @property
    def version(self) -> str:
        """The version of the function that it started with."""
        return self.arn.partition("/durable-execution/")[0].rpartition(":")[2]


def recorded_executions(
    client: Any, function: str, statuses: Sequence[str] = (), limit: int | None = None
) -> Iterator[RecordedExecution]:
    """The executions of a function that have one of the statuses, the newest first; by default, those that go on.

    ``function`` is a name or an ARN. A version at its end means executions of that one only; an alias means all of
    them, as the service keeps executions by version. Executions that the service deletes meanwhile are left out. Raises
    a subclass of :class:`UsageError` if there is no such function, or it may not be read.
    """
    known = list(client.meta.service_model.shape_for("ExecutionStatus").enum)
    wanted = list(statuses) or [status for status in OPEN if status in known]
    unknown = [status for status in wanted if status not in known]
    if unknown:
        raise UsageError(f"the status {unknown[0]!r} is not one of {', '.join(known)}")
    try:
        for summary in _listed(client, function, list(map(str, wanted)), limit):
            arn = summary["DurableExecutionArn"]
            try:
                events = HistoryPages(client, arn).read_new()
            except ClientError as error:
                if is_not_found(error):
                    continue
                raise
            name, status = summary["DurableExecutionName"], summary["Status"]
            yield RecordedExecution(arn, name, status, summary["StartTimestamp"], events)
    except (BotoCoreError, ClientError) as error:
        raise explained(error, function) from error


def _listed(client: Any, function: str, statuses: list[str], limit: int | None) -> Iterator[dict[str, Any]]:
    pages = client.get_paginator("list_durable_executions_by_function")
    options = {} if limit is None else {"PaginationConfig": {"MaxItems": limit}}
    name = function if _VERSION.search(function) else unqualified(function)
    for page in pages.paginate(FunctionName=name, Statuses=statuses, **options):
        yield from page["DurableExecutions"]
