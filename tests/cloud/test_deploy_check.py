"""``durabletest fetch-histories`` and ``durabletest check-deploy``, in front of an endpoint."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import tempfile
import textwrap
import unittest
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

from aws_durable_execution_sdk_python import DurableContext, durable_execution

from durabletest import LocalDurableTestRunner
from durabletest.__main__ import main
from durabletest.cloud.history_quota import HISTORY_RATE_VARIABLE, HistoryQuota
from durabletest.cloud.recording import recorded_executions
from durabletest.histories import breaks, read_history
from tests.endpoint import faults
from tests.endpoint.case import EndpointTestCase
from tests.sdk_versions import needs_turns

NUMBERS = count(1)
ROOT = Path(__file__).parents[2]
HISTORY = "GetDurableExecutionHistory"
LIST = "ListDurableExecutionsByFunction"
APP = """
    from aws_durable_execution_sdk_python import durable_execution

    @durable_execution
    def handler(event, context):
        context.step(lambda _: 1 // 0, name="{step}")
        return context.create_callback(name="approval").result()
"""


GUIDE = """
    from aws_durable_execution_sdk_python import durable_execution

    @durable_execution
    def handler(event, context):
        context.step(lambda _: 1 // 0, name="wrap" if event["order"] == 7 else "pack")
        return context.create_callback(name="approval").result()
"""


@durable_execution
def wrapping(event: dict[str, Any], context: DurableContext) -> Any:
    context.step(lambda _: "paper", name="wrap")
    return context.create_callback(name="approval").result()


@durable_execution
def subscribe(event: dict[str, Any], context: DurableContext) -> Any:
    context.step(lambda _: f"welcome {event['name']}", name="welcome")
    return context.create_callback(name="approval").result()


class CommandCase(EndpointTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.function = f"orders-{next(NUMBERS)}"  # of each test, as names of executions are used again
        self.endpoint.deploy(self.function, subscribe)
        self.addCleanup(self.endpoint.reset)
        folder = Path(self.enterContext(tempfile.TemporaryDirectory())).resolve()
        self.enterContext(contextlib.chdir(folder))
        self.enterContext(mock.patch.object(sys, "path", list(sys.path)))
        self.enterContext(mock.patch.dict(sys.modules))
        for module, step in {"same_app": "welcome", "changed_app": "greet"}.items():
            Path(f"{module}.py").write_text(textwrap.dedent(APP).format(step=step), encoding="utf-8")

    def begin(self, *names: str, **more: Any) -> None:
        """Start executions of these names, which wait for an approval."""
        for name in names:
            payload = json.dumps({"name": f"{name} Miller", "card": 4111111111111111, **more})
            self.client.invoke(
                FunctionName=f"{self.function}:live", InvocationType="Event", DurableExecutionName=name, Payload=payload
            )
            self.endpoint.all()[-1].operation("approval").wait_for_data().result(timeout=20)

    def command(self, *arguments: str) -> tuple[int, str, str]:
        """The exit status, and what was printed to stdout and to stderr."""
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            status = main(arguments)
        return status, out.getvalue(), err.getvalue()


class CheckTests(CommandCase):
    def test_executions_that_the_handler_replays(self) -> None:
        self.begin("ann", "bob")
        status, out, err = self.command("check-deploy", f"{self.function}:live", "--handler", "same_app:handler")
        self.assertEqual((status, err), (0, ""))
        table = out.splitlines()
        self.assertRegex(table[0], r"^execution +version +started \(UTC\) +status +with same_app:handler$")
        self.assertRegex(table[2], r"^bob +\$LATEST +\d{4}-\d\d-\d\d \d\d:\d\d +RUNNING +replays$")
        self.assertTrue(table[3].startswith("ann "))
        self.assertEqual(table[-1], f"2 executions of {self.function}:live: those that go on; none would break")

    @needs_turns
    def test_executions_that_would_break(self) -> None:
        self.begin("ann")
        status, out, _ = self.command("check-deploy", f"{self.function}:live", "--handler", "changed_app.py:handler")
        self.assertEqual(status, 1)
        self.assertIn("BREAKS: operation 1 was step 'welcome', is now step 'greet'", out)
        self.assertIn(
            f"1 execution of {self.function}:live: those that go on; 1 would break or cannot be checked\n", out
        )
        self.assertIn("Keep the recorded operations as they are", out)

    @needs_turns
    def test_the_guide_shows_what_is_printed(self) -> None:
        self.function = "orders"
        self.endpoint.deploy(self.function, wrapping)
        Path("app.py").write_text(textwrap.dedent(GUIDE), encoding="utf-8")
        for order in (7, 8):
            self.begin(f"order-{order}", order=order)
        command = "check-deploy orders:live --handler app:handler"
        status, out, _ = self.command(*command.split())
        page = (ROOT / "docs" / "durability.md").read_text("utf-8")
        shown = page.partition(f"$ durabletest {command}\n")[2].partition("```")[0]
        self.assertEqual((status, out.replace(" $LATEST    ", " 7          ")), (1, shown))

    def test_a_history_that_lacks_payloads_cannot_be_checked(self) -> None:
        def truncated(page: dict[str, Any]) -> dict[str, Any]:
            for event in page["Events"]:
                event.get("ExecutionStartedDetails", {}).get("Input", {})["Truncated"] = True
            return page

        self.begin("ann")
        self.endpoint.faults.always(HISTORY, faults.Rewritten(truncated))
        status, out, _ = self.command("check-deploy", self.function, "--handler", "same_app:handler")
        self.assertEqual(status, 1)
        self.assertIn("CANNOT BE CHECKED: the history lacks payloads (event 1, ExecutionStarted)", out)

    def test_only_open_executions_unless_others_are_asked_for(self) -> None:
        self.begin("ann")
        [execution] = self.endpoint.all()
        execution.operation("approval").send_callback_success("yes")
        execution.result(timeout=20)
        command = ("check-deploy", self.function, "--handler", "changed_app:handler")
        self.assertEqual(
            self.command(*command)[:2], (0, f"no executions of {self.function}: those that go on; none would break\n")
        )
        status, out, _ = self.command(*command, "--status", "SUCCEEDED", "--limit", "1")
        self.assertEqual(status, 1)
        self.assertIn(f"1 execution of {self.function}: SUCCEEDED, the newest 1 at most; 1 would break", out)

    def test_all_pages_of_the_list(self) -> None:
        self.begin("ann", "bob", "cid")
        self.endpoint.faults.always(LIST, faults.OnSecondPage("DurableExecutions"))
        self.assertEqual([one.name for one in recorded_executions(self.client, self.function)], ["cid", "bob", "ann"])
        self.assertEqual([one.name for one in recorded_executions(self.client, self.function, limit=2)], ["cid", "bob"])

    def test_a_version_chooses_its_executions(self) -> None:
        self.begin("ann")
        for qualifier, found in {"": 1, ":live": 1, ":$LATEST": 1, ":7": 0}.items():
            with self.subTest(qualifier):
                executions = list(recorded_executions(self.client, f"{self.function}{qualifier}"))
                self.assertEqual(len(executions), found)

    def test_each_history_waits_for_its_turn_by_the_quota(self) -> None:
        self.begin("ann", "bob")
        with (
            mock.patch.dict(os.environ, {HISTORY_RATE_VARIABLE: "1000"}),
            mock.patch.object(HistoryQuota, "wait", autospec=True, return_value=True) as wait,
        ):
            self.assertEqual(len(list(recorded_executions(self.client, self.function))), 2)
        self.assertEqual(wait.call_count, 2)

    def test_executions_that_are_deleted_meanwhile_are_left_out(self) -> None:
        self.begin("ann", "bob")
        self.endpoint.faults.add(HISTORY, faults.not_found)
        self.assertEqual([one.name for one in recorded_executions(self.client, self.function)], ["ann"])

    def test_wrong_usage_and_a_service_that_fails(self) -> None:
        check = ("check-deploy", self.function, "--handler")
        cases = {
            "'nothing' cannot be imported": ("check-deploy", self.function, "--handler", "nothing:handler"),
            "has no function 'handle'; did you mean 'handler'": (*check, "same_app:handle"),
            "--limit 0: give a number from 1 on": (*check, "same_app:handler", "--limit", "0"),
            "the status 'ASLEEP' is not one of RUNNING": (*check, "same_app:handler", "--status", "ASLEEP"),
            "there is no function 'ordesr'": ("check-deploy", "ordesr", "--handler", "same_app:handler"),
        }
        for words, arguments in cases.items():
            with self.subTest(words):
                status, out, err = self.command(*arguments)
                self.assertEqual((status, out), (2, ""))
                self.assertIn(words, err)
        self.endpoint.faults.always(LIST, faults.forbidden)
        self.assertIn(
            "do not permit lambda:ListDurableExecutionsByFunction", self.command(*check, "same_app:handler")[2]
        )
        self.endpoint.faults.always(LIST, faults.broken)
        status, _, err = self.command(*check, "same_app:handler")
        self.assertEqual(status, 2)
        self.assertIn("the Lambda service refuses ListDurableExecutionsByFunction", err)


class FetchTests(CommandCase):
    def test_files_that_replay(self) -> None:
        self.begin("ann", "bob")
        status, out, err = self.command("fetch-histories", f"{self.function}:live", "--out", "histories/live")
        files = [Path("histories/live/bob.json"), Path("histories/live/ann.json")]
        self.assertEqual((status, err), (0, ""))
        self.assertEqual(out, f"{files[0]}\n{files[1]}\n2 executions of {self.function}:live: those that go on\n")
        with LocalDurableTestRunner(subscribe) as runner:
            for file in files:
                self.assertEqual({*breaks(runner, read_history(file))}, {None})
        self.assertIn("ann Miller", files[1].read_text("utf-8"))

    def test_redacted_files_replay_and_tell_nothing(self) -> None:
        self.begin("ann")
        self.command("fetch-histories", self.function, "--out", ".", "--redact")
        text = Path("ann.json").read_text("utf-8")
        self.assertNotIn("Miller", text)
        self.assertNotIn("4111", text)
        self.assertIn("xxxxxxx xxx xxxxxx", text)
        with LocalDurableTestRunner(subscribe) as runner:
            self.assertEqual({*breaks(runner, read_history(Path("ann.json")))}, {None})

    def test_a_folder_that_cannot_be_written(self) -> None:
        self.begin("ann")
        status, _, err = self.command("fetch-histories", self.function, "--out", "same_app.py")
        self.assertEqual(status, 2)
        self.assertIn("the history 'same_app.py/ann.json' cannot be written", err)


if __name__ == "__main__":
    unittest.main()
