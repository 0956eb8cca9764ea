"""State in pages: what does not fit into one answer is fetched with the marker that the answer carries."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from durabletest.local.server.events import Operation
from durabletest.local.server.modelled import modelled_error
from durabletest.local.server.operations import DETAILS, Kept
from durabletest.local.server.rules import size

PAGE_BYTES = 5_000_000
"""The first page of an invocation's state holds up to 5 MB (service behaviour)."""
DEFAULT_ITEMS = 100
"""How many items a page has when the request does not say; 0 does not say either (API documentation)."""
_OVERHEAD_BYTES = 400


class StatePages:
    """Cuts lists of operations into pages; a marker belongs to the invocation in which it was given out."""

    def __init__(self, page_size: int | None = None) -> None:
        self._page_size = page_size
        self._rest: dict[str, tuple[Sequence[Operation], int]] = {}
        self._sizes = Kept(_size)
        self._numbers = itertools.count(1)

    def forget(self) -> None:
        """A new invocation begins: markers of the last one are void."""
        self._rest.clear()

    def first(self, operations: Sequence[Operation], limit: int | None = None) -> dict[str, Any]:
        """The first page: ``{"Operations": [...]}`` and ``NextMarker`` if there is more."""
        return self._page(operations, 0, limit)

    def next(self, marker: str, limit: int | None) -> dict[str, Any]:
        """The page that the marker stands for; it can be fetched again, as a repeated request does."""
        if marker not in self._rest:
            raise modelled_error(
                "InvalidParameterValueException", f"Invalid marker: {marker}", "GetDurableExecutionState"
            )
        return self._page(*self._rest[marker], limit)

    def _page(self, operations: Sequence[Operation], start: int, limit: int | None) -> dict[str, Any]:
        end = self._end_of_page(operations, start, limit)
        page: dict[str, Any] = {"Operations": list(operations[start:end])}
        if end < len(operations):
            marker = f"page-{next(self._numbers)}"
            self._rest[marker] = operations, end
            page["NextMarker"] = marker
        return page

    def _end_of_page(self, operations: Sequence[Operation], start: int, limit: int | None) -> int:
        allowed = min(count for count in (limit, self._page_size, len(operations) - start) if count is not None)
        total = 0
        for index in range(start, start + allowed):
            total += self._sizes.of(operations[index])
            if total > PAGE_BYTES and index > start:
                return index
        return start + allowed


def _size(operation: Operation) -> int:
    """About what the operation takes on the wire; only what users put into it can be large."""
    details = operation.get(DETAILS[operation["Type"]], {})
    error = details.get("Error", {})
    texts = (details.get("Result"), details.get("InputPayload"), *error.values(), *error.get("StackTrace", ()))
    return _OVERHEAD_BYTES + sum(size(text) for text in texts if isinstance(text, str))
