"""The look-ups that a runner offers, local or in the cloud, in the execution that it ran last."""

from __future__ import annotations

from durabletest.errors import OperationNotFoundError
from durabletest.execution import ExecutionControl
from durabletest.model.operation import DurableOperation
from durabletest.result import TestResult


class LastExecution:
    """Finds operations in ``_last``, which is None until something was executed."""

    _last: ExecutionControl | None = None

    def get_operation(self, path: str, index: int = 0) -> DurableOperation:
        """The first operation of that name, or at that path (R4.1)."""
        return self._result().get_operation(path, index)

    def get_operation_by_index(self, index: int) -> DurableOperation:
        """The operation at that place in execution order (R4.2)."""
        return self._result().get_operation_by_index(index)

    def get_operation_by_name_and_index(self, name: str, index: int) -> DurableOperation:
        """The operation of that name at that place, counted from 0 (R4.3)."""
        return self._result().get_operation_by_name_and_index(name, index)

    def get_operation_by_id(self, operation_id: str) -> DurableOperation:
        """The operation with that id (R4.4)."""
        return self._result().get_operation_by_id(operation_id)

    def _result(self) -> TestResult:
        if self._last is None:
            raise OperationNotFoundError("nothing was executed yet: call run(payload) or start(payload) first")
        return TestResult(self._last)
