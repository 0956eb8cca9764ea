"""The names by which messages speak of operations and executions: those that their author knows them by.

To its author a ``wait_for_callback`` is one operation; to the service it is a context with two children, a CALLBACK and
the STEP of the submitter.
"""

from __future__ import annotations

from durabletest.model.history import History
from durabletest.model.records import WAIT_FOR_CALLBACK, WAIT_FOR_CONDITION, OperationRecord, OperationType

_WORDS_BY_SUB_TYPE = {
    WAIT_FOR_CALLBACK: "callback",
    WAIT_FOR_CONDITION: "condition",
    "Map": "map",
    "MapIteration": "map iteration",
    "Parallel": "parallel",
    "ParallelBranch": "branch",
}
_WORDS_BY_TYPE = {
    OperationType.STEP: "step",
    OperationType.WAIT: "wait",
    OperationType.CALLBACK: "callback",
    OperationType.CHAINED_INVOKE: "invoke",
    OperationType.CONTEXT: "context",
}


def word_for(sub_type: str | None, type_: str) -> str:
    """The word for an operation of that sub-type, or else of that type: ``callback``, ``branch``, ``step``."""
    return _WORDS_BY_SUB_TYPE.get(sub_type or "") or _WORDS_BY_TYPE[OperationType(type_)]


def title(history: History, record: OperationRecord) -> str:
    """``step 'order/charge'``, ``step 'charge' (index 1)``, or with the id: ``unnamed wait '3-1'``."""
    word = word_for(record.sub_type, record.type)
    if not record.name:
        return f"unnamed {word} {record.id!r}"
    index = history.index_of(record)
    return f"{word} {history.path_of(record)!r}" + (f" (index {index})" if index else "")


def execution_name(arn: str) -> str:
    """The name in ``.../durable-execution/NAME/ID``; an ARN of another form is returned whole."""
    head, separator, tail = arn.partition("/durable-execution/")
    return tail.split("/")[0] if head and separator else arn


def execution_title(arn: str) -> str:
    """``execution 'order-42'``."""
    return f"execution {execution_name(arn)!r}"


def callback_child(history: History, record: OperationRecord) -> OperationRecord | None:
    """The CALLBACK inside a ``wait_for_callback``, if it exists yet."""
    return _child(history, record, OperationType.CALLBACK)


def submitter_child(history: History, record: OperationRecord) -> OperationRecord | None:
    """The STEP of the submitter inside a ``wait_for_callback``, if it exists yet."""
    return _child(history, record, OperationType.STEP)


def _child(history: History, record: OperationRecord, type_: OperationType) -> OperationRecord | None:
    return next((child for child in history.children(record) if child.type is type_), None)


def callback_of(history: History, record: OperationRecord) -> OperationRecord | None:
    """The CALLBACK that an operation is, or has inside as a ``wait_for_callback``; otherwise ``None``."""
    if record.type is OperationType.CALLBACK:
        return record
    return callback_child(history, record) if record.is_wait_for_callback else None


def as_written(history: History, record: OperationRecord) -> OperationRecord:
    """The operation that the author wrote: the ``wait_for_callback`` around a CALLBACK, or the operation itself."""
    parent = history.parent(record)
    if record.type is OperationType.CALLBACK and parent is not None and parent.is_wait_for_callback:
        return parent
    return record


def callback_names(history: History, record: OperationRecord) -> tuple[str, ...]:
    """The names of a CALLBACK, that of the ``wait_for_callback`` around it first."""
    names = (as_written(history, record).name, record.name)
    return tuple(dict.fromkeys(name for name in names if name is not None))
