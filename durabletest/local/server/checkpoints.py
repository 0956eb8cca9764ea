"""The checkpoints of one execution: its token, the batches of updates, and its state in pages."""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from durabletest.local.server.identifiers import IdSource
from durabletest.local.server.journal import DETAILS, ErrorObject, Operation, OperationCache, Update, error_of
from durabletest.local.server.operation_changes import OperationChanges, check_batch
from durabletest.local.server.quotas import Usage, size
from durabletest.local.server.service_model import RefusedError

if TYPE_CHECKING:
    from durabletest.local.server.execution_state import StartRequest
    from durabletest.local.server.function_invokes import InvokeManager

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
        self._sizes: OperationCache[int] = OperationCache()
        self._numbers = itertools.count(1)

    def forget(self) -> None:
        """Invalidate all markers, at the start of an invocation."""
        self._rest.clear()

    def next(self, marker: str, max_items: int | None) -> dict[str, Any]:
        """The marker's page, which can be fetched again, as by a repeated request."""
        if marker not in self._rest:
            raise _invalid_marker(marker)
        operations, start = self._rest[marker]
        return self.page(operations, max_items, start)

    def page(self, operations: Sequence[Operation], max_items: int | None = None, start: int = 0) -> dict[str, Any]:
        """The page that begins there: ``{"Operations": [...]}``, and ``NextMarker`` if there is more."""
        end = self._end_of_page(operations, start, max_items)
        page: dict[str, Any] = {"Operations": list(operations[start:end])}
        if end < len(operations):
            marker = f"page-{next(self._numbers)}"
            self._rest[marker] = operations, end
            page["NextMarker"] = marker
        return page

    def _end_of_page(self, operations: Sequence[Operation], start: int, max_items: int | None) -> int:
        allowed = min(count for count in (max_items, self._page_size, len(operations) - start) if count is not None)
        total = 0
        for index in range(start, start + allowed):
            total += self._sizes.of(operations[index], _size)
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
    number: Callable[[ItemT], int],
    wanted: Callable[[ItemT], bool] = lambda _: True,
) -> tuple[list[ItemT], dict[str, str]]:
    """The wanted items of the requested page, and ``{"NextMarker": ...}`` if there are more.

    The marker has the number of the next item; they are in the order of their numbers. So it stays valid when others
    come and go.
    """
    start = _number_in(request.get("Marker"))
    if backwards:
        end = len(items) if start is None else bisect_right(items, start, key=number)
        indexes = range(end - 1, -1, -1)
    else:
        indexes = range(0 if start is None else bisect_left(items, start, key=number), len(items))
    count = request.get("MaxItems") or DEFAULT_ITEMS
    found = list(islice((item for item in map(items.__getitem__, indexes) if wanted(item)), count + 1))
    return found[:count], {"NextMarker": f"item-{number(found[-1])}"} if found[count:] else {}


def _number_in(marker: str | None) -> int | None:
    if not marker:
        return None
    prefix, _, number = marker.partition("-")
    if prefix != "item" or not number.isdecimal():
        raise _invalid_marker(marker)
    return int(number)


def _invalid_marker(marker: str) -> RefusedError:
    return RefusedError("InvalidParameterValueException", f"Invalid marker: {marker}")


_CONCURRENT = frozenset({"Map", "Parallel"})
CLIENT_TOKEN_LIFE = timedelta(minutes=15)
"""How long a repeated request is known by its client token (API documentation)."""
_CLIENT_TOKENS = 100
"""How many are known at most; a client repeats a request before it sends many others."""


@dataclass(frozen=True, slots=True)
class ActiveInvocation:
    """The invocation that holds the checkpoint token."""

    request_id: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """A request that carried a client token, and its answer."""

    token: str
    updates: Sequence[Update]
    at: datetime
    answer: dict[str, Any]


