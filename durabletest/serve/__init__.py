"""The command ``durabletest serve``: the Lambda API for durable executions on the loopback address."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from durabletest.errors import ConfigurationError, UsageError

DEFAULT_PORT = 9014
PACES = ("skip", "manual", "real")
_DESCRIPTION = """\
Serve functions by the Lambda API for durable executions, on the loopback address: for boto3, the AWS CLI, any SDK,
and a browser. Nothing is checked that only concerns AWS: any credentials and any region will do."""
_EPILOG = """\
time:
  skip    virtual: it passes whenever nothing runs, and stands still while a callback waits for an answer (the default)
  manual  virtual: it stands still until it is moved, on the page
  real    that of this machine"""


def add_to(commands: Any) -> None:
    """Add the command to the subparsers of ``durabletest``."""
    parser = commands.add_parser(
        "serve",
        help="serve functions by the Lambda API on the loopback address",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "targets",
        metavar="[NAME=]FILE.py[:FUNCTION]",
        nargs="*",
        help="what to serve: a function, or all durable ones of a module; MODULE:FUNCTION for one that can be imported",
    )
    parser.add_argument(
        "--runtime",
        metavar="NAME=COMMAND",
        action="append",
        default=[],
        dest="runtimes",
        help="a durable function of any language: the command starts its runtime; NAME=PORT for one started by hand",
    )
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help=f"0 for any that is free; {DEFAULT_PORT} by default"
    )
    parser.add_argument("--time", choices=PACES, default=PACES[0], help="see below")
    parser.add_argument("--start-time", metavar="ISO", help="when virtual time begins; by default now")
    parser.add_argument(
        "--patience",
        type=int,
        metavar="READS",
        help="with --time skip: time that stands still for callbacks moves on to the next timer when each execution\n"
        "that clients follow was read so often without a change; by default it waits for the page, or for an answer",
    )
    parser.add_argument(
        "--watchdog",
        type=float,
        default=900.0,
        metavar="SECONDS",
        help="real seconds without progress after which an execution is given up; 900 by default",
    )
    parser.set_defaults(run=_run)


@contextmanager
def serving(
    functions: Mapping[str, Callable[..., Any]],
    *,
    runtimes: Mapping[str, str] | None = None,
    time: str = "skip",
    patience: int | None = None,
    port: int = 0,
    **settings: Any,
) -> Iterator[str]:
    """Serve functions as ``durabletest serve`` does, in a thread of this process; gives the URL of the endpoint.

    The keys are the names with which the functions are invoked; those that are not decorated with
    ``@durable_execution`` are plain. ``runtimes`` are durable functions of any language: each has the command that
    starts its process, or a port for one that is started by hand. ``time`` (``"skip"``, ``"manual"`` or ``"real"``) and
    ``patience`` are the options of the command, port 0 is any that is free, and ``settings`` are those of
    ``LocalDurableTestRunner``.
    """
    _require()
    from durabletest.serve.app import application
    from durabletest.serve.lambda_endpoint import LambdaEndpoint, Pace
    from durabletest.serve.loopback import LoopbackServer, listen
    from durabletest.serve.runtime_server import RuntimeServer, RuntimeSpec
    from durabletest.serve.served_runner import ServedRunner
    from durabletest.serve.targets import joined

    if time not in PACES:
        raise ConfigurationError(f"time is {time!r}: write one of {', '.join(PACES)}")
    others = RuntimeServer(RuntimeSpec.of(name, value) for name, value in (runtimes or {}).items())
    served = joined(functions, others.functions)
    with listen(port) as listening, ServedRunner.of(served, skip_time=time != "real", **settings) as runner:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        endpoint = LambdaEndpoint(runner, Pace(time), patience)
        server = LoopbackServer(application(endpoint), endpoint)
        with others.running(url), server.in_thread(listening):
            yield url


def _require() -> None:
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"durabletest serve needs starlette and uvicorn ({error}): pip install 'durabletest[serve]'"
        ) from error


def _run(options: argparse.Namespace) -> int:
    _require()
    from durabletest.serve.app import application
    from durabletest.serve.lambda_endpoint import LambdaEndpoint, Pace
    from durabletest.serve.loopback import LoopbackServer, listen, until_interrupted
    from durabletest.serve.runtime_server import RuntimeServer, RuntimeSpec
    from durabletest.serve.served_runner import ServedRunner
    from durabletest.serve.targets import joined, load

    pace = Pace(options.time)
    start = None if pace is Pace.REAL else _start_time(options.start_time)
    runtimes = RuntimeServer(RuntimeSpec.parsed(text) for text in options.runtimes)
    functions = joined(load(options.targets), runtimes.functions)
    with until_interrupted(), listen(options.port) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        runner = ServedRunner.of(
            functions, skip_time=pace is not Pace.REAL, start_time=start, watchdog=options.watchdog
        )
        try:
            endpoint = LambdaEndpoint(runner, pace, options.patience)
            with runtimes.running(url):
                greeting = "\n".join([f"durabletest serves {', '.join(functions)} on {url}", *runtimes.by_hand()])
                server = LoopbackServer(application(endpoint), endpoint, lambda: print(greeting, flush=True))
                server.run(sockets=[listening])
                server.check_started()
        finally:
            runner.close()
    return 0


def _start_time(text: str | None) -> datetime:
    from durabletest.local.timers import real_now

    if text is None:
        return real_now()
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"--start-time {text!r} is no time: write it as 2026-01-31T09:00:00+00:00") from error
