"""A suite that is killed: ``python -m tests.cloud.killed`` forks a process for each test, and prints how it ended.

All have imported their modules before, which takes longer than the tests. Each tells the endpoint its process id in the
user agent, so that the endpoint can send a signal when one of its requests arrives.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import tempfile
import unittest
from contextlib import suppress
from datetime import timedelta
from threading import Event
from time import monotonic, sleep
from typing import NoReturn

import pytest

from durabletest import DurableTestCase
from durabletest.cloud.aws import lambda_client
from tests.subprocesses import ONLY_NAMED_PLUGINS

SIGNAL, TARGET, FUNCTION = "KILLED_BY", "KILLED_TARGET", "KILLED_FUNCTION"
POLL_INTERVAL = 0.05
_SECONDS = 20.0
_AT_ONCE = 4
"""So many processes run beside each other, most of which wait; xdist kills workers that take ten seconds to end."""


def kill(process: int, target: str, number: int) -> None:
    """Send a signal to the process of a test, to the one whose workers it belongs to, or to all of these."""
    group = os.getpgid(process)
    if target == "group":
        os.killpg(group, number)
    else:
        os.kill(process if target == "process" else group, number)


class Killed(DurableTestCase):
    """Each test is about to wait, or to end, when the signal arrives."""

    mode = "cloud"
    poll_interval = POLL_INTERVAL
    cloud_timeout = timedelta(seconds=_SECONDS)

    @classmethod
    def setUpClass(cls) -> None:
        cls.function_name = os.environ[FUNCTION]
        os.environ["AWS_SDK_UA_APP_ID"] = str(os.getpid())
        super().setUpClass()

    def test_before_invoke(self) -> None:
        self.receive_signal()
        self.execute()

    def test_waiting(self) -> None:
        self.execute()

    def test_answering(self) -> None:
        self.on_callback("approval").succeed("yes")
        self.execute()

    def test_race(self) -> None:
        self.execute()
        self.receive_signal()
        Event().wait(_SECONDS)

    def test_own_code(self) -> None:
        self.start()
        self.receive_signal()
        Event().wait(_SECONDS)

    def test_end(self) -> None:
        execution = self.start()
        execution.operation("ask the parent").wait_for_data().result(timeout=_SECONDS)

    def receive_signal(self) -> None:
        kill(os.getpid(), os.environ[TARGET], int(os.environ[SIGNAL]))


def main(runs: list[dict[str, str]]) -> None:
    """Fork a process for each run (its test, runner, function, signal and target), and print how they ended."""
    lambda_client().close()  # its first client reads the service models, for all processes
    gc.freeze()  # what was imported lives as long as each process, whose collections need not look at it
    outputs = [tempfile.TemporaryFile("w+") for _ in runs]  # noqa: SIM115 - each is closed when it was read
    children: list[int] = []
    codes: dict[int, int] = {}
    for run, output in zip(runs, outputs, strict=True):
        while len(children) - len(codes) == _AT_ONCE:
            _wait_for_one(codes)
        child = os.fork()
        if not child:
            for standard in (1, 2):
                os.dup2(output.fileno(), standard)
            for file in outputs:
                file.close()
            _become(run)
        children.append(child)
    while len(codes) < len(children):
        _wait_for_one(codes)
    ended = []
    for child, output in zip(children, outputs, strict=True):
        _wait_for_group(child)
        output.seek(0)
        ended.append({"code": codes[child], "output": output.read()})
        output.close()
    sys.stdout.write(json.dumps(ended))


def _wait_for_one(codes: dict[int, int]) -> None:
    child, status = os.wait()
    codes[child] = os.waitstatus_to_exitcode(status)


def _wait_for_group(process: int) -> None:
    """Wait for the end of the workers of a process that has ended."""
    end = monotonic() + _SECONDS
    with suppress(ProcessLookupError):
        while monotonic() < end:
            os.killpg(process, 0)
            sleep(POLL_INTERVAL)


def _become(run: dict[str, str]) -> NoReturn:
    """Run one test in this process, to its end."""
    os.environ |= {SIGNAL: run["signal"], TARGET: run["target"], FUNCTION: f"{run['function']}:live"}
    os.setpgrp()  # as a shell does: Ctrl-C reaches the workers of xdist, too
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if run["runner"] == "unittest":
        unittest.main(__name__, argv=["unittest", f"Killed.{run['test']}"])
        raise AssertionError("unittest exits")
    sys.modules["tests.cloud.killed"] = sys.modules[__name__]
    os.environ |= ONLY_NAMED_PLUGINS
    workers = ["-p", "xdist.plugin", "-n1"] if run["runner"] == "xdist" else []
    sys.exit(
        pytest.main(["-q", "--assert=plain", "-p", "no:cacheprovider", *workers, f"{__file__}::Killed::{run['test']}"])
    )


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
