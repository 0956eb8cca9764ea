"""The command ``durabletest serve``: what it serves, what it refuses, and how it ends."""

from __future__ import annotations

import argparse
import contextlib
import http.client
import io
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any
from unittest import mock

from botocore.exceptions import ClientError

from durabletest.__main__ import main
from durabletest.serve import add_to, serving
from durabletest.serve.targets import load
from tests.docs.pages import GUIDE, rows
from tests.effort import LONG
from tests.leftovers import leftovers
from tests.serve.case import BOUND
from tests.serve.served import ROOT, Served, client_of

BLOCKING = """
    import sys
    from threading import Event
    from aws_durable_execution_sdk_python import durable_execution

    @durable_execution
    def blocking(event, context):
        def block(_):
            print("blocked", flush=True)
            Event().wait()
        return context.step(block, name="block")

    @durable_execution
    def asking(event, context):
        return context.create_callback(name="answer").result()

    @durable_execution
    def exiting(event, context):
        sys.exit(3)

    def plain(event, context):
        Event().wait()
"""


class CommandTests(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (self.folder / "blocking.py").write_text(textwrap.dedent(BLOCKING), encoding="utf-8")

    def client(self, url: str) -> Any:
        client = client_of(url)
        self.addCleanup(client.close)
        return client

    def test_functions_are_served_until_it_is_terminated(self) -> None:
        with Served("examples/order.py", "geo=examples/onboarding.py:geo_lookup", "--time", "skip") as served:
            client = self.client(served.url)
            answer = client.invoke(FunctionName="order_handler:$LATEST", Payload=b'{"order": 1, "stock": 0}')
            self.assertEqual((answer["StatusCode"], "FunctionError" in answer), (200, False))
            self.assertIn(b"nothing left", answer["Payload"].read())
            located = client.invoke(FunctionName="geo", Payload=b'{"ip": "192.0.2.1"}')
            self.assertEqual(located["Payload"].read(), b'"NL"')
            self.assertEqual(served.end(signal.SIGTERM), (0, ""))

    def test_it_ends_whatever_goes_on(self) -> None:
        """A handler that blocks, a plain function that does, callers that wait for them, and a page that listens.

        One that exits is a failed execution before.
        """
        targets = ("blocking.py", "blocking.py:plain")
        for by in (signal.SIGINT, signal.SIGTERM) if LONG else (signal.SIGINT,):
            with self.subTest(by.name), Served(*targets, cwd=self.folder) as served, ThreadPoolExecutor(3) as pool:
                client = self.client(served.url)
                exited = client.invoke(FunctionName="exiting:1")
                self.assertIn(b"exit status 3", exited["Payload"].read())
                asked = pool.submit(client.invoke, FunctionName="asking:1")
                called = pool.submit(client.invoke, FunctionName="plain")
                blocked = pool.submit(client.invoke, FunctionName="blocking:1")
                self.assertEqual(served.output.readline(), "blocked\n")
                page = http.client.HTTPConnection(served.url.removeprefix("http://"), timeout=BOUND)
                self.addCleanup(page.close)
                page.request("GET", "/durabletest/changes")
                self.assertEqual(page.getresponse().status, 200)
                self.assertEqual(served.end(by), (0, ""))
                for waiting in (asked, called, blocked):
                    with self.assertRaises(ClientError) as caught:
                        waiting.result(BOUND)
                    self.assertEqual(caught.exception.response["Error"]["Code"], "ServiceException")

    def test_nothing_is_left_in_its_process(self) -> None:
        with serving(load(["examples/order.py"])) as url:
            client = self.client(url)
            client.invoke(FunctionName="order_handler:1", InvocationType="Event", Payload=b'{"order": 1}')
        self.assertEqual(leftovers(), [])

    def test_nothing_is_left_if_its_beginning_is_interrupted(self) -> None:
        class Interrupted(Event):
            def wait(self, timeout: float | None = None) -> bool:
                if not interrupted:
                    interrupted.append(self)
                    raise KeyboardInterrupt
                return super().wait(timeout)

        interrupted: list[Event] = []
        with mock.patch("durabletest.serve.loopback.Event", Interrupted), self.assertRaises(KeyboardInterrupt):
            self.enterContext(serving(load(["examples/order.py"])))
        self.assertEqual(leftovers(), [])

    def test_what_cannot_be_served_is_said_with_what_to_write(self) -> None:
        (self.folder / "broken.py").write_text("import nothing_of_that_name", encoding="utf-8")
        (self.folder / "empty.py").write_text("VALUE = 1", encoding="utf-8")
        blocking, port = str(self.folder / "blocking.py"), ("--port", "0")
        for arguments, complaint in (
            (("nowhere.py",), r"there is no file 'nowhere.py'"),
            (("no.such.module:handler",), r"cannot be imported: ModuleNotFoundError"),
            ((str(self.folder / "broken.py"),), r"cannot be imported: ModuleNotFoundError: .*nothing_of_that_name"),
            ((str(self.folder / "empty.py"),), r"defines no durable function; write .*empty.py:FUNCTION"),
            ((f"{blocking}:blokcing",), r"has no function 'blokcing'.*blocking"),
            ((f"name={blocking}",), r"a name needs a function"),
            ((blocking, f"{blocking}:asking"), r"'asking' is served twice: .* NAME="),
            ((f"{blocking}:plain",), r"none of plain is durable"),
            (("a=b=c",), r"is no function: write FILE.py:FUNCTION"),
            ((blocking, "--start-time", "soon"), r"--start-time 'soon' is no time"),
            ((blocking, "--port", "65536"), r"--port is 65536: a port is a number"),
            ((blocking, "--patience", "0"), r"patience is 0: it is a number of reads"),
            ((blocking, "--watchdog", "-1"), r"watchdog"),
            ((f"bad name={blocking}:asking",), r"is 'bad name': give a function's name"),
        ):
            with self.subTest(arguments):
                run = _in_process([*port, *arguments])
                self.assertEqual(run[0], 2)
                self.assertRegex(run[1], complaint)

    def test_every_option_is_in_the_guide_and_every_one_of_its_page_exists(self) -> None:
        commands = argparse.ArgumentParser().add_subparsers()
        add_to(commands)
        options = {name for name in commands.choices["serve"].format_help().split() if name.startswith("--")}
        options = {name.strip("[],") for name in options} - {"--help"}
        page = rows((GUIDE / "serve.md").read_text(encoding="utf-8"))
        described = {cells[0].strip("`") for cells in page if cells[0].startswith("`--")}
        self.assertLessEqual(described, options)
        guide = "".join(path.read_text(encoding="utf-8") for path in GUIDE.glob("*.md"))
        self.assertEqual({name for name in options if f"`{name}" not in guide}, set())

    def test_without_its_extra_it_says_what_to_install(self) -> None:
        script = (
            "import sys; sys.modules['starlette'] = None\n"
            "from durabletest.__main__ import main\n"
            "sys.exit(main(['serve', 'examples/order.py']))"
        )
        run = subprocess.run(
            [sys.executable, "-c", script],
            check=False,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        self.assertEqual(run.returncode, 2)
        self.assertIn("pip install 'durabletest[serve]'", run.stderr)


def _in_process(arguments: list[str]) -> tuple[int, str]:
    """The exit status of the command, and what it wrote to standard error; for what ends before anything is served."""
    errors, before = io.StringIO(), list(sys.path)
    with contextlib.redirect_stderr(errors):
        try:
            return main(["serve", *arguments]), errors.getvalue()
        finally:
            sys.path[:] = before


if __name__ == "__main__":
    unittest.main()
