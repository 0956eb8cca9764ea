"""The parts of a ``wait_for_callback``: to its author one operation, to the service a context with two children."""

from __future__ import annotations

from durabletest.model.enums import OperationType
from durabletest.model.history import History
from durabletest.model.records import OperationRecord


def callback_child(history: History, record: OperationRecord) -> OperationRecord | None:
    return _child(history, record, OperationType.CALLBACK)


def submitter_child(history: History, record: OperationRecord) -> OperationRecord | None:
    return _child(history, record, OperationType.STEP)


def callback_of(history: History, record: OperationRecord) -> OperationRecord | None:
    """The CALLBACK that an operation is or stands for, ``None`` if there is none (yet)."""
    if record.type is OperationType.CALLBACK:
        return record
    return callback_child(history, record) if record.is_wait_for_callback else None


def as_written(history: History, record: OperationRecord) -> OperationRecord:
    """The operation that the author wrote: for the callback inside a ``wait_for_callback`` that whole."""
    parent = history.parent(record)
    if record.type is OperationType.CALLBACK and parent is not None and parent.is_wait_for_callback:
        return parent
    return record


def callback_names(history: History, record: OperationRecord) -> tuple[str, ...]:
    """The names that the author of the workflow may know a CALLBACK by, the outer one first."""
    names = (as_written(history, record).name, record.name)
    return tuple(dict.fromkeys(name for name in names if name is not None))


def _child(history: History, record: OperationRecord, type_: OperationType) -> OperationRecord | None:
    return next((child for child in history.children(record) if child.type is type_), None)
