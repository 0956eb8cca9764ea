"""The processes of runtimes: they are started, restarted after a crash as Lambda does, and ended."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import shlex
import signal
import socket
import sys
import tempfile
import unittest
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from threading import Event
from typing import Any
from unittest import mock

from aws_durable_execution_sdk_python import DurableContext, durable_execution

from durabletest import ExecutionStatus, HandlerStuckError, LocalDurableTestRunner, TestResult
from durabletest.__main__ import main
from durabletest.errors import ConfigurationError
from durabletest.local.timers import real_now
from durabletest.serve import serving
from durabletest.serve.runtime_api import PATH, ForeignFunction
from durabletest.serve.runtime_server import RuntimeProcess, RuntimeServer, RuntimeSpec, defaults
from tests.effort import LONG
from tests.forks import started
from tests.serve.processes import is_running
from tests.serve.runtime_client import BOUND, RuntimeClient
from tests.serve.served import ROOT, Served, client_of

RUNTIME = str(Path(__file__).with_name("raw_runtime.py"))
LOGGER = logging.getLogger("durabletest.serve")
PYTHON = (sys.executable, "-I", "-S", RUNTIME)
ENDPOINT = "http://127.0.0.1:9014"


@durable_execution
def parent(event: dict[str, Any], context: DurableContext) -> Any:
    return context.invoke("child", event, name="ask")


class ProcessTests(unittest.TestCase):
    def setUp(self) -> None:
        self.memory = str(Path(self.enterContext(tempfile.TemporaryDirectory()), "memory"))
        self.enterContext(mock.patch.object(LOGGER, "disabled", True))

    def server(self, *command: str) -> RuntimeServer:
        server = RuntimeServer([RuntimeSpec("orders", command or PYTHON)])
        self.addCleanup(server.close)
        server.start(ENDPOINT)
        return server

    def runner(self, server: RuntimeServer, **settings: Any) -> LocalDurableTestRunner:
        handler = server.functions["orders"]
        return self.enterContext(LocalDurableTestRunner(handler, function_name="orders", **settings))

    def errors(self, result: TestResult) -> list[tuple[str | None, str | None]]:
        """Type and message of the error of each failed invocation, without the request id."""
        failed = [one for one in result.get_invocations() if one.error is not None]
        texts = [(one.error.message or "").replace(one.request_id, "ID") for one in failed if one.error]
        return [(one.error.type, text) for one, text in zip(failed, texts, strict=True) if one.error]

    def test_one_process_answers_one_invocation_after_the_other(self) -> None:
        runner = self.runner(self.server())
        first, second = (runner.run({"todo": "answer"}).get_result()["pid"] for _ in range(2))
        self.assertEqual(first, second)
        self.assertNotEqual(first, os.getpid())

    def test_a_workflow_in_python_invokes_it(self) -> None:
        children = {"child": self.server().functions["orders"]}
        with LocalDurableTestRunner(parent, durable_functions=children) as runner:
            result = runner.run({"todo": "exit", "status": 1, "memory": self.memory})
        self.assertNotIn(result.get_result()["pid"], (os.getpid(), int(Path(self.memory).read_text())))

    def test_it_has_the_variables_of_lambda(self) -> None:
        server = self.server()
        found = self.runner(server).run({"todo": "environment"}).get_result()
        expected = {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.ports['orders']}",
            "AWS_ENDPOINT_URL_LAMBDA": ENDPOINT,
            "AWS_LAMBDA_FUNCTION_NAME": "orders",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "LAMBDA_TASK_ROOT": os.getcwd(),
        }
        self.assertEqual({name: found.get(name) for name in expected}, expected)

    def test_keys_and_region_are_set_unless_the_user_has_set_them(self) -> None:
        self.assertEqual(defaults({})["AWS_ACCESS_KEY_ID"], "durabletest")
        for variable in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
            self.assertNotIn("AWS_SECRET_ACCESS_KEY", defaults({variable: "mine"}))

    # --- crashes ---

    def crash(self, **payload: Any) -> TestResult:
        """The result of an execution whose first process ends so, and is followed by another one."""
        result = self.runner(self.server()).run({"memory": self.memory, **payload})
        self.assertNotEqual(result.get_result()["pid"], int(Path(self.memory).read_text()))
        return result

    def test_a_process_that_exits_is_a_crash_and_another_one_repeats_the_invocation(self) -> None:
        for status in (3, 0):
            with self.subTest(status):
                Path(self.memory).unlink(missing_ok=True)
                crash = f"RequestId: ID Error: Runtime exited with error: exit status {status}"
                result = self.crash(todo="exit", status=status)
                self.assertEqual(self.errors(result), [("Runtime.ExitError", crash)])

    def test_a_process_that_is_killed_is_a_crash(self) -> None:
        crash = "RequestId: ID Error: Runtime exited with error: signal: killed"
        self.assertEqual(self.errors(self.crash(todo="kill")), [("Runtime.ExitError", crash)])

    def test_the_log_tells_of_a_process_that_has_ended(self) -> None:
        with mock.patch.object(LOGGER, "disabled", False), self.assertLogs(LOGGER) as logged:
            self.crash(todo="exit", status=3)
        [line] = logged.output
        self.assertIn("the process of orders has ended (exit status 3): its next invocation starts another", line)

    def test_a_process_that_never_begins_fails_the_execution(self) -> None:
        crash = "RequestId: ID Error: Runtime exited with error: exit status 4"
        result = self.runner(self.server(*PYTHON, "exit", "4"), invocation_attempts=2).run({})
        self.assertIs(result.get_status(), ExecutionStatus.FAILED)
        self.assertEqual(self.errors(result), [("Runtime.ExitError", crash)] * 2)

    def test_a_process_that_reports_why_it_cannot_begin_fails_of_that(self) -> None:
        server = self.server(sys.executable, "-c", "import signal; signal.pause()")
        runner = self.runner(server, invocation_attempts=1)
        execution = runner.start({})
        client = RuntimeClient(server.ports["orders"])
        self.addCleanup(client.close)
        report = {"errorType": "Runtime.NoSuchModule", "errorMessage": "no module"}
        while execution.status is ExecutionStatus.RUNNING:
            self.assertEqual(client.request("POST", f"{PATH}/init/error", report).status, 202)
        self.assertEqual(self.errors(execution.result()), [("Runtime.NoSuchModule", "no module")])

    def test_what_comes_after_that_report_waits_for_the_next_process(self) -> None:
        script = (
            f"import pathlib, runpy, sys; memory = pathlib.Path({self.memory!r})\n"
            "sys.argv = ['', *([] if memory.exists() else ['init-error'])]\n"
            f"memory.touch(); runpy.run_path({RUNTIME!r}, run_name='__main__')"
        )
        result = self.runner(self.server(sys.executable, "-I", "-S", "-c", script)).run({"todo": "answer"})
        self.assertIn("pid", result.get_result())
        self.assertLessEqual({error for error, _ in self.errors(result)}, {"Runtime.NoSuchModule"})

    def test_a_running_process_can_neither_report_that_it_cannot_begin_nor_get_another_invocation(self) -> None:
        server = self.server(sys.executable, "-c", "import signal; signal.pause()")
        runtime, other = (RuntimeClient(server.ports["orders"]) for _ in range(2))
        self.addCleanup(runtime.close)
        self.addCleanup(other.close)
        execution = self.runner(server).start({})
        first, again = runtime.next(), other.next()
        self.assertEqual((again.request_id, again.body), (first.request_id, first.body))
        refusal = runtime.request("POST", f"{PATH}/init/error", {})
        self.assertEqual(refusal.error, (403, "InvalidStateTransition"))
        self.assertIn("from Running to InitError", refusal.json["errorMessage"])
        runtime.succeed(first.request_id, 1)
        self.assertEqual(execution.result().get_invocations()[0].error, None)

    # --- given up ---

    def test_a_process_that_hangs_is_killed_when_its_invocation_is_given_up(self) -> None:
        server = self.server()
        with self.assertRaisesRegex(HandlerStuckError, "^orders made no progress .*its process has the invocation"):
            self.runner(server, watchdog=0.5).run({"todo": "hang", "memory": self.memory})
        hung = int(Path(self.memory).read_text())
        pid = self.runner(server).run({"todo": "answer"}).get_result()["pid"]
        self.assertNotEqual(pid, hung)
        self.assertFalse(is_running(hung))

    @unittest.skipUnless(LONG, "it takes a second, the shortest timeout of a function; DURABLETEST_LONG_TESTS=1")
    def test_an_invocation_that_takes_longer_than_its_function_may_has_timed_out(self) -> None:
        runner = self.runner(self.server(), skip_time=False, function_timeout=1, invocation_attempts=1)
        result = runner.run({"todo": "hang", "memory": self.memory})
        self.assertEqual([error for error, _ in self.errors(result)], ["Sandbox.Timedout"])

    # --- the end ---

    def test_close_ends_the_process_and_what_it_has_started(self) -> None:
        children = f"(trap '' TERM; exec sleep 3600) & echo $! > {self.memory}; exec {shlex.join(PYTHON)}"
        server = self.server("sh", "-c", children)
        pid = self.runner(server).run({"todo": "answer"}).get_result()["pid"]
        server.close()
        self.assertFalse(is_running(pid))
        child = int(Path(self.memory).read_text())
        self.assertFalse(all(is_running(child) for _ in range(1000)), "it takes a moment until it is gone")

    def test_close_kills_a_process_that_does_not_want_to_end(self) -> None:
        ignoring = (
            f"import os, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.execv({PYTHON[0]!r}, {PYTHON!r})"
        )
        server = self.server(sys.executable, "-c", ignoring)
        pid = self.runner(server).run({"todo": "answer"}).get_result()["pid"]
        with mock.patch("durabletest.serve.runtime_server._GRACE_SECONDS", 0.01):
            server.close()
        self.assertFalse(is_running(pid))

    def test_after_the_end_every_invocation_fails(self) -> None:
        server = self.server()
        server.close()
        result = self.runner(server, invocation_attempts=1).run({"todo": "answer"})
        crash = "RequestId: ID Error: Runtime exited with error: the server has ended"
        self.assertEqual(self.errors(result), [("Runtime.ExitError", crash)])

    def test_one_that_comes_when_the_server_takes_no_more_fails_too(self) -> None:
        """It is handed to the event loop, which is closed before it gets to it."""
        server, close = self.server(), asyncio.SelectorEventLoop.close
        runner = self.runner(server, invocation_attempts=1, watchdog=2)
        runs: list[Future[TestResult]] = []
        with ThreadPoolExecutor() as pool:

            def closing(loop: Any) -> None:
                handed_over, hand_over = Event(), loop.call_soon_threadsafe
                loop.call_soon_threadsafe = lambda *call: (hand_over(*call), handed_over.set())
                runs.append(pool.submit(runner.run, {"todo": "answer"}))
                handed_over.wait(BOUND)
                close(loop)

            with mock.patch("asyncio.SelectorEventLoop.close", closing):
                server.close()
            result = runs[0].result(BOUND)
        crash = "RequestId: ID Error: Runtime exited with error: the server has ended"
        self.assertEqual(self.errors(result), [("Runtime.ExitError", crash)])

    def test_a_command_that_is_gone_when_it_is_to_be_started_again(self) -> None:
        script = Path(self.memory).with_name("runtime")
        script.write_text(f"#!/bin/sh\nexec {shlex.join(PYTHON)}\n")
        script.chmod(0o700)
        server = self.server(str(script))
        runner = self.runner(server, invocation_attempts=2)
        runner.run({"todo": "answer"})
        script.unlink()
        result = runner.run({"todo": "exit", "status": 1, "memory": self.memory})
        [(_, first), (_, second)] = self.errors(result)
        self.assertIn("exit status 1", first or "")
        self.assertIn("cannot be started", second or "")

    def test_a_process_that_is_being_started_again_ends_too(self) -> None:
        started: list[asyncio.subprocess.Process] = []
        original = asyncio.create_subprocess_exec

        async def noting(*command: str, **options: Any) -> asyncio.subprocess.Process:
            started.append(await original(*command, **options))
            return started[-1]

        async def end_at_once() -> None:
            function = ForeignFunction("orders", real_now, supervised=True)
            process = RuntimeProcess(RuntimeSpec("orders", ("sleep", "20")), function, os.environ)
            function.wanted()
            await process.end()

        with mock.patch("asyncio.create_subprocess_exec", noting):
            asyncio.run(end_at_once())
        self.assertEqual([process.returncode for process in started], [-signal.SIGTERM])

    def test_close_lets_a_running_invocation_fail(self) -> None:
        server = self.server()
        with ThreadPoolExecutor() as pool:
            runner = self.runner(server, invocation_attempts=2)
            running = pool.submit(runner.run, {"todo": "hang", "memory": self.memory})
            while not Path(self.memory).exists():
                self.assertFalse(running.done())
            server.close()
            result = running.result(BOUND)
        self.assertIs(result.get_status(), ExecutionStatus.FAILED)
        self.assertTrue(all(error == "Runtime.ExitError" for error, _ in self.errors(result)))


class ConfigurationTests(unittest.TestCase):
    def test_specifications(self) -> None:
        self.assertEqual(
            RuntimeSpec.parsed("orders=node 'my index.mjs' --a=b"),
            RuntimeSpec("orders", ("node", "my index.mjs", "--a=b")),
        )
        self.assertEqual(RuntimeSpec.parsed("orders=9015"), RuntimeSpec("orders", port=9015))

    def test_specifications_that_say_nothing(self) -> None:
        for text, problem in {
            "orders": "NAME=COMMAND",
            "=node": "NAME=COMMAND",
            "orders= ": "NAME=COMMAND",
            "orders=0": "from 1 to 65535",
            "orders=65536": "from 1 to 65535",
            "orders=node 'a": "cannot be read: No closing quotation",
        }.items():
            named = re.escape(f"--runtime {text}")
            with self.subTest(text), self.assertRaisesRegex(ConfigurationError, f"^{named}=?: .*{problem}"):
                RuntimeSpec.parsed(text)

    def test_a_function_has_one_runtime(self) -> None:
        with self.assertRaisesRegex(ConfigurationError, "orders is given twice"):
            RuntimeServer([RuntimeSpec("orders", port=1), RuntimeSpec("orders", ("node",))])

    def test_a_command_that_cannot_be_started(self) -> None:
        server = RuntimeServer([RuntimeSpec("b", PYTHON), RuntimeSpec("orders", ("no-such-command", "x"))])
        self.addCleanup(server.close)
        with self.assertRaisesRegex(ConfigurationError, "--runtime orders: 'no-such-command x' cannot be started"):
            server.start(ENDPOINT)

    def test_a_port_that_is_taken(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            server = RuntimeServer([RuntimeSpec("a"), RuntimeSpec("orders", port=port)])
            self.addCleanup(server.close)
            with self.assertRaisesRegex(ConfigurationError, f"port {port} .*choose another --runtime orders=PORT"):
                server.start(ENDPOINT)


class CommandTests(unittest.TestCase):
    def complaint(self, *arguments: str) -> str:
        """What the command says that cannot serve."""
        with redirect_stderr(StringIO()) as said, self.assertRaises(SystemExit) as caught:
            sys.exit(main(["serve", "--port", "0", *arguments]))
        self.assertNotEqual(caught.exception.code, 0)
        return said.getvalue()

    def test_a_runtime_that_is_started_by_hand_finds_what_it_needs_in_the_greeting(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with Served("--runtime", f"orders={port}") as served, ThreadPoolExecutor() as pool:
            variables = f"AWS_LAMBDA_RUNTIME_API=127.0.0.1:{port} AWS_ENDPOINT_URL_LAMBDA={served.url}"
            self.assertEqual(served.output.readline(), f"orders waits for its runtime: {variables}\n")
            client, runtime = client_of(served.url), RuntimeClient(port)
            self.addCleanup(client.close)
            self.addCleanup(runtime.close)
            answer = pool.submit(client.invoke, FunctionName="orders:$LATEST", Payload=b"1")
            runtime.succeed(runtime.next().request_id, "done")
            self.assertEqual(answer.result(BOUND)["Payload"].read(), b'"done"')
            runtime.send("GET", f"{PATH}/invocation/next")
            self.assertEqual(served.end(), (0, ""))
            self.assertEqual(runtime.receive().error, (500, "InternalServerError"))

    def test_an_interrupt_ends_a_process_in_the_middle_of_its_invocation(self) -> None:
        memory = Path(self.enterContext(tempfile.TemporaryDirectory()), "memory")
        for by in (signal.SIGINT, signal.SIGTERM):
            memory.unlink(missing_ok=True)
            with self.subTest(by), Served("--runtime", f"orders={shlex.join(PYTHON)}") as served:
                client = client_of(served.url)
                self.addCleanup(client.close)
                payload = json.dumps({"todo": "hang", "memory": str(memory)})
                client.invoke(FunctionName="orders:$LATEST", InvocationType="Event", Payload=payload)
                while not (memory.exists() and memory.read_text()):
                    self.assertIsNone(served.process.poll())
                self.assertEqual(served.end(by), (0, ""))
                self.assertFalse(is_running(int(memory.read_text())))

    def assertEndsWith(self, script: str) -> None:
        """The command ends by a signal of its runtime, a shell script that knows it as its parent, and takes it along.

        The script writes its process id to ``$0``.
        """
        pid = Path(self.enterContext(tempfile.TemporaryDirectory()), "pid")
        runtime = shlex.join(("sh", "-c", script, str(pid)))
        command = ("durabletest", "serve", "--port", "0", "--runtime", f"orders={runtime}")
        with tempfile.TemporaryFile("w+") as said:
            process = started(command, ROOT, {**os.environ, "PYTHONPATH": str(ROOT)}, said, said)
            self.assertEqual(process.wait(BOUND), 0)
            said.seek(0)
            self.assertNotIn("Traceback", said.read())
        self.assertFalse(is_running(int(pid.read_text())))

    def test_a_signal_that_comes_as_the_process_begins_ends_that_too(self) -> None:
        for by in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(by):
                self.assertEndsWith(f"echo $$ > $0; kill -{by.value} $PPID; exec sleep 20")

    @unittest.skipUnless(LONG, "it takes the two seconds that a process has to end; DURABLETEST_LONG_TESTS=1")
    def test_a_second_sigterm_does_not_leave_it_running(self) -> None:
        self.assertEndsWith("echo $$ > $0; trap 'kill $PPID' TERM; kill $PPID; for _ in $(seq 99); do sleep 0.1; done")

    def test_a_runtime_is_served_for_a_block_of_code(self) -> None:
        with serving({"parent": parent}, runtimes={"child": shlex.join(PYTHON)}) as url:
            client = client_of(url)
            self.addCleanup(client.close)
            answer = client.invoke(FunctionName="parent:$LATEST", Payload=b'{"todo": "answer"}')
            pid = json.loads(answer["Payload"].read())["pid"]
            self.assertTrue(is_running(pid))
        self.assertFalse(is_running(pid))

    def test_a_name_stands_for_one_function_in_a_block_of_code(self) -> None:
        with self.assertRaisesRegex(ConfigurationError, "'parent' is served twice"):
            self.enterContext(serving({"parent": parent}, runtimes={"parent": "node index.mjs"}))

    def test_what_cannot_be_served(self) -> None:
        order = "order_handler=examples/order.py:order_handler"
        self.assertIn("there is nothing to serve", self.complaint())
        self.assertIn("'order_handler' is served twice", self.complaint(order, "--runtime", "order_handler=node x"))
        self.assertIn("cannot be started", self.complaint("--runtime", "orders=no-such-command"))


if __name__ == "__main__":
    unittest.main()
