"""The command ``durabletest show``: a page about an execution whose history was recorded in a file."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from durabletest.errors import ConfigurationError, UsageError
from durabletest.model.history import History
from durabletest.model.times import utc

_STDIN = "-"
_NEEDED: Mapping[str, tuple[type, ...]] = {"EventId": (int,), "EventType": (str,), "EventTimestamp": (str, int, float)}
_HOW_TO_RECORD = """\
record one with:
  aws lambda get-durable-execution-history --durable-execution-arn ARN --include-execution-data > history.json
or in a test, with: result.save_history('history.json')"""


def add_to(commands: Any) -> None:
    """Add the command to the subparsers of ``durabletest``."""
    parser = commands.add_parser(
        "show",
        help="write a page about a recorded history",
        description="Write a page about an execution from its history, as boto3 and the AWS CLI give it: a\n"
        f"JSON object with Events, or the list of them. To have a history, {_HOW_TO_RECORD}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("history", metavar="HISTORY", help="the file, or - for the standard input")
    parser.add_argument("-o", "--output", metavar="PAGE", help="the page; by default the file's name with .html")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    name = "history" if options.history == _STDIN else Path(options.history).stem
    page = Path(options.output or Path(options.history if options.history != _STDIN else name).with_suffix(".html"))
    if options.history != _STDIN and page.resolve() == Path(options.history).resolve():
        raise ConfigurationError(f"the page would replace the history {options.history!r}: choose another --output")
    text = page_of_recording(_read(options.history), name)
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"the page {str(page)!r} cannot be written: {error.strerror}") from error
    print(page)
    return 0


def page_of_recording(recording: Any, name: str) -> str:
    """The page about a history that was read from JSON; ``name`` is that of an execution whose history has none."""
    from durabletest.report.lanes import Recorded  # the command has others, which need no pages
    from durabletest.report.page import page_of

    if isinstance(recording, Mapping) and recording.get("NextMarker"):
        raise ConfigurationError("it is one page of a history, with a NextMarker: record all pages")
    events = recording.get("Events") if isinstance(recording, Mapping) else recording
    if not isinstance(events, list) or not events:
        raise ConfigurationError(f"it has no events: it should be an object with Events, or a list; {_HOW_TO_RECORD}")
    for number, event in enumerate(events, 1):
        _check(event, number)
    history = History()
    for event in sorted(events, key=lambda event: int(event["EventId"])):
        what = f"the event {event['EventId']}, {event['EventType']},"
        try:
            history.extend([_with_times("", event, what)])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigurationError(f"{what} is not complete: {error!r}") from error
    return page_of([Recorded(history.execution.name or name, history)])


def _read(name: str) -> Any:
    try:
        text = sys.stdin.read() if name == _STDIN else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigurationError(f"the history {name!r} cannot be read: {reason}; {_HOW_TO_RECORD}") from error
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"the history {name!r} is not JSON: {error}; {_HOW_TO_RECORD}") from error


def _check(event: Any, number: int) -> None:
    if not isinstance(event, Mapping):
        raise ConfigurationError(f"event {number} is {event!r:.80}, and not an object")
    for key, types in _NEEDED.items():
        if not isinstance(event.get(key), types) or isinstance(event[key], bool):
            raise ConfigurationError(f"event {number} has no {key} that could be one: it is {event.get(key)!r:.80}")


def _with_times(key: str, value: Any, what: str) -> Any:
    """A copy with datetimes in place of ISO texts or seconds since 1970, wherever a key ends with ``Timestamp``."""
    if isinstance(value, Mapping):
        return {name: _with_times(name, inner, what) for name, inner in value.items()}
    if not key.endswith("Timestamp") or value is None:
        return value
    try:
        return utc(datetime.fromisoformat(value) if isinstance(value, str) else datetime.fromtimestamp(value, UTC))
    except (ValueError, TypeError, OverflowError, OSError, UsageError) as error:
        raise ConfigurationError(f"{what} has the {key} {value!r}, which is no time: {error}") from error
