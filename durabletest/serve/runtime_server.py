"""Serves the runtime API, one port for each function, and keeps the processes of their runtimes."""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
import signal
import socket
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from durabletest.errors import ConfigurationError
from durabletest.local.server.identifiers import REGION
from durabletest.local.timers import real_now
from durabletest.serve.app import check_origin
from durabletest.serve.loopback import LOOPBACK, listen
from durabletest.serve.rest_json import RequestRefusedError
from durabletest.serve.runtime_api import ForeignFunction, refusal

_LOGGER = logging.getLogger("durabletest.serve")
_KEEP_ALIVE = 3600
"""Real seconds: a runtime may take long between two requests on the same connection."""
_SECONDS_FOR_ANSWERS = 1
"""Real seconds that requests get to be answered, after the end."""
_GRACE_SECONDS = 2.0
"""Real seconds that a process has to end after SIGTERM, as in Lambda's shutdown."""


@dataclass(frozen=True)
class RuntimeSpec:
    """How a function gets its runtime: by a command, which is started, or by hand at this port."""

    name: str
    command: tuple[str, ...] = ()
    port: int = 0

    @classmethod
    def parsed(cls, text: str) -> RuntimeSpec:
        """``NAME=COMMAND`` or ``NAME=PORT``; raises :class:`ConfigurationError` for anything else."""
        name, _, value = text.partition("=")
        return cls.of(name, value)

    @classmethod
    def of(cls, name: str, value: str) -> RuntimeSpec:
        """The value is a command or a port; raises :class:`ConfigurationError` for anything else."""
        if not name or not value.strip():
            raise ConfigurationError(
                f"--runtime {name}={value}: write NAME=COMMAND, such as orders='node index.mjs', or NAME=PORT for a "
                "runtime that you start yourself, such as orders=9015"
            )
        if value.isdecimal():
            if not 0 < int(value) < 65536:
                raise ConfigurationError(f"--runtime {name}={value}: a port is a number from 1 to 65535")
            return cls(name, port=int(value))
        try:
            return cls(name, tuple(shlex.split(value)))
        except ValueError as error:
            raise ConfigurationError(f"--runtime {name}={value}: the command cannot be read: {error}") from error


