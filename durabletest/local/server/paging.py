"""State in pages: what does not fit into one answer is fetched with the marker that the answer carries."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from durabletest.local.server.events import Operation
from durabletest.local.server.modelled import modelled_error
from durabletest.local.server.operations import DETAILS

PAGE_BYTES = 5_000_000
"""The first page of an invocation's state holds up to 5 MB (service behaviour)."""
_OVERHEAD_BYTES = 400


class StatePages:
    """Cuts lists of operations into pages; a marker belongs to the invocation in which it was given out."""

    def __init__(self, page_size: int | None = None) -> None:
        self._page_size = page_size
        self._rest: dict[str, Sequence[Operation]] = {}
        self._numbers = itertools.count(1)

    def forget(self) -> None:
        """A new invocation begins: markers of the last one are void."""
        self._rest.clear()

    def first(self, operations: Sequence[Operation], limit: int | None = None) -> dict[str, Any]:
        """The first page: ``{"Operations": [...]}`` and ``NextMarker`` if there is more."""
        count = self._fitting(operations, limit)
        page: dict[str, Any] = {"Operations": list(operations[:count])}
        if count < len(operations):
            marker = f"page-{next(self._numbers)}"
            self._rest[marker] = operations[count:]
            page["NextMarker"] = marker
        return page

    def next(self, marker: str, limit: int | None) -> dict[str, Any]:
        """The page that the marker stands for; it can be fetched again, as a repeated request does."""
        if marker not in self._rest:
            raise modelled_error(
                "InvalidParameterValueException", f"Invalid marker: {marker}", "GetDurableExecutionState"
            )
        return self.first(self._rest[marker], limit)

    def _fitting(self, operations: Sequence[Operation], limit: int | None) -> int:
        allowed = min(size for size in (limit, self._page_size, len(operations)) if size is not None)
        total = 0
        for count, operation in enumerate(operations[:allowed]):
            total += _size(operation)
            if total > PAGE_BYTES and count > 0:
                return count
        return allowed


def _size(operation: Operation) -> int:
    details = operation.get(DETAILS[operation["Type"]], {})
    error = details.get("Error", {})
    texts = (details.get("Result"), details.get("InputPayload"), *error.values())
    return _OVERHEAD_BYTES + sum(len(text) for text in texts if isinstance(text, str))
