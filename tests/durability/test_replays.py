"""``save_history`` and ``assertReplays``: each kind of change against recorded histories and all their prefixes."""

from __future__ import annotations

import json
import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, ParallelBranch, durable_execution
from aws_durable_execution_sdk_python.config import Duration, StepConfig
from aws_durable_execution_sdk_python.retries import RetryDecision

from durabletest import LocalDurableTestRunner, UsageError
from durabletest.histories import breaks, read_history
from durabletest.model.history import History
from tests.durability.case import report
from tests.durability.correct import CORRECT, nothing_but_steps
from tests.sdk_versions import needs_turns

Line = Callable[[DurableContext], Any]


def step(name: str, value: object = 1) -> Line:
    return lambda context: context.step(lambda _: value, name=name)


def wait(name: str, seconds: int = 60) -> Line:
    return lambda context: context.wait(Duration.from_seconds(seconds), name=name)


def inner(name: str, *lines: Line) -> Line:
    return lambda context: context.run_in_child_context(lambda child: [line(child) for line in lines][-1], name=name)


def parallel(name: str, **branches: tuple[Line, ...]) -> Line:
    def branch(lines: tuple[Line, ...]) -> Line:
        return lambda context: [line(context) for line in lines][-1]

    made = [ParallelBranch(branch(lines), name=key) for key, lines in branches.items()]
    return lambda context: len(context.parallel(made, name=name).get_results())


def flaky(name: str) -> Line:
    def run(step: Any) -> int:
        if step.attempt < 3:
            raise OSError("busy")
        return 1

    config = StepConfig(retry_strategy=lambda *_: RetryDecision.retry(Duration.from_seconds(5)))
    return lambda context: context.step(run, name=name, config=config)


def approval(context: DurableContext) -> Any:
    return context.wait_for_callback(lambda _id, _: None, name="approval")


def invoke(name: str) -> Line:
    return lambda context: context.invoke("plain", 1, name=name)


def workflow(*lines: Line) -> Any:
    @durable_execution
    def handler(event: Any, context: DurableContext) -> Any:
        return [line(context) for line in lines][-1]

    return handler


OLD = (
    step("reserve"),
    wait("cool-down"),
    flaky("charge"),
    inner("shipping", step("pack"), wait("truck"), step("ship")),
    parallel("mails", customer=(step("write"), wait("night"), step("send")), seller=(step("note"), wait("day"))),
    approval,
    invoke("account"),
    step("close"),
)


def changed(place: int, *lines: Line, until: int = 1) -> Any:
    return workflow(*OLD[:place], *lines, *OLD[place + until :])


