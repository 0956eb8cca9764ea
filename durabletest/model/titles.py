"""How messages speak of an operation: with the word and the name that its author used."""

from __future__ import annotations

from durabletest.model.enums import WAIT_FOR_CALLBACK, WAIT_FOR_CONDITION, OperationType
from durabletest.model.history import History
from durabletest.model.records import OperationRecord

_BY_SUB_TYPE = {
    WAIT_FOR_CALLBACK: "callback",
    WAIT_FOR_CONDITION: "condition",
    "Map": "map",
    "MapIteration": "map iteration",
    "Parallel": "parallel",
    "ParallelBranch": "branch",
}
_BY_TYPE = {
    OperationType.STEP: "step",
    OperationType.WAIT: "wait",
    OperationType.CALLBACK: "callback",
    OperationType.CHAINED_INVOKE: "invoke",
    OperationType.CONTEXT: "context",
}


def word(record: OperationRecord) -> str:
    return word_for(record.sub_type, record.type)


def word_for(sub_type: str | None, type_: str) -> str:
    """The word for an operation of that sub-type, or else of that type: ``callback``, ``branch``, ``step``."""
    return _BY_SUB_TYPE.get(sub_type or "") or _BY_TYPE[OperationType(type_)]


def title(history: History, record: OperationRecord) -> str:
    """``step 'order/charge'``, with its index if it is not the first there; without a name it is told by its id."""
    if not record.name:
        return f"unnamed {word(record)} {record.id!r}"
    path = history.path_of(record)
    index = history.places.index_of(record)
    return f"{word(record)} {path!r}" + (f" (index {index})" if index else "")
