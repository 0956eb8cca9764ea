"""Reads an execution's history from the service, page by page, and finds the events that are new."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from time import monotonic
from typing import Any

from botocore.exceptions import ClientError

from durabletest.cloud.aws_errors import error_code
from durabletest.errors import CloudServiceError

PAGE_SIZE = 1000
"""The most events that the service returns in one page."""
MAX_TRUNCATED = 5
"""So many truncated answers in a row are an error; botocore parses each as an answer without members."""
GAP_SECONDS = 5.0
"""How long a gap in the event ids makes each poll read the history from its beginning."""
_clock = [monotonic]
"""In a list, where freezegun does not look for it."""


class HistoryPages:
    """Each ``read_new`` returns the events, payloads included, that no call before has returned.

    It continues with the page that was last when it was read. Pages may overlap, arrive twice or be written in any
    order; events are identified by their ``EventId``; one without it gets the id after that of the event before it. If
    an id below the highest one is missing, its page was read before the event was written, and reading starts over: for
    a limited time, since the service does not promise consecutive ids.
    """

    def __init__(self, client: Any, arn: str) -> None:
        self._client = client
        self._arn = arn
        self._marker: str | None = None
        self._before_marker = 0
        self._seen: set[int] = set()
        self._missing = 0
        self._gap_since = 0.0
        self._truncated = 0

    def read_new(self) -> list[dict[str, Any]]:
        """The new events."""
        if self.has_gap:
            self._rewind()
        events = {event["EventId"]: event for page in self._pages() for event in page}
        new = [event for event_id, event in events.items() if event_id not in self._seen]
        self._seen.update(events)
        missing = max(self._seen, default=0) - len(self._seen)
        if missing != self._missing:
            self._missing, self._gap_since = missing, _clock[0]()
        return new

    @property
    def has_gap(self) -> bool:
        """Whether an event is missing that the next ``read_new`` may find."""
        return self._missing > 0 and _clock[0]() - self._gap_since < GAP_SECONDS

    def _rewind(self) -> None:
        self._marker, self._before_marker = None, 0

    def _pages(self) -> Iterator[list[dict[str, Any]]]:
        while True:
            page = self._page()
            if "Events" not in page:
                self._count_truncated()
                return
            self._truncated = 0
            last_id = self._before_marker
            for event in page["Events"]:
                last_id = event.setdefault("EventId", last_id + 1)
            yield page["Events"]
            following = page.get("NextMarker")
            if not following or following == self._marker:
                return
            self._marker, self._before_marker = following, last_id

    def _count_truncated(self) -> None:
        self._truncated += 1
        if self._truncated == MAX_TRUNCATED:
            raise CloudServiceError(
                f"the Lambda service's answers to GetDurableExecutionHistory break off: {MAX_TRUNCATED} in a row had "
                "no end"
            )

    def _page(self) -> Mapping[str, Any]:
        try:
            return self._read()
        except ClientError as error:
            if self._marker is None or error_code(error) != "InvalidParameterValueException":
                raise
            self._rewind()
            return self._read()

    def _read(self) -> Mapping[str, Any]:
        marker = {} if self._marker is None else {"Marker": self._marker}
        page: Mapping[str, Any] = self._client.get_durable_execution_history(
            DurableExecutionArn=self._arn, IncludeExecutionData=True, MaxItems=PAGE_SIZE, **marker
        )
        return page