class RuntimeServer:
    """Runs in a thread of its own, from ``start`` to ``close``.

    ``functions`` are the handlers to register, by the names of their functions. Each has a port, and one process at a
    time: there, Lambda's runtime clients find it by ``AWS_LAMBDA_RUNTIME_API``, in which they take no path.
    """

    def __init__(self, specs: Iterable[RuntimeSpec]) -> None:
        self._specs = list(specs)
        twice = [name for name, count in Counter(spec.name for spec in self._specs).items() if count > 1]
        if twice:
            raise ConfigurationError(f"--runtime {twice[0]} is given twice: a function has one runtime")
        self.functions = {spec.name: ForeignFunction(spec.name, real_now, bool(spec.command)) for spec in self._specs}
        self._processes: list[RuntimeProcess] = []
        self._sockets: list[socket.socket] = []
        self.ports: dict[str, int] = {}
        """The port of each function's runtime API, by name, once it is served."""
        self._ready: Future[None] = Future()
        self._thread = Thread(target=self._run, name="durabletest-runtimes", daemon=True)
        self._loop: asyncio.AbstractEventLoop
        self._ending: asyncio.Event
        self._endpoint = ""

    @contextmanager
    def running(self, endpoint: str) -> Iterator[None]:
        """In the block, runtimes are served, and processes run; see ``start`` and ``close``."""
        try:
            self.start(endpoint)
            yield
        finally:
            self.close()

    def start(self, endpoint: str) -> None:
        """Listen, and start the processes; ``endpoint`` is the URL at which they reach the Lambda API.

        Raises :class:`ConfigurationError` for a port that cannot be used, or a command that cannot be started.
        """
        if not self._specs:
            return
        self._endpoint = endpoint
        try:
            for spec in self._specs:
                listening = listen(spec.port, f"--runtime {spec.name}=PORT")
                self._sockets.append(listening)
                self.ports[spec.name] = listening.getsockname()[1]
        except BaseException:
            self._close_sockets()
            raise
        self._thread.start()
        self._ready.result()

    def close(self) -> None:
        """End the processes, let invocations that still run fail, and listen no more."""
        if self._thread.is_alive():
            self._ready.exception()  # an interrupt may come before the thread can be told to end
            with suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._ending.set)
            self._thread.join()
        self._close_sockets()

    def by_hand(self) -> list[str]:
        """A line for each runtime that is to be started by hand, with the variables that it needs."""
        names = ("AWS_LAMBDA_RUNTIME_API", "AWS_ENDPOINT_URL_LAMBDA")
        lines = []
        for spec in self._specs:
            if not spec.command:
                own = variables(spec.name, self.ports[spec.name], self._endpoint)
                lines.append(f"{spec.name} waits for its runtime: {' '.join(f'{name}={own[name]}' for name in names)}")
        return lines

    def _close_sockets(self) -> None:
        for listening in self._sockets:
            listening.close()

    # --- in its thread ---

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)
        finally:
            for function in self.functions.values():
                function.loop_closed()

    async def _serve(self) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        for spec in self._specs:
            function = self.functions[spec.name]
            function.serve()
            if spec.command:
                self._processes.append(RuntimeProcess(spec, function, self._variables(spec)))
        apps = {port: Starlette(routes=self.functions[name].routes()) for name, port in self.ports.items()}
        quiet: Any = {"log_config": None, "log_level": "warning", "access_log": False, "server_header": False}
        limits: Any = {"timeout_keep_alive": _KEEP_ALIVE, "timeout_graceful_shutdown": _SECONDS_FOR_ANSWERS}
        server = uvicorn.Server(uvicorn.Config(_ByPort(apps), http="h11", ws="none", lifespan="off", **quiet, **limits))
        serving = asyncio.create_task(server.serve(sockets=self._sockets))
        try:
            for process in self._processes:
                await process.start()
            self._ready.set_result(None)
            ending = asyncio.create_task(self._ending.wait())
            await asyncio.wait({serving, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await asyncio.gather(*(process.end() for process in self._processes))
            for function in self.functions.values():
                function.close()
            server.should_exit = True
            await serving

    def _variables(self, spec: RuntimeSpec) -> dict[str, str]:
        own = variables(spec.name, self.ports[spec.name], self._endpoint)
        return {**defaults(os.environ), **os.environ, **own}


class _ByPort:
    """Leads each request to the application of the port at which it came, unless a web page of any origin sent it."""

    def __init__(self, apps: Mapping[int, Starlette]) -> None:
        self._apps = apps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            check_origin(Request(scope))
        except RequestRefusedError as error:
            await refusal(error.status, error.code, error.message)(scope, receive, send)
            return
        with suppress(ClientDisconnect):  # a runtime has ended in the middle of its answer
            await self._apps[scope["server"][1]](scope, receive, send)


class RuntimeProcess:
    """The process of one function's runtime: when it has crashed, the next invocation starts another one.

    It belongs to the thread of the event loop. It leads a process group, which ends with it: a command may start more
    processes, as npx does.
    """

    def __init__(self, spec: RuntimeSpec, function: ForeignFunction, environment: Mapping[str, str]) -> None:
        self._spec = spec
        self._function = function
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None
        self._watching: asyncio.Task[None] | None = None
        self._ending = False
        function.wanted = self._wanted
        function.given_up = self._kill

    async def start(self) -> None:
        """Start it; raises :class:`ConfigurationError` if there is no such command."""
        self._function.process_started()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._spec.command, env=self._environment, stdin=asyncio.subprocess.DEVNULL, start_new_session=True
            )
        except OSError as error:
            raise ConfigurationError(
                f"--runtime {self._spec.name}: {shlex.join(self._spec.command)!r} cannot be started: {error}"
            ) from error
        self._watching = asyncio.create_task(self._watch(self._process))

    async def end(self) -> None:
        """Ask it to end, and kill it if it does not."""
        self._ending = True
        if self._watching is not None and self._process is None:
            await asyncio.wait({self._watching})  # it is being started again
        if self._watching is None:
            return
        self._signal(signal.SIGTERM)
        _, pending = await asyncio.wait({self._watching}, timeout=_GRACE_SECONDS)
        if pending:
            self._kill()
            await self._watching

    def _wanted(self) -> None:
        """An invocation waits: there has to be a process."""
        if self._watching is None and not self._ending:
            self._watching = asyncio.create_task(self._restart())

    async def _restart(self) -> None:
        try:
            await self.start()
        except ConfigurationError as error:
            self._watching = None
            self._function.process_ended(str(error))

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        self._signal(signal.SIGKILL)  # what is left of its group
        self._process = self._watching = None
        if not self._ending:
            reason = exit_reason(code)
            _LOGGER.warning(
                "the process of %s has ended (%s): its next invocation starts another", self._spec.name, reason
            )
            self._function.process_ended(reason)
            if self._function.has_work:
                self._wanted()

    def _kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)


def exit_reason(code: int) -> str:
    """How a process has ended, as Lambda words it."""
    if code >= 0:
        return f"exit status {code}"
    return f"signal: {(signal.strsignal(-code) or str(-code)).lower()}"


def defaults(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that Lambda sets, unless the user's own are there: region, credentials, folder, time zone."""
    named = "AWS_ACCESS_KEY_ID" in environment or "AWS_PROFILE" in environment
    keys = {} if named else {"AWS_ACCESS_KEY_ID": "durabletest", "AWS_SECRET_ACCESS_KEY": "durabletest"}
    regions = {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
    return {**keys, **regions, "LAMBDA_TASK_ROOT": str(Path.cwd()), "TZ": ":UTC"}


def variables(name: str, port: int, endpoint: str) -> dict[str, str]:
    """Variables by which a runtime learns of its function, and finds the runtime API and the Lambda API."""
    return {
        "AWS_LAMBDA_RUNTIME_API": f"{LOOPBACK}:{port}",
        "AWS_ENDPOINT_URL_LAMBDA": endpoint,
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"[$LATEST]{name}",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    }
