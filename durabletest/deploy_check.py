"""The commands ``durabletest fetch-histories`` and ``durabletest check-deploy``: what runs now, and the code here."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from durabletest.errors import CloudServiceError, ConfigurationError, UsageError
from durabletest.histories import KEEP, complete, write_history
from durabletest.model.history import History
from durabletest.model.times import utc
from durabletest.report.table import printable

READY, BREAKS, NOT_CHECKED = 0, 1, 2
_STATUS_HELP = "executions of this status; may be repeated. By default those that go on: RUNNING, PAUSING, PAUSED"
_FUNCTION_HELP = "the deployed function, a name or ARN; with a version at its end, executions of that one only"
_CLOUD = "The cloud is chosen by boto3's own variables: AWS_DEFAULT_REGION, AWS_PROFILE, credentials."


def add_to(commands: Any) -> None:
    fetch = commands.add_parser(
        "fetch-histories",
        help="save the histories of a function's executions",
        description="Save the histories of a function's executions as files that assertReplays reads.",
        epilog=_CLOUD,
    )
    check = commands.add_parser(
        "check-deploy",
        help="tell which running executions would break with the code here",
        description="Replay the executions of a function that go on now against the handler here. No function of a\n"
        "step runs, and nothing is sent but reads.",
        epilog=f"{_CLOUD}\nThe exit status is 0 if all executions replay, 1 if one would break or cannot be checked, 2 "
        "if\nthe command was used wrongly or the service fails.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for parser in (fetch, check):
        parser.add_argument("function", metavar="FUNCTION", help=_FUNCTION_HELP)
        parser.add_argument("--status", metavar="STATUS", action="append", default=[], help=_STATUS_HELP)
        parser.add_argument("--limit", metavar="NUMBER", type=int, help="only so many, the newest; by default all")
    fetch.add_argument("--out", metavar="FOLDER", required=True, help="the folder of the files; it is made if needed")
    fetch.add_argument("--redact", action="store_true", help="replace texts and large numbers in payloads and errors")
    fetch.set_defaults(run=_reporting_failures(_fetch))
    check.add_argument("--handler", metavar="MODULE:FUNCTION", required=True, help="the handler, or FILE.py:FUNCTION")
    check.set_defaults(run=_reporting_failures(_check))


def _reporting_failures(command: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        if options.limit is not None and options.limit < 1:
            raise ConfigurationError(f"--limit {options.limit}: give a number from 1 on")
        try:
            return command(options)
        except CloudServiceError as error:
            sys.stderr.write(f"durabletest: {error}\n")
            return NOT_CHECKED

    return run


def _fetch(options: argparse.Namespace) -> int:
    from durabletest.redaction import redacted

    folder, written = Path(options.out), set[Path]()
    for execution in _recorded(options):
        events = [redacted(event) for event in execution.events] if options.redact else execution.events
        path = folder / f"{execution.name}.json"
        if path in written:  # names may be used again for executions of other versions
            path = folder / f"{execution.name}-{execution.arn.rpartition('/')[2]}.json"
        try:
            write_history(path, events)
        except OSError as error:
            raise ConfigurationError(f"the history {str(path)!r} cannot be written: {error.strerror}") from error
        written.add(path)
        _print(path)
    _print(f"{_counted(len(written))} of {options.function}: {_those(options)}")
    return READY


def _check(options: argparse.Namespace) -> int:
    from tabulate import tabulate

    from durabletest.local.runner import LocalDurableTestRunner
    from durabletest.serve.targets import load

    loaded = load([options.handler])
    if len(loaded) != 1:
        raise ConfigurationError(
            f"--handler {options.handler}: name one of {', '.join(loaded)}, {options.handler}:NAME"
        )
    [handler] = loaded.values()
    executions = list(_recorded(options))  # before virtual time begins, with which no request could be signed
    rows, failed = [], 0
    with LocalDurableTestRunner(handler) as runner:
        for execution in executions:
            words = _problem(runner, execution)
            failed += words is not None
            started = f"{utc(execution.started_at):%Y-%m-%d %H:%M}"
            rows.append((execution.name, execution.version, started, execution.status, words or "replays"))
    if rows:
        headers = ("execution", "version", "started (UTC)", "status", f"with {options.handler}")
        _print(tabulate(rows, headers, tablefmt="simple", disable_numparse=True), "")
    _print(
        f"{_counted(len(rows))} of {options.function}: {_those(options)}; {failed or 'none'} would break"
        f"{' or cannot be checked' if failed else ''}"
    )
    if failed:
        _print(f"{KEEP}.")
    return BREAKS if failed else READY


def _problem(runner: Any, execution: Any) -> str | None:
    """Why the execution would break, or cannot be checked; None if it replays."""
    try:
        history = History(complete(execution.events, "the history"))
    except UsageError as error:
        return f"CANNOT BE CHECKED: {error}"
    may_fail = execution.status == "FAILED"
    words = runner.replay_history(history, may_fail)
    return None if words is None else f"BREAKS: {words}"


def _recorded(options: argparse.Namespace) -> Iterator[Any]:
    from durabletest.cloud.aws import lambda_client
    from durabletest.cloud.recording import recorded_executions

    client = lambda_client()
    try:
        yield from recorded_executions(client, options.function, options.status, options.limit)
    finally:
        client.close()


def _those(options: argparse.Namespace) -> str:
    which = ", ".join(options.status) or "those that go on"
    return which if options.limit is None else f"{which}, the newest {options.limit} at most"


def _counted(number: int) -> str:
    return f"{number or 'no'} execution{'' if number == 1 else 's'}"


def _print(*lines: object) -> None:
    sys.stdout.writelines(printable(f"{line}\n", sys.stdout) for line in lines)
