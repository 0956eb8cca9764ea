"""Pages: a part of the state, of a history or of a list, and the marker with which the next part is fetched."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from durabletest.local.server.journal import DETAILS, Operation, OperationCache
from durabletest.local.server.limits import size
from durabletest.local.server.service_model import modelled_error

PAGE_BYTES = 5_000_000
"""The first page of an invocation's state holds up to 5 MB (service behaviour)."""
DEFAULT_ITEMS = 100
"""The items of a page when the request does not say, or says 0 (API documentation)."""
_OVERHEAD_BYTES = 400

ItemT = TypeVar("ItemT")


class StatePages:
    """Cuts lists of operations into pages; a marker is valid during the invocation in which it was issued."""

    def __init__(self, page_size: int | None = None) -> None:
        self._page_size = page_size
        self._rest: dict[str, tuple[Sequence[Operation], int]] = {}
        self._sizes = OperationCache(_size)
        self._numbers = itertools.count(1)

    def forget(self) -> None:
        """Invalidate all markers, at the start of an invocation."""
        self._rest.clear()

    def first(self, operations: Sequence[Operation], limit: int | None = None) -> dict[str, Any]:
        """The first page: ``{"Operations": [...]}`` and ``NextMarker`` if there is more."""
        return self._page(operations, 0, limit)

    def next(self, marker: str, limit: int | None) -> dict[str, Any]:
        """The marker's page, which can be fetched again, as by a repeated request."""
        if marker not in self._rest:
            raise _invalid_marker(marker, "GetDurableExecutionState")
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
    """The approximate bytes of the operation on the wire; only what users put into it can be large."""
    details = operation.get(DETAILS[operation["Type"]], {})
    error = details.get("Error", {})
    texts = (details.get("Result"), details.get("InputPayload"), *error.values(), *error.get("StackTrace", ()))
    return _OVERHEAD_BYTES + sum(size(text) for text in texts if isinstance(text, str))


def list_page(
    items: Sequence[ItemT],
    backwards: bool,
    request: Mapping[str, Any],
    api_operation: str,
    wanted: Callable[[ItemT], bool] = lambda _: True,
) -> tuple[list[ItemT], dict[str, str]]:
    """The wanted items of the requested page, and ``{"NextMarker": ...}`` if there are more.

    The marker is the index of an item: items are only ever added at the end, so that it stays valid.
    """
    start = _index_of(request.get("Marker"), api_operation)
    last = len(items) - 1
    indexes = range(last if start is None else min(start, last), -1, -1) if backwards else range(start or 0, last + 1)
    count = request.get("MaxItems") or DEFAULT_ITEMS
    found = list(islice((index for index in indexes if wanted(items[index])), count + 1))
    return [items[index] for index in found[:count]], {"NextMarker": f"item-{found[-1]}"} if found[count:] else {}


def _index_of(marker: str | None, api_operation: str) -> int | None:
    if not marker:
        return None
    prefix, _, number = marker.partition("-")
    if prefix != "item" or not number.isdecimal():
        raise _invalid_marker(marker, api_operation)
    return int(number)


def _invalid_marker(marker: str, api_operation: str) -> ClientError:
    return modelled_error("InvalidParameterValueException", f"Invalid marker: {marker}", api_operation)