INCOMPATIBLE = {
    "renamed": (changed(0, step("book")), "operation 1 was step 'reserve', is now step 'book'"),
    "retyped": (changed(2, wait("charge")), "operation 3 was step 'charge', is now wait 'charge'"),
    "reordered": (changed(0, OLD[1], OLD[0], until=2), "operation 1 was step 'reserve', is now wait 'cool-down'"),
    "inserted": (changed(1, step("check"), until=0), "operation 2 was wait 'cool-down', is now step 'check'"),
    "removed": (changed(1), "operation 2 was wait 'cool-down', is now step 'charge'"),
    "removed at the end": (changed(7), "step 'close', and does not come any more"),
    "renamed in a context": (
        changed(3, inner("shipping", step("wrap"), wait("truck"), step("ship"))),
        "was step 'shipping/pack', is now step 'wrap'",
    ),
    "renamed context": (
        changed(3, inner("delivery", step("pack"))),
        "was context 'shipping', is now context 'delivery'",
    ),
    "renamed branch": (
        changed(4, parallel("mails", buyer=(step("write"),), seller=(step("note"),))),
        "was branch 'mails/customer', is now branch 'buyer'",
    ),
    "renamed in a branch": (
        changed(4, parallel("mails", customer=(step("draft"),), seller=(step("note"), wait("day")))),
        "was step 'mails/customer/write', is now step 'draft'",
    ),
    "no callback any more": (changed(5, step("approval")), "was callback 'approval', is now step 'approval'"),
    "another invoke": (changed(6, invoke("ledger")), "was invoke 'account', is now invoke 'ledger'"),
    "fails": (workflow(*OLD, lambda _: 1 // 0), "the handler fails with ZeroDivisionError"),
}
COMPATIBLE = {
    "the same": workflow(*OLD),
    "appended": workflow(*OLD, step("thank")),
    "another value": changed(0, step("reserve", "other")),
    "a longer wait": changed(1, wait("cool-down", 3600)),
    "another retry strategy": changed(2, step("charge")),
    "code between operations": changed(1, lambda _: 42, OLD[1]),
}


def recorded(handler: Any) -> list[dict[str, Any]]:
    with LocalDurableTestRunner(handler, functions={"plain": lambda event, _: event}) as runner:
        runner.register_durable_function("child", nothing_but_steps)
        runner.on_callback("approval", optional=True).succeed("yes", after=60)
        return runner.run({}).history


@needs_turns
class ChangeTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.history = recorded(workflow(*OLD))

    def found(self, handler: Any, events: list[dict[str, Any]]) -> list[str | None]:
        with LocalDurableTestRunner(handler) as runner:
            return [None if one is None else one.words for one in breaks(runner, events)]

    def test_every_incompatible_change_is_found_and_named(self) -> None:
        for name, (handler, words) in INCOMPATIBLE.items():
            with self.subTest(name):
                found = self.found(handler, self.history)
                first = next((one for one in found if one is not None), "")
                self.assertIn(words, str(first))

    def test_every_prefix_that_has_the_operation_is_found(self) -> None:
        found = self.found(INCOMPATIBLE["renamed"][0], self.history)
        self.assertNotIn(None, found)
        late = self.found(INCOMPATIBLE["removed at the end"][0], self.history)
        self.assertEqual([one is None for one in late].count(False), 3, "it began, it succeeded, the execution ended")

    def test_no_compatible_change_is_complained_of_at_any_prefix(self) -> None:
        for name, handler in COMPATIBLE.items():
            with self.subTest(name):
                found = self.found(handler, self.history)
                self.assertEqual({*found}, {None})
                self.assertGreater(len(found), 40)

    def test_correct_workflows_replay_what_they_have_recorded(self) -> None:
        for handler in CORRECT:
            with self.subTest(handler.__name__):
                self.assertEqual({*self.found(handler, recorded(handler))}, {None})

    def test_results_that_are_too_large_are_made_of_what_is_inside(self) -> None:
        def length(line: Line) -> Line:
            return lambda context: len(str(line(context)))

        text = "x" * 200_000
        child = inner("all", step("one", text), lambda context: text * 2)
        many = parallel("many", one=(step("a", text),), other=(step("b", text),))
        each = [lambda c: c.map([1, 2], lambda b, *_: b.step(lambda _: text, name="a"), name="each").get_results()]
        handler = workflow(length(child), wait("night"), many, *map(length, each), wait("day"), step("close"))
        events = recorded(handler)
        self.assertNotIn("ReplayChildren", str(events), "histories do not say so")
        self.assertEqual({*self.found(handler, events)}, {None})
        renamed = workflow(length(inner("all", step("two", text), lambda context: text * 2)), wait("night"))
        self.assertIn("was step 'all/one', is now step 'two'", str(self.found(renamed, events)[-1]))

    def test_small_ones_are_as_recorded_whatever_is_inside_now(self) -> None:
        events = recorded(workflow(inner("all", step("one", "")), wait("night")))
        self.assertIsNone(self.found(workflow(inner("all", step("two")), wait("night")), events)[-1])

    def test_no_function_of_a_step_runs(self) -> None:
        ran: list[str] = []
        handler = workflow(lambda context: context.step(lambda _: ran.append("charge"), name="charge"), step("close"))
        events = recorded(handler)
        ran.clear()
        self.assertEqual({*self.found(handler, events)}, {None})
        self.assertEqual(ran, [])

    def test_an_execution_that_failed_may_fail(self) -> None:
        failing = workflow(step("one"), lambda _: 1 // 0)
        self.assertEqual(self.found(failing, recorded(failing))[-1], None)


@needs_turns
class FileTests(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def save(self, handler: Any, name: str = "order.json") -> str:
        path = self.folder / "histories" / name
        with LocalDurableTestRunner(handler) as runner:
            runner.run({"order": 42}).save_history(path)
        return str(path)

    def test_what_is_saved_is_what_is_read(self) -> None:
        path = self.save(nothing_but_steps)
        with LocalDurableTestRunner(nothing_but_steps) as runner:
            self.assertEqual(History(read_history(Path(path))).events, runner.run({"order": 42}).history)

    def test_the_report(self) -> None:
        path = self.save(workflow(step("one"), step("two")))
        self.save(workflow(step("one")), "short.json")
        changed = workflow(step("one"), wait("two"))
        pattern = str(Path(path).parent / "*.json")
        text = report(changed, lambda test: test.assertReplays(pattern))
        self.assertIn(
            f"AssertionError: 1 of 2 histories of {pattern!r} do not replay, and running executions would break\n"
            "order.json: operation 2 was step 'two', is now wait 'two'\n"
            "  3 of 5 places at which an execution can be in flight break; the first is after event 4, StepStarted of "
            "'two'\n"
            "Keep the recorded operations as they are and add new ones after them; or let running executions end on "
            "the version that they began with\n",
            text,
        )
        self.assertEqual(report(workflow(step("one"), step("two")), lambda test: test.assertReplays(pattern)), "")

    def test_a_pattern_is_one_from_the_folder_of_the_test(self) -> None:
        text = report(nothing_but_steps, lambda test: test.assertReplays("no/such/*.json"))
        self.assertIn("UsageError: assertReplays('no/such/*.json'): no file matches in", text)
        self.assertIn("tests/durability; record one with result.save_history(path)", text)

    def test_files_that_are_no_histories(self) -> None:
        started = {"EventType": "ExecutionStarted", "EventId": 1, "ExecutionStartedDetails": {}}
        cases: dict[str, Any] = {
            "is no history: Expecting": "{",
            "has to hold an object with Events": [],
            "does not begin with ExecutionStarted": {"Events": [{"EventType": "StepStarted", "EventId": 4}]},
            "lacks payloads (event 1, ExecutionStarted)": {
                "Events": [{**started, "ExecutionStartedDetails": {"Input": {"Truncated": True}}}]
            },
        }
        path = self.folder / "order.json"
        for words, content in cases.items():
            with self.subTest(words):
                path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
                with self.assertRaisesRegex(UsageError, words.replace("(", r"\(").replace(")", r"\)")):
                    read_history(path)

    def test_events_of_the_command_line(self) -> None:
        path = Path(self.save(nothing_but_steps))
        found = json.loads(path.read_text(encoding="utf-8"))
        for event in found["Events"]:
            event["EventTimestamp"] = 1767225600.25
        path.write_text(json.dumps(found), encoding="utf-8")
        self.assertEqual(report(nothing_but_steps, lambda test: test.assertReplays(str(path))), "")


if __name__ == "__main__":
    unittest.main()
