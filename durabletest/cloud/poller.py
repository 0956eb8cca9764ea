"""Reads the history of an execution piece by piece."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from durabletest.cloud.refusals import code_of
from durabletest.errors import CloudServiceError

PAGE = 1000
"""The most events that the service gives in one page."""
HALF_ANSWERS = 5
"""So many answers in a row may break off in the middle; botocore takes them for whole ones without any members."""
GAP_READS = 5
"""So many times in a row a gap in the numbers of the events makes the history be read from its beginning."""
_READ_HISTORY = "after-call.lambda.GetDurableExecutionHistory"
_HANDLER_ID = "durabletest-unknown-fields"


class HistoryPoller:
    """Each ``poll`` gives the events that no poll before has given, payloads included.

    It goes on where the last poll ended: the last page is read again, and those that follow it. Pages may overlap,
    arrive twice or be written in any order; events are told by their number. When a number is missing below the highest
    one, the page that it belongs to was read before it was written, and reading starts over: a few times, since the
    service does not promise that numbers have no gaps.
    """

    def __init__(self, client: Any, arn: str) -> None:
        self._client = client
        self._arn = arn
        self._marker: str | None = None
        self._seen: set[int] = set()
        self._missing = 0
        self._gap_reads = 0
        self._half_answers = 0

    def poll(self) -> list[dict[str, Any]]:
        """What is new."""
        if self.has_gap:
            self._marker = None
            self._gap_reads += 1
        events = {event["EventId"]: event for page in self._pages() for event in page}
        new = [event for event_id, event in events.items() if event_id not in self._seen]
        self._seen.update(events)
        self._count_missing()
        return new

    @property
    def has_gap(self) -> bool:
        """Whether an event is missing that another poll may bring."""
        return self._missing > 0 and self._gap_reads < GAP_READS

    def _count_missing(self) -> None:
        missing = max(self._seen, default=0) - len(self._seen)
        if missing != self._missing:
            self._missing, self._gap_reads = missing, 0

    def _pages(self) -> Iterator[list[dict[str, Any]]]:
        while True:
            page = self._page()
            if not self._is_whole(page):
                return
            yield page["Events"]
            following = page.get("NextMarker")
            if not following or following == self._marker:
                return
            self._marker = following

    def _is_whole(self, page: Mapping[str, Any]) -> bool:
        """Whether the answer has come to its end; the next poll goes on with this page if it has not."""
        self._half_answers = 0 if "Events" in page else self._half_answers + 1
        if self._half_answers == HALF_ANSWERS:
            raise CloudServiceError(
                f"the Lambda service's answers to GetDurableExecutionHistory break off: {HALF_ANSWERS} in a row had no "
                "end"
            )
        return self._half_answers == 0

    def _page(self) -> Mapping[str, Any]:
        try:
            return self._read()
        except ClientError as error:
            if self._marker is None or code_of(error) != "InvalidParameterValueException":
                raise
            self._marker = None
            return self._read()

    def _read(self) -> Mapping[str, Any]:
        marker = {} if self._marker is None else {"Marker": self._marker}
        page: Mapping[str, Any] = self._client.get_durable_execution_history(
            DurableExecutionArn=self._arn, IncludeExecutionData=True, MaxItems=PAGE, **marker
        )
        return page


# --- what the service says and this version of botocore does not know ---


def keep_unknown_fields(client: Any) -> None:
    """Have histories keep the fields that botocore's service model does not know yet, as the service wrote them."""
    if hasattr(client, "meta"):
        client.meta.events.register(_READ_HISTORY, _add_unknown, _HANDLER_ID, unique_id_uses_count=True)


def drop_unknown_fields(client: Any) -> None:
    """Undo ``keep_unknown_fields``."""
    if hasattr(client, "meta"):
        client.meta.events.unregister(_READ_HISTORY, _add_unknown, _HANDLER_ID, unique_id_uses_count=True)


def _add_unknown(http_response: Any, parsed: dict[str, Any], **_: Any) -> None:
    if "Events" in parsed:
        raw = json.loads(http_response.content)
        for event, original in zip(parsed["Events"], raw["Events"], strict=True):
            _merge(event, original)


def _merge(parsed: dict[str, Any], original: Mapping[str, Any]) -> None:
    for key, value in original.items():
        if isinstance(value, dict) and isinstance(parsed.get(key), dict):
            _merge(parsed[key], value)
        elif value is not None:
            parsed.setdefault(key, value)
