"""What a failure shows of an execution, after its message: the operations as a table, and when they happened."""

from __future__ import annotations

from durabletest.model.history import History
from durabletest.report.table import operation_table


def failure_report(history: History, title: str) -> str:
    """Every operation of the execution, and the timeline."""
    return f"Operations of {title}\n{operation_table(history.operations)}"
