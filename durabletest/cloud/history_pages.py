"""Reads the new events of an execution's history from the service, the newest page first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from botocore.exceptions import ClientError

from durabletest.cloud.aws import error_code
from durabletest.cloud.history_quota import history_quota
from durabletest.errors import CloudServiceError
from durabletest.model.history import History, title
from durabletest.model.times import real_seconds

PAGE_SIZE = 1000
"""The most events that the service returns in one page."""
RECENT = 5
"""The number of newest events that are read first, which is enough if the oldest of them follows a known one."""
MAX_TRUNCATED = 5
"""The number of truncated answers in a row that is an error; botocore parses each as an answer without members."""
GAP_SECONDS = 5.0
"""How long a missing event is looked for."""


class HistoryPages:
    """Each ``read_new`` returns the events, payloads included, that no call before has returned.

    It reads backwards, from the newest event to those that are known. Pages may overlap, arrive twice or be written in
    any order; events are identified by their ``EventId``. If an id below the highest one is missing, its page was read
    before the event was written, and the next call reads back to it: for a limited time, since the service does not
    promise consecutive ids. Where events have no ids, everything is read each time, and they are counted.

    Each page waits for its turn by the quota of the service. What is ``cancelled`` meanwhile returns no new events;
    without that function pages go before those of others.
    """

    def __init__(self, client: Any, arn: str, cancelled: Callable[[], bool] | None = None) -> None:
        self._client = client
        self._arn = arn
        self._quota = history_quota(client)
        self._cancelled = cancelled
        self._seen: set[int] = set()
        self._missing = 0
        self._gap_since = 0.0
        self._truncated = 0

    def read_new(self) -> list[dict[str, Any]]:
        """The new events, the oldest first."""
        known = next(number for number in count(1) if number not in self._seen) - 1 if self.has_gap else self._highest
        events = {event["EventId"]: event for event in self._back_to(known)}
        new = [event for event_id, event in events.items() if event_id not in self._seen]
        self._seen.update(events)
        missing = self._highest - len(self._seen)
        if missing != self._missing:
            self._missing, self._gap_since = missing, real_seconds()
        return new

    @property
    def has_gap(self) -> bool:
        """Whether an event is missing that the next ``read_new`` may find."""
        return self._missing > 0 and real_seconds() - self._gap_since < GAP_SECONDS

    @property
    def _highest(self) -> int:
        return max(self._seen, default=0)

    def _back_to(self, known: int) -> list[dict[str, Any]]:
        """The events after the one with that id, and maybe some before it, the oldest first."""
        try:
            return self._read(known, RECENT if known and not self.has_gap else PAGE_SIZE)
        except ClientError as error:
            if error_code(error) != "InvalidParameterValueException":
                raise
            return self._read(known, PAGE_SIZE)

    def _read(self, known: int, size: int) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        marker: str | None = None
        repeated = 0
        while repeated < 2:
            page = self._page(size, marker)
            if "Events" not in page:
                self._truncated += 1
                if self._truncated == MAX_TRUNCATED:
                    raise CloudServiceError(
                        "the Lambda service's answers to GetDurableExecutionHistory break off: "
                        f"{MAX_TRUNCATED} in a row had no end"
                    )
                break
            self._truncated = 0
            events[:0] = reversed(page["Events"])
            lowest = min((event.get("EventId", 0) for event in events), default=0)
            following = page.get("NextMarker")
            if not following or 0 < lowest <= known + 1:
                return _numbered(events)
            repeated = repeated + 1 if following == marker else 0
            marker = following
            size = min(PAGE_SIZE, lowest - known - 1) if lowest else PAGE_SIZE
        return [event for event in events if "EventId" in event]

    def wake(self) -> None:
        """Have a request that waits for its turn check whether it is cancelled."""
        if self._quota is not None:
            self._quota.wake()

    def _page(self, size: int, marker: str | None) -> Mapping[str, Any]:
        if self._quota is not None:
            urgent = self._cancelled is None or marker is not None
            if not self._quota.wait(self._cancelled or (lambda: False), urgent=urgent):
                return {"Events": []}
        page: Mapping[str, Any] = self._client.get_durable_execution_history(
            DurableExecutionArn=self._arn,
            IncludeExecutionData=True,
            ReverseOrder=True,
            MaxItems=size,
            **({} if marker is None else {"Marker": marker}),
        )
        return page


def _numbered(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give each event without an id the one after that of the event before it."""
    last = 0
    for event in events:
        last = event.setdefault("EventId", last + 1)
    return events


def last_seen(history: History) -> str:
    """The last operation that is open, or else the last one, with its status: ``step 'charge' SUCCEEDED``."""
    last = next((record for record in reversed(history.operations) if not record.status.is_terminal), None)
    last = last or next(reversed(history.operations), None)
    return "no operation yet" if last is None else f"{title(history, last)} {last.status}"
