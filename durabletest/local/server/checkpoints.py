"""The checkpoints of one execution: tokens, batches, what the handler was told, and its invocations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from durabletest.local.server.bounds import Bounds
from durabletest.local.server.events import EventProcessor
from durabletest.local.server.ids import IdSource
from durabletest.local.server.messages import Announce, Changed, InvocationDue
from durabletest.local.server.modelled import modelled_error
from durabletest.local.server.operations import OperationTable
from durabletest.local.server.paging import StatePages
from durabletest.local.server.rules import check_batch
from durabletest.local.server.transitions import Transitions, Update

_CONCURRENT = frozenset({"Map", "Parallel"})
_CLIENT_TOKEN_LIFE = timedelta(minutes=15)
"""For how long a repeated request is known by its client token (API documentation)."""
_CLIENT_TOKENS = 100
"""How many are known at most; a client sends a request again before it sends many others."""


@dataclass(frozen=True, slots=True)
class ActiveInvocation:
    """The invocation that holds the checkpoint token."""

    request_id: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that carried a client token, and the answer that it got."""

    token: str
    updates: Sequence[Update]
    at: datetime
    answer: dict[str, Any]


class CheckpointManager:
    """Processes the checkpoints of one execution and keeps its full state (R9.4, R10).

    It also remembers what the running invocation cannot know yet: changes from outside (a timer, a callback's answer,
    the end of a chained invoke) that no answer has carried to it, or that came after the branch which waits for them
    had suspended. An invocation that ends PENDING with such a change is followed by another one at once.
    """

    def __init__(
        self,
        execution_id: str,
        arn: str,
        *,
        operations: OperationTable,
        events: EventProcessor,
        transitions: Transitions,
        ids: IdSource,
        now: Callable[[], datetime],
        announce: Announce,
        page_size: int | None = None,
    ) -> None:
        self._execution_id = execution_id
        self._arn = arn
        self._ids = ids
        self._now = now
        self._announce = announce
        self._transitions = transitions
        self._pages = StatePages(page_size)
        self._token: str | None = None
        self._released_token: str | None = None
        self._answered: dict[str, Answered] = {}
        self._updated: dict[str, None] = {}
        self._undelivered: set[str] = set()
        self._unconsumed: set[str | None] = set()
        """The parents, None for the execution, of what has changed and was delivered after its branch suspended."""
        self.bounds = Bounds(arn, announce)
        self.operations = operations
        self.events = events
        self.invocation: ActiveInvocation | None = None
        self.outcome: Update | None = None

    # --- invocations ---

    def begin_invocation(self) -> dict[str, Any]:
        """Issue a token and give the event that Lambda would invoke the handler with, in datetimes (R10.4).

        ``{"DurableExecutionArn", "CheckpointToken", "InitialExecutionState": {"Operations", "NextMarker"},
        "UpdatedOperationIds"}``, and ``"RequestId"``, which goes into the Lambda context.
        """
        self.invocation = ActiveInvocation(self._ids.request(), self._now())
        self.bounds.invoked(len(self.operations.by_id) - 1)
        self._pages.forget()
        self.operations.take_changed()
        updated, self._updated = list(self._updated), {}
        self._undelivered.clear()
        self._unconsumed.clear()
        return {
            "DurableExecutionArn": self._arn,
            "CheckpointToken": self._renew_token(),
            "InitialExecutionState": {"NextMarker": "", **self._pages.first(list(self.operations))},
            "UpdatedOperationIds": updated,
            "RequestId": self.invocation.request_id,
        }

    def end_invocation(self, error: Mapping[str, Any] | None = None) -> None:
        """Take the token back and record the end of the invocation, if there is one."""
        self._token = None
        if self.invocation is not None:
            self.events.invocation_completed(self.invocation.request_id, self.invocation.started_at, error)
            self.invocation = None

    def release(self) -> None:
        """The execution ends while an invocation runs: its next checkpoint is answered, but without a token."""
        self._released_token = self._token

    def revoke(self) -> None:
        """The invocation is dead: nothing that it still sends is taken."""
        self._token = None

    @property
    def has_news(self) -> bool:
        """Whether something happened from outside that the invocation did not act upon."""
        return bool(self._undelivered or self._unconsumed)

    # --- what the handler sends ---

    def checkpoint(self, token: str, updates: Sequence[Update], client_token: str | None) -> dict[str, Any]:
        """Apply one batch and answer with a new token and every operation that changed since the last answer.

        A batch is taken whole or refused whole. The same ``client_token`` gives the same answer again.
        """
        repeated = self._repeated(token, updates, client_token)
        if repeated is not None:
            return repeated
        if self._token is None and token == self._released_token:
            return {"NewExecutionState": {"Operations": []}}
        self._check_token(token, "CheckpointDurableExecution")
        check_batch(self.operations.by_id, updates)
        for update in updates:
            self._apply(update)
        if updates:
            self._announce(Changed(self._arn))
            self.bounds.grew(len(self.operations.by_id) - 1)
        answer = self._answer()
        if client_token is not None:
            self._remember(client_token, Answered(token, updates, self._now(), answer))
        return answer

    def _remember(self, client_token: str, answered: Answered) -> None:
        self._answered.pop(client_token, None)
        self._answered[client_token] = answered
        if len(self._answered) > _CLIENT_TOKENS:
            del self._answered[next(iter(self._answered))]

    def _repeated(self, token: str, updates: Sequence[Update], client_token: str | None) -> dict[str, Any] | None:
        """The answer to a request that was taken before; its client token must not stand for another request."""
        first = self._answered.get(client_token or "")
        if first is None or self._now() - first.at > _CLIENT_TOKEN_LIFE:
            return None
        if token not in (first.token, self._token):
            raise _invalid_token("CheckpointDurableExecution")
        if updates != first.updates:
            raise modelled_error(
                "InvalidParameterValueException",
                f"ClientToken {client_token!r} was used for other updates",
                "CheckpointDurableExecution",
            )
        return first.answer

    def state(self, token: str, marker: str | None, limit: int | None) -> dict[str, Any]:
        """One page of the state; without a marker the first one."""
        self._check_token(token, "GetDurableExecutionState")
        if marker:
            return self._pages.next(marker, limit)
        return self._pages.first(list(self.operations), limit)

    def _apply(self, update: Update) -> None:
        if update["Type"] == "EXECUTION":
            self.outcome = update
            return
        self._transitions.apply(update)
        if self._unconsumed:
            self._acted_upon(update)

    def _acted_upon(self, update: Update) -> None:
        """The branch that went on to send ``update`` must have seen the end of whatever it had waited for.

        Branches of a flat map or parallel all send with the same parent, which then proves nothing.
        """
        self._unconsumed.discard(update["Id"])
        parent_id = update.get("ParentId")
        if self.operations.by_id.get(parent_id or "", {}).get("SubType") not in _CONCURRENT:
            self._unconsumed.discard(parent_id)

    def _answer(self) -> dict[str, Any]:
        self._unconsumed |= {self.operations[key].get("ParentId") for key in self._undelivered}
        self._updated = {key: None for key in self._updated if key not in self._undelivered}
        self._undelivered.clear()
        page = self._pages.first(self.operations.take_changed())
        if self.outcome is not None:
            self._token = None
            return {"NewExecutionState": page}
        return {"CheckpointToken": self._renew_token(), "NewExecutionState": page}

    def _renew_token(self) -> str:
        self._token = self._ids.token(self._execution_id)
        return self._token

    def _check_token(self, token: str, api_operation: str) -> None:
        if self._token is None or token != self._token:
            raise _invalid_token(api_operation)

    # --- what happens from outside ---

    def changed_outside(self, operation_id: str) -> None:
        """A timer, an answer or a child changed this operation: the handler has to hear of it."""
        self._updated[operation_id] = None
        self._announce(Changed(self._arn))
        if self.invocation is None:
            self._announce(InvocationDue(self._arn))
        else:
            self._undelivered.add(operation_id)


def _invalid_token(api_operation: str) -> ClientError:
    return modelled_error("InvalidParameterValueException", "Invalid checkpoint token", api_operation)
