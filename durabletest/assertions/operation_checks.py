"""The checks of one operation, also of each or any one among several."""

from __future__ import annotations

from typing import Self

from durabletest.assertions import operation_claims as claims
from durabletest.assertions.operation_time import TimedOperation
from durabletest.assertions.outcome import UNSET
from durabletest.assertions.subject import number_given
from durabletest.model.enums import OperationType
from durabletest.model.lookup import member

__unittest = True
__tracebackhide__ = True


class OperationChecks(TimedOperation):
    """Claims that mean nothing for the operation's type fail, and say of which type it is."""

    def cancelled(self) -> Self:
        """It was CANCELLED."""
        return self._has_status("CANCELLED")

    def started(self) -> Self:
        """It is STARTED: in progress, and neither pending nor ended."""
        return self._has_status("STARTED")

    def pending(self) -> Self:
        """It is PENDING: between two attempts."""
        return self._has_status("PENDING")

    def attempts(self, number: object) -> Self:
        """A step took that many attempts, a running one included; of a ``wait_for_condition``, that many polls."""
        wanted = number_given("attempts", number)
        return self._check(lambda facts: claims.attempts(facts, wanted))

    def of_type(self, type: OperationType | str) -> Self:
        """It is a STEP, WAIT, CALLBACK, CHAINED_INVOKE or CONTEXT."""
        wanted = member(OperationType, type, "operation type")
        return self._check(lambda facts: claims.is_of_type(facts, wanted))

    def inside(self, context: str, index: int | None = None) -> Self:
        """It is inside a context of that name or path, directly or deeper; ``index`` picks one of several."""
        return self._check(lambda facts: claims.is_inside(facts, context, index))

    def callback_id(self, value: object = UNSET) -> Self:
        """A callback was created and has an id, and this one if a value is given."""
        return self._check(lambda facts: claims.has_callback_id(facts, value))

    def heartbeats(self, number: object) -> Self:
        """The callback was sent that many heartbeats; they leave no event, so in the cloud nobody can tell."""
        wanted = number_given("heartbeats", number)
        return self._check(lambda facts: claims.has_heartbeats(facts, wanted))

    def invoked(self, function_name: object, payload: object = UNSET) -> Self:
        """A chained invoke called this function, by the name that the workflow used, and with this payload."""
        return self._check(lambda facts: claims.has_invoked(facts, function_name, payload))
