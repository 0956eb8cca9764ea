"""Reads from CloudWatch what deployed functions log of an execution."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from threading import Event
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from durabletest.cloud.aws import error_code, logs_client
from durabletest.errors import DurableTestError
from durabletest.model.history import History
from durabletest.model.records import LogEntry

READS = 3
"""The most reads of a log that is still empty, since its lines arrive a few seconds late."""
READ_INTERVAL = 1.0
_MAX_REQUESTS = 20
_MARGIN = timedelta(seconds=10)
"""The largest difference expected between the clocks of the function and of the service."""
_IDS_IN_PATTERN = 20
"""A filter pattern may have 1,024 characters."""
_TEXT_LINE = re.compile(r"\[(?P<level>[A-Z]+)\]\t\S+\t(?P<request>[0-9a-f-]{36})\t(?P<message>.*)", re.DOTALL)
_PLATFORM = re.compile(r"(START|END|REPORT) RequestId: |INIT_START |RequestId: \S+ Error: ")
_ADVICE = {
    "AccessDeniedException": "the credentials do not permit logs:FilterLogEvents; allow it in their IAM policy, or "
    "leave cloud_logs out",
    "ResourceNotFoundException": "there is no such log group; write cloud_logs = 'the name of the function's log "
    "group'",
}


class CloudWatchLogs:
    """Reads the log group of each function, or one ``group`` for all; the first error becomes a log entry."""

    def __init__(self, group: str | None = None) -> None:
        self._group = group
        self._client: Any = None
        self._told = False

    def entries(self, arn: str, history: History) -> list[LogEntry] | None:
        """The log entries of an execution, the oldest first; None if they cannot be read."""
        try:
            for attempt in range(READS):
                found = sorted(self._read(arn, history), key=lambda entry: entry.time)
                if found or attempt == READS - 1:
                    return found
                Event().wait(READ_INTERVAL)
        except (BotoCoreError, ClientError, DurableTestError) as error:
            if not self._told:
                self._told = True
                return [LogEntry(0, "WARNING", "durabletest", _complaint(error), datetime.now(UTC))]
        return None

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def _read(self, arn: str, history: History) -> Iterator[LogEntry]:
        """Ask for all lines with the id of an invocation, or with the ARN of the execution."""
        if self._client is None:
            self._client = logs_client()
        ids = {invocation.request_id: invocation.index for invocation in history.invocations}
        function = (arn.split(":") + 7 * [""])[6]  # AWS's local test server has no real ARNs
        terms = [*list(ids)[-_IDS_IN_PATTERN:], arn.rpartition("/")[2]]
        request: dict[str, Any] = {
            "logGroupName": self._group or f"/aws/lambda/{function}",
            "filterPattern": " ".join(f'?"{term}"' for term in terms if term),
        }
        if history.execution.started_at is not None:
            request["startTime"] = int((history.execution.started_at - _MARGIN).timestamp() * 1000)
        pages = self._client.get_paginator("filter_log_events").paginate(**request)
        for page in islice(pages, _MAX_REQUESTS):
            yield from filter(None, (_entry(event, ids) for event in page.get("events", ())))


def _entry(event: Mapping[str, Any], ids: Mapping[str, int]) -> LogEntry | None:
    """The record of a line that the function has logged, as JSON or as text; None for a line of Lambda's own."""
    text = str(event["message"]).rstrip("\n")
    time = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
    try:
        fields = json.loads(text)
    except ValueError:
        fields = None
    if isinstance(fields, dict):
        if str(fields.get("type", "")).startswith("platform."):
            return None
        number = ids.get(str(fields.get("requestId")), len(ids) + 1)
        trace = fields.get("stackTrace") or fields.get("exception")
        traceback = "\n".join(trace) if isinstance(trace, list) else trace
        level, logger = str(fields.get("level", "INFO")), str(fields.get("logger", "root"))
        return LogEntry(number, level, logger, str(fields.get("message", text)), time, traceback or None, fields)
    if _PLATFORM.match(text):
        return None
    match = _TEXT_LINE.match(text)
    if match is None:
        return LogEntry(len(ids) or 1, "INFO", "stdout", text, time)
    return LogEntry(ids.get(match["request"], len(ids) + 1), match["level"], "root", match["message"], time)


def _complaint(error: Exception) -> str:
    advice = _ADVICE.get(error_code(error)) if isinstance(error, ClientError) else None
    return f"the function's log cannot be read: {f'{advice} ({error})' if advice else error}"