class CheckpointManager:
    """Takes the checkpoints of one execution, and answers with its state.

    It also remembers what the running invocation has not acted upon: changes from outside (by a timer, a callback's
    answer, the end of a chained invoke) that no answer has carried to it yet, or that came after the branch which waits
    for them had suspended. An invocation that ends PENDING with such a change is followed by another one at once.
    """

    exceeded: Callable[[ErrorObject], None]
    """Called with the error that ends the execution, when a quota is exceeded; set by ``ExecutionManager._create``."""
    interrupted: Callable[[], None]
    """Called when a checkpoint was the last one of its invocation, because of a pause; set there, too."""

    def __init__(
        self,
        execution_id: str,
        request: StartRequest,
        changes: OperationChanges,
        invokes: InvokeManager,
        ids: IdSource,
    ) -> None:
        self._execution_id = execution_id
        self._invocation_type = request.invocation_type
        self._invokes = invokes
        self._ids = ids
        self._arn, self._now, self._announcements = changes.arn, changes.now, changes.announcements
        self._pages = StatePages(request.page_size)
        self._token: str | None = None
        self._released_token: str | None = None
        self._answered: dict[str, AnsweredRequest] = {}
        self._updated: dict[str, None] = {}
        """Changed from outside since the last invocation began, and not delivered to one by an answer."""
        self._undelivered: set[str] = set()
        """Changed from outside during this invocation, and in no answer yet."""
        self._unconsumed: set[str | None] = set()
        """The parents (None for the execution) of delivered changes that their branch has not acted upon."""
        self.changes = changes
        self.journal = changes.journal
        self.usage = Usage(request.quotas, self.journal)
        self.invocation: ActiveInvocation | None = None
        self.ends_with_next_checkpoint = False
        """Whether the invocation may write no more after its next checkpoint, whose answer has no token."""
        self.outcome: Update | None = None
        """The EXECUTION update of a handler whose result or error is too large to be returned."""

    # --- invocations ---

    def begin_invocation(self) -> dict[str, Any]:
        """Issue a token and return the event with which Lambda would invoke the handler, in datetimes.

        ``{"DurableExecutionArn", "CheckpointToken", "InitialExecutionState": {"Operations", "NextMarker"},
        "UpdatedOperationIds"}``, and ``"RequestId"``, which goes into the Lambda context.
        """
        self.invocation = ActiveInvocation(self._ids.request(), self._now())
        self._pages.forget()
        self.journal.take_changed()
        updated, self._updated = list(self._updated), {}
        self._undelivered.clear()
        self._unconsumed.clear()
        return {
            "DurableExecutionArn": self._arn,
            "CheckpointToken": self._renew_token(),
            "InitialExecutionState": {"NextMarker": "", **self._pages.page(list(self.journal.operations.values()))},
            "UpdatedOperationIds": updated,
            "RequestId": self.invocation.request_id,
        }

    def end_invocation(self, error: ErrorObject | None = None) -> None:
        """Take the token back and record the end of the invocation, if there is one; ``error`` made it fail."""
        self._token = None
        if self.invocation is not None:
            details: dict[str, Any] = {
                "StartTimestamp": self.invocation.started_at,
                "EndTimestamp": self._now(),
                "RequestId": self.invocation.request_id,
            }
            if error is not None:
                details["Error"] = error_of(error)
            self.journal.record("InvocationCompleted", details)
            self.invocation = None

    def release(self) -> None:
        """Let the running invocation send one more checkpoint after the execution's end; its answer has no token."""
        self._released_token = self._token

    def revoke(self) -> None:
        """Take nothing more from the running invocation."""
        self._token = None

    @property
    def has_unseen_changes(self) -> bool:
        """Whether something changed from outside that the invocation has not acted upon."""
        return bool(self._undelivered or self._unconsumed)

    # --- requests of the handler ---

    def checkpoint(self, token: str, updates: Sequence[Update], client_token: str | None) -> dict[str, Any]:
        """Apply one batch and answer with a new token and every operation that changed since the last answer.

        A batch is taken whole or refused whole. The same ``client_token`` gives the same answer again.
        """
        repeated = self._repeated(token, updates, client_token)
        if repeated is not None:
            return repeated
        if self._token is None and token == self._released_token:
            return {"NewExecutionState": {"Operations": []}}
        self._check_token(token)
        check_batch(self.journal.operations, updates, self._invocation_type)
        error = self.usage.checkpointed(updates)
        if error is not None:
            self.exceeded(error)
            return {"NewExecutionState": {"Operations": []}}
        for update in updates:
            self._apply(update)
            if self._token is None:  # what it led to has exceeded a quota
                return {"NewExecutionState": {"Operations": []}}
        if updates:
            self._announcements.changed(self._arn)
        answer = self._answer()
        if self.ends_with_next_checkpoint and self.outcome is None:
            self.interrupted()
        if client_token is not None:
            self._answered.pop(client_token, None)
            self._answered[client_token] = AnsweredRequest(token, updates, self._now(), answer)
            if len(self._answered) > _CLIENT_TOKENS:
                del self._answered[next(iter(self._answered))]
        return answer

    def _repeated(self, token: str, updates: Sequence[Update], client_token: str | None) -> dict[str, Any] | None:
        """The answer to a request that was taken before; its client token must not stand for another request."""
        first = self._answered.get(client_token or "")
        if first is None or self._now() - first.at > CLIENT_TOKEN_LIFE:
            return None
        if token not in (first.token, self._token):
            raise invalid_token()
        if updates != first.updates:
            text = f"ClientToken {client_token!r} was used for other updates"
            raise RefusedError("InvalidParameterValueException", text)
        return first.answer

    def state(self, token: str, marker: str | None, max_items: int | None) -> dict[str, Any]:
        """One page of the state; without a marker the first one."""
        self._check_token(token)
        if marker:
            return self._pages.next(marker, max_items)
        return self._pages.page(list(self.journal.operations.values()), max_items)

    def _apply(self, update: Update) -> None:
        if update["Type"] == "EXECUTION":
            self.outcome = update
            return
        if update["Type"] == "CHAINED_INVOKE" and update["Action"] == "START":
            self._invokes.start(self._arn, update)
        else:
            self.changes.apply(update)
        if self._unconsumed:
            self._acted_upon(update)

    def _acted_upon(self, update: Update) -> None:
        """The branch that went on to send ``update`` must have seen the end of whatever it had waited for.

        Branches of a flat map or parallel all send with the same parent, which then proves nothing.
        """
        self._unconsumed.discard(update["Id"])
        parent_id = update.get("ParentId")
        if self.journal.operations.get(parent_id or "", {}).get("SubType") not in _CONCURRENT:
            self._unconsumed.discard(parent_id)

    def _answer(self) -> dict[str, Any]:
        self._unconsumed |= {self.journal.operations[key].get("ParentId") for key in self._undelivered}
        self._updated = {key: None for key in self._updated if key not in self._undelivered}
        self._undelivered.clear()
        page = self._pages.page(self.journal.take_changed())
        if self.outcome is not None or self.ends_with_next_checkpoint:
            self._token = None
            return {"NewExecutionState": page}
        return {"CheckpointToken": self._renew_token(), "NewExecutionState": page}

    def _renew_token(self) -> str:
        self._token = self._ids.token(self._execution_id)
        return self._token

    def _check_token(self, token: str) -> None:
        if self._token is None or token != self._token:
            raise invalid_token()

    # --- changes from outside ---

    def change_from_outside(self, update: Update) -> None:
        """Apply a change that the handler did not send, and see to it that the handler learns of it."""
        self.changes.apply(update)
        self._updated[update["Id"]] = None
        self._announcements.changed(self._arn)
        if self.invocation is None:
            self._announcements.invocation_due(self._arn)
        else:
            self._undelivered.add(update["Id"])
        error = self.usage.changed(update)
        if error is not None:
            self.exceeded(error)


def invalid_token() -> RefusedError:
    return RefusedError("InvalidParameterValueException", "Invalid checkpoint token")
