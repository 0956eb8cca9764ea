"""A suite that is killed: ``python -m tests.cloud.killed`` forks a process for each test, and prints how it ended.

All have imported their modules before, which takes longer than the tests. Each tells the endpoint its process id in the
user agent, so that the endpoint can send a signal when one of its requests arrives.
"""

from __future__ import annotations

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

SIGNAL, FUNCTION = "KILLED_BY", "KILLED_FUNCTION"
POLL_INTERVAL = 0.05
_SECONDS = 20.0


class Killed(DurableTestCase):
    """Each test is about to wait, or to end, when the signal arrives."""

    mode = "cloud"
    poll_interval = POLL_INTERVAL
    cloud_timeout = timedelta(seconds=_SECONDS)

    @classmethod
    def setUpClass(cls) -> None:
        cls.function_name = os.environ[FUNCTION]
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
        os.kill(os.getpid(), int(os.environ[SIGNAL]))


def main(runs: list[dict[str, str]]) -> None:
    """Fork a process for each run (its test, runner, function and signal), and print their exit codes and outputs."""
    lambda_client().close()  # its first client reads the service models, for all processes
    outputs = [tempfile.TemporaryFile("w+") for _ in runs]  # noqa: SIM115 - each is closed when it was read
    children = []
    for run, output in zip(runs, outputs, strict=True):
        child = os.fork()
        if not child:
            for standard in (1, 2):
                os.dup2(output.fileno(), standard)
            for file in outputs:
                file.close()
            _become(run)
        children.append(child)
    ended = []
    for child, output in zip(children, outputs, strict=True):
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        _wait_for_group(child)
        output.seek(0)
        ended.append({"code": code, "output": output.read()})
        output.close()
    sys.stdout.write(json.dumps(ended))


def _wait_for_group(process: int) -> None:
    """Wait for the end of the workers of a process that has ended."""
    end = monotonic() + _SECONDS
    with suppress(ProcessLookupError):
        while monotonic() < end:
            os.killpg(process, 0)
            sleep(POLL_INTERVAL)


def _become(run: dict[str, str]) -> NoReturn:
    """Run one test in this process, to its end."""
    os.environ |= {"AWS_SDK_UA_APP_ID": str(os.getpid()), SIGNAL: run["signal"], FUNCTION: f"{run['function']}:live"}
    os.setpgrp()  # as a shell does: Ctrl-C reaches the workers of xdist, too
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if run["runner"] == "unittest":
        unittest.main(__name__, argv=["unittest", f"Killed.{run['test']}"])
        raise AssertionError("unittest exits")
    sys.modules["tests.cloud.killed"] = sys.modules[__name__]
    workers = ["-n1"] if run["runner"] == "xdist" else []
    sys.exit(
        pytest.main(["-q", "--assert=plain", "-p", "no:cacheprovider", *workers, f"{__file__}::Killed::{run['test']}"])
    )


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
