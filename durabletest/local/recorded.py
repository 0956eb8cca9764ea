"""The replay of a recorded execution: the handler gets its operations, and is stopped where something new would run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from durabletest.local.faults import FaultInjector
from durabletest.model.history import History, title, word_for
from durabletest.model.records import SIDE_BY_SIDE, OperationRecord, OperationType
from durabletest.sdk_operations import Asked, Identity, suspension

_STOPS = (OperationType.STEP, OperationType.WAIT, OperationType.CHAINED_INVOKE)
"""Operations at which the handler cannot go on while they are open; a callback's result suspends by itself."""


@dataclass(slots=True, eq=False)
class RecordedReplay(FaultInjector):
    """Compares what the handler asks for with a history; ``difference`` says in words what is not as recorded."""

    listens: ClassVar[bool] = True
    history: History = field(default_factory=History)
    may_fail: bool = False
    difference: str | None = None
    _visited: set[str] = field(default_factory=set)

    def asked(self, asked: Asked) -> None:
        """Let the handler have what is recorded, and stop it at anything else."""
        self._visited.add(asked.operation_id)
        record = self._records().get(asked.operation_id)
        if record is None:
            raise suspension("beyond what is recorded")
        self._compare(record, (asked.type, asked.sub_type, asked.name))
        if record.type in _STOPS and not record.status.is_terminal:
            raise suspension("in flight")

    def mismatched(self, recorded: Identity, asked: Identity) -> None:
        """The SDK refuses an operation; which one is recorded in its place is found by name and type."""
        for record in self.history.operations:
            if (str(record.type), record.sub_type, record.name) == recorded and record.id not in self._visited:
                self._compare(record, asked)
                return

    def judged(self, arn: str, answer: Mapping[str, Any]) -> Mapping[str, Any] | None:  # noqa: ARG002 - one execution
        """Whatever the handler answers, the execution is over, once the rest was compared."""
        if self.difference is None:
            self.difference = self._left_out() or self._failure(answer)
        return {"Status": "SUCCEEDED", "Result": "null"}

    def _records(self) -> dict[str, OperationRecord]:
        return {record.id: record for record in self.history.operations}

    def _compare(self, record: OperationRecord, asked: Identity) -> None:
        kind, sub_type, name = asked
        same = (str(record.type), record.name or None) == (kind, name or None) and record.sub_type in (None, sub_type)
        if not same and self.difference is None:
            word = word_for(sub_type, kind)
            now = f"{word} {name!r}" if name else f"an unnamed {word}"
            self.difference = f"operation {self._number(record)} was {title(self.history, record)}, is now {now}"

    def _left_out(self) -> str | None:
        for record in self.history.operations:
            around = self.history.ancestors(record)
            ended = any(one.status.is_terminal for one in around)
            if record.id in self._visited or ended or any(one.sub_type in SIDE_BY_SIDE for one in around):
                continue
            return f"operation {self._number(record)} was {title(self.history, record)}, and does not come any more"
        return None

    def _failure(self, answer: Mapping[str, Any]) -> str | None:
        if answer.get("Status") != "FAILED" or self.may_fail:
            return None
        error = answer.get("Error") or {}
        return f"the handler fails with {error.get('ErrorType')}: {error.get('ErrorMessage')}"

    def _number(self, record: OperationRecord) -> int:
        return self.history.operations.index(record) + 1
