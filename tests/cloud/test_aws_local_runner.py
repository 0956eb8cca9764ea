"""AWS's own local test server, as released, behind the front door of the guide: examples pass there in cloud mode."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any
from unittest import mock

from durabletest.cloud.aws import unqualified
from durabletest.cloud.suite import handler_names
from tests.cloud.test_examples import EXAMPLES, OUTCOME, PAGE, example_suites
from tests.docs.pages import python_of
from tests.effort import LONG
from tests.endpoint.case import environment
from tests.endpoint.server import CREDENTIALS

SECONDS = 60.0
SUITES = ("test_fanout", "test_onboarding", "test_order", "test_report_poller")
SCRIPTED = "test_approval.ApprovalTests"
COMMAND = shutil.which("dex-local-runner", path=str(Path(sys.executable).parent))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError("dex-local-runner does not listen")


@unittest.skipUnless(
    COMMAND and find_spec("aws_durable_execution_sdk_python_testing"), "AWS's testing package is missing"
)
class LocalRunnerTests(unittest.TestCase):
    def setUp(self) -> None:
        self.port, self.front_port = free_port(), free_port()
        self.url, self.front = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.front_port}"
        self.enterContext(environment({**CREDENTIALS, "AWS_ENDPOINT_URL_LAMBDA": self.url}))
        self.suites = self.enterContext(example_suites())

    def start(self) -> dict[str, str]:
        """Start both servers; returns the names that the suites are deployed under."""
        names: dict[str, str] = {}
        durable: dict[str, Any] = {}
        plain: dict[str, Any] = {}
        for suite in self.suites:
            name = suite.function_name or handler_names(suite)[0]
            names[name] = f"deployed-{unqualified(name)}:live"
            durable |= {f"deployed-{unqualified(name)}": suite.handler, **suite.durable_functions}
            plain |= suite.functions
        page: dict[str, Any] = {"__name__": "page"}
        with mock.patch.dict(sys.modules, page=mock.Mock()):
            exec(python_of(PAGE), page)
        server = page["front_door"](self.front_port, self.url, durable, plain)
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.addCleanup(thread.join, 10)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        config = {"DurableConfig": {"ExecutionTimeout": 86_400, "RetentionPeriodInDays": 1}}
        output = self.enterContext(tempfile.TemporaryFile())
        assert COMMAND is not None
        options = {
            "--host": "127.0.0.1",
            "--port": str(self.port),
            "--lambda-endpoint": self.front,
            "--function-configs": json.dumps(dict.fromkeys(durable, config) | {name: {} for name in plain}),
        }
        words = [word for option in options.items() for word in option]
        process = subprocess.Popen([COMMAND, "start-server", "--skip-time", *words], stdout=output, stderr=output)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        wait_for(self.port)
        return names

    def test_the_examples_that_need_no_virtual_time_pass(self) -> None:
        names = self.start()
        suites = [*SUITES, *self.scripted()] if LONG else ["test_order", *self.scripted()[:1]]
        variables = {
            "AWS_ENDPOINT_URL_LAMBDA": self.front,
            "DURABLETEST_MODE": "cloud",
            "DURABLETEST_FUNCTION_NAMES": json.dumps(names),
            "DURABLETEST_POLL_INTERVAL": "0.1",
        }
        run = subprocess.run(
            [sys.executable, "-m", "unittest", "-v", *suites],
            cwd=EXAMPLES,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=2 * SECONDS,
            check=False,
        )
        self.assertEqual(run.returncode, 0, run.stderr)
        passed = [outcome for outcome in OUTCOME.finditer(run.stderr) if outcome["outcome"] == "ok"]
        self.assertGreaterEqual(len(passed), 24 if LONG else 7, run.stderr)

    def test_the_page_names_these_suites(self) -> None:
        [sentence] = re.findall(r"^(.*) of the examples pass there", PAGE.read_text("utf-8"), re.MULTILINE)
        self.assertEqual(tuple(re.findall(r"`(\w+)`", sentence)), SUITES)

    def scripted(self) -> list[str]:
        """The tests whose callbacks are answered by script, and only once."""
        [suite] = [suite for suite in self.suites if f"{suite.__module__}.{suite.__qualname__}" == SCRIPTED]
        found = unittest.defaultTestLoader.getTestCaseNames(suite)
        return [f"{SCRIPTED}.{name}" for name in found if "by_hand" not in name]
