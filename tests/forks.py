"""Processes that have imported what suites need before they begin: forked from one that has done nothing else.

``python -m tests.forks FD`` is that one. It forks a process for each request that comes by the socket: the command of
``python -m``, folder and variables, with the files for its output and a pipe for id and exit code.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

_ROOT = Path(__file__).parent.parent
_IMPORTED = ("unittest", "pytest", "durabletest.case", "durabletest.local.runner")
_LARGEST_REQUEST = 200_000


class Fork:
    """A process ``python -W error -m command``, with the part of ``subprocess.Popen`` that the tests use."""

    def __init__(
        self, command: Sequence[str], cwd: Path, environment: Mapping[str, str], out: IO[Any], err: IO[Any]
    ) -> None:
        self.args = [sys.executable, "-W", "error", "-m", *command]
        self._code: int | None = None
        status, its_status = os.pipe()
        request = json.dumps({"command": command, "cwd": str(cwd), "environment": dict(environment)}).encode()
        socket.send_fds(_server(), [request], [out.fileno(), err.fileno(), its_status])
        os.close(its_status)
        self._status = os.fdopen(status)
        self.pid = int(self._status.readline())

    def wait(self, timeout: float | None = None) -> int:
        if self._code is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self._code = int(self._status.readline())
            self._status.close()
        return self._code

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def started(
    command: Sequence[str], cwd: Path, environment: Mapping[str, str], out: IO[Any], err: IO[Any]
) -> subprocess.Popen[str] | Fork:
    """``python -W error -m command`` by such a process, where there can be one, or else by a new one."""
    if _possible():
        return Fork(command, cwd, environment, out, err)
    python = [sys.executable, "-W", "error", "-m", *command]
    return subprocess.Popen(
        python, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err, text=True
    )


@cache
def _possible() -> bool:
    """Whether this system tells of the end of a process by a file: Linux does, unless its kernel is an old one."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


@cache
def _server() -> socket.socket:
    """The socket of the process that forks, which ends with this one."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tests.forks", str(its.fileno())],
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT), "PYTHONUNBUFFERED": "1"},
        pass_fds=[its.fileno()],
        stdin=subprocess.DEVNULL,
    )
    its.close()
    here = os.getpid()

    def end() -> None:
        if os.getpid() == here:  # not in a child that a test has forked
            ours.close()
            process.wait()

    atexit.register(end)
    return ours


def _next_request(requests: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Fork for each request, and return it in the new process; ``None`` in this one, when no more will come."""
    running: dict[int, tuple[int, int]] = {}
    while True:
        for ready in select.select([requests.fileno(), *running], [], [])[0]:
            if ready in running:
                process, status = running.pop(ready)
                _tell(status, os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
                _close(ready, status)
                continue
            message, files, *_ = socket.recv_fds(requests, _LARGEST_REQUEST, 3)
            if not message:
                return None
            *outputs, status = files
            process = os.fork()
            if not process:
                _close(requests.detach(), status, *running, *(other for _, other in running.values()))
                return json.loads(message), outputs
            _close(*outputs)
            _tell(status, process)
            running[os.pidfd_open(process)] = process, status


def _close(*files: int) -> None:
    for file in files:
        os.close(file)


def _tell(status: int, number: int) -> None:
    with suppress(BrokenPipeError):  # nobody asks any more
        os.write(status, f"{number}\n".encode())


def _become(request: Mapping[str, Any], files: Sequence[int]) -> None:
    """Run the command in this process, to its end."""
    for standard, file in zip((1, 2), files, strict=True):
        os.dup2(file, standard)
    _close(*files)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    module, *arguments = request["command"]
    sys.argv = [module, *arguments]
    sys.path[0] = request["cwd"]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def main() -> None:
    from _pytest.config import default_plugins

    for name in (*_IMPORTED, *(f"_pytest.{plugin}" for plugin in default_plugins)):
        importlib.import_module(name)
    gc.freeze()  # what was imported lives as long as each process, whose collections need not look at it
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        request = _next_request(requests)
    if request is not None:
        _become(*request)


if __name__ == "__main__":
    main()
