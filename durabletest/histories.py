"""Recorded histories: saved and read as JSON, cut after each event, and replayed against the handler of today."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from durabletest.errors import UsageError
from durabletest.local.server.journal import DETAILS
from durabletest.model.history import History
from durabletest.model.payloads import error_object
from durabletest.model.records import ExecutionStatus, OperationRecord, OperationStatus, OperationType
from durabletest.sdk_operations import is_summary

if TYPE_CHECKING:
    from durabletest.local.repeating import RepeatingRunner

Event: TypeAlias = Mapping[str, Any]
KEEP = (
    "Keep the recorded operations as they are and add new ones after them; or let running executions end on the "
    "version that they began with"
)
"""What to do about executions that would break."""


def write_history(path: str | os.PathLike[str], events: Sequence[Event]) -> None:
    """Write events as the API's GetDurableExecutionHistory answers them: ``{"Events": [...]}``, times in ISO 8601."""
    text = json.dumps({"Events": list(events)}, indent=2, ensure_ascii=False, default=_iso)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(f"{text}\n", encoding="utf-8")


def _iso(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} is in an event, and cannot be written as JSON")


def read_history(path: Path) -> list[dict[str, Any]]:
    """The events of a file that ``write_history`` or the AWS CLI has written, the latter with execution data."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{path} is no history: {error}") from None
    events = found.get("Events") if isinstance(found, dict) else None
    if not events or not all(isinstance(event, dict) and "EventType" in event for event in events):
        raise UsageError(f"{path} is no history: it has to hold an object with Events, as save_history writes it")
    return complete(sorted((_timed(event) for event in events), key=lambda event: int(event["EventId"])), str(path))


def complete(events: Sequence[dict[str, Any]], what: str) -> list[dict[str, Any]]:
    """The events of a whole history; raises :class:`UsageError` about ``what`` if its beginning or payloads lack."""
    if not events or events[0]["EventType"] != "ExecutionStarted":
        raise UsageError(f"{what} does not begin with ExecutionStarted: record the whole history, from its first page")
    truncated = next((event for event in events if _is_truncated(event)), None)
    if truncated is not None:
        raise UsageError(
            f"{what} lacks payloads (event {truncated['EventId']}, {truncated['EventType']}): record it with "
            "--include-execution-data"
        )
    return list(events)


def _timed(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _timed(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_timed(item, name) for item in value]
    if not name.endswith("Timestamp"):
        return value
    from botocore.utils import parse_to_aware_datetime  # it is slow to import, and few tests need it

    return parse_to_aware_datetime(value)


def _is_truncated(value: Any) -> bool:
    if isinstance(value, dict):
        return value.get("Truncated") is True or any(map(_is_truncated, value.values()))
    return False


def files_of(pattern: str | os.PathLike[str], folder: Path | None) -> list[Path]:
    """The files of a pattern; ``folder`` is the directory of the test's module. No file and a folder are errors.

    Folders that a pattern with wildcards matches are left out.
    """
    if not isinstance(pattern, str | os.PathLike):
        raise UsageError(f"assertReplays({pattern!r}): give a path or pattern, 'histories/*.json'")
    where = Path.cwd() if folder is None else folder
    if (where / pattern).is_dir():
        raise UsageError(f"assertReplays({os.fspath(pattern)!r}) is a folder: write '{Path(pattern) / '*.json'}'")
    names = glob.glob(os.fspath(pattern), root_dir=folder, recursive=True)
    found = [name for name in names if (where / name).is_file()]
    if not found:
        raise UsageError(
            f"assertReplays({os.fspath(pattern)!r}): no file matches in {where}; record one with "
            "result.save_history(path)"
        )
    return [(folder or Path()) / name for name in sorted(found)]


def recorded_operations(history: History) -> list[dict[str, Any]]:
    """The operations of a history as the API's ``Operation`` shape has them, without the execution's own."""
    return [_operation(record) for record in history.operations]


def _operation(record: OperationRecord) -> dict[str, Any]:
    details: dict[str, Any] = {"Result": record.result}
    if (error := record.error) is not None:
        details["Error"] = error_object(error.type, error.message, error.data, error.stack_trace)
    match record.type:
        case OperationType.STEP:
            completed = record.attempts - (record.status in (OperationStatus.STARTED, OperationStatus.READY))
            details |= {"Attempt": completed, "NextAttemptTimestamp": record.next_attempt_at}
        case OperationType.WAIT:
            details = {"ScheduledEndTimestamp": record.scheduled_end}
        case OperationType.CALLBACK:
            details["CallbackId"] = record.callback_id
        case OperationType.CONTEXT:
            details["ReplayChildren"] = True if is_summary(record.result) else None
    operation = {
        "Id": record.id,
        "ParentId": record.parent_id,
        "Name": record.name,
        "Type": str(record.type),
        "SubType": record.sub_type,
        "StartTimestamp": record.started_at,
        "EndTimestamp": record.ended_at,
        "Status": str(record.status),
        DETAILS[record.type]: {name: value for name, value in details.items() if value is not None},
    }
    return {name: value for name, value in operation.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Break:
    """An execution that would break: the last event that it has, and what is not as recorded."""

    event: Event
    words: str


def breaks(runner: RepeatingRunner, events: Sequence[Event]) -> Iterator[Break | None]:
    """Replay a history cut after each event that changes an operation, and whole: the break, or None."""
    may_fail = History(events).execution.status is ExecutionStatus.FAILED
    for count, event in enumerate(events, 1):
        if "Id" not in event and count < len(events):
            continue
        words = runner.replay_history(History(events[:count]), may_fail)
        yield None if words is None else Break(event, words)


def replay_report(runner: RepeatingRunner, pattern: str, files: Sequence[Path]) -> str | None:
    """The report of the files that the handler of today does not replay; None if it replays all."""
    texts = []
    for path in files:
        outcomes = list(breaks(runner, read_history(path)))
        broken = [one for one in outcomes if one is not None]
        if broken:
            last = broken[0].event
            named = f" of {last['Name']!r}" if "Name" in last else ""
            texts.append(
                f"{path.name}: {broken[0].words}\n"
                f"  {len(broken)} of {len(outcomes)} places at which an execution can be in flight break; the first is "
                f"after event {last['EventId']}, {last['EventType']}{named}"
            )
    if not texts:
        return None
    return (
        f"{len(texts)} of {len(files)} histories of {pattern!r} do not replay, and running executions would break\n"
        + "\n".join(texts)
        + f"\n{KEEP}"
    )
