"""``save_history`` and ``assertReplays``: each kind of change against recorded histories and all their prefixes."""

from __future__ import annotations

import json
import tempfile
import unittest
from pathlib import Path
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, ParallelBranch
from aws_durable_execution_sdk_python.config import ChildConfig, CompletionConfig, ParallelConfig

from durabletest import LocalDurableTestRunner, UsageError
from durabletest.histories import breaks, read_history
from durabletest.model.history import History, title
from tests.durability.case import report
from tests.durability.changes import COMPATIBLE, INCOMPATIBLE, OLD, Break, Line, inner, parallel, step, wait, workflow
from tests.durability.correct import CORRECT, nothing_but_steps
from tests.effort import LONG, examples
from tests.sdk_versions import needs_turns


def recorded(handler: Any) -> list[dict[str, Any]]:
    with LocalDurableTestRunner(handler, functions={"plain": lambda event, _: event}) as runner:
        runner.register_durable_function("child", nothing_but_steps)
        for name in ("approval", "upload"):
            runner.on_callback(name, optional=True).succeed("yes", after=60)
        return runner.run({}).history


def first_to_succeed(concurrency: int, needed: int) -> Any:
    """Branches that are left behind when enough have succeeded."""
    lines = (step("a"), wait("b", 20)), (wait("c", 10), step("d")), (wait("e", 100),), (step("f"), wait("g", 50))
    branches: list[Any] = [
        ParallelBranch(lambda context, own=own: [line(context) for line in own][-1]) for own in lines
    ]
    completion = CompletionConfig(min_successful=needed)
    config = ParallelConfig(max_concurrency=concurrency, completion_config=completion)
    return workflow(lambda context: len(context.parallel(branches, name="race", config=config).all), step("end"))


@needs_turns
class ChangeTests(unittest.TestCase):
    history: list[dict[str, Any]]

    @classmethod
    def setUpClass(cls) -> None:
        cls.history = recorded(workflow(*OLD))

    def found(self, handler: Any, events: list[dict[str, Any]]) -> list[str | None]:
        with LocalDurableTestRunner(handler) as runner:
            return [None if one is None else one.words for one in breaks(runner, events)]

    def expected(self, one: Break) -> range:
        """The numbers of events with which an execution breaks."""
        history = History(self.history)
        ids = {title(history, record): record.id for record in history.operations}
        places: dict[str, list[int]] = {name: [] for name in ids}
        for number, event in enumerate(self.history, 1):
            for name, key in ids.items():
                places[name] += [number] if event.get("Id") == key else []
        first = places[one.since][-1 if one.once_over else 0]
        return range(first, len(self.history) + 1 if one.until is None else places[one.until][-1])

    def test_every_incompatible_change_is_found_with_every_prefix_that_has_what_it_changes(self) -> None:
        every = [count for count, event in enumerate(self.history, 1) if "Id" in event or count == len(self.history)]
        for name, one in INCOMPATIBLE.items():
            breaking = self.expected(one)
            ends = {max(every[0], breaking[0] - 1), breaking[0], breaking[-1], min(breaking[-1] + 1, every[-1])}
            with self.subTest(name), LocalDurableTestRunner(one.handler) as runner:
                for count in every if LONG else sorted(ends & set(every)):
                    found = runner.replay_history(History(self.history[:count]))
                    if count in breaking:
                        self.assertIn(one.words, str(found), f"with {count} events")
                    else:
                        self.assertIsNone(found, f"with {count} events")

    def test_the_number_is_that_of_the_recorded_operation(self) -> None:
        for name, number in {"renamed step": 1, "removed context": 4, "renamed invoke": 28}.items():
            with self.subTest(name), LocalDurableTestRunner(INCOMPATIBLE[name].handler) as runner:
                found = runner.replay_history(History(self.history))
                self.assertTrue(str(found).startswith(f"operation {number} was "), found)

    def test_no_compatible_change_is_complained_of_at_any_prefix(self) -> None:
        step = examples(4, 1)
        for offset, (name, handler) in enumerate(COMPATIBLE.items()):
            with self.subTest(name), LocalDurableTestRunner(handler) as runner:
                for count in range(1 + offset % step, len(self.history) + 1, step):
                    self.assertIsNone(runner.replay_history(History(self.history[:count])), f"with {count} events")

    def test_branches_that_were_left_behind_are_no_alarm(self) -> None:
        for concurrency, needed in ((1, 1), (2, 2), (2, 3), (3, 2)):
            handler = first_to_succeed(concurrency, needed)
            with self.subTest(concurrency=concurrency, needed=needed):
                self.assertEqual({*self.found(handler, recorded(handler))}, {None})

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

    def test_a_result_of_which_there_is_a_summary_is_made_again_whether_it_was_large_or_not(self) -> None:
        config = ChildConfig(summary_generator=lambda result: '{"length": "large"}')
        for size in (10, 200_000):

            def child(context: DurableContext, text: str = "x" * size) -> int:
                def inside(child: DurableContext) -> dict[str, str]:
                    return {"text": child.step(lambda _: text, name="one") * 2}

                return len(context.run_in_child_context(inside, name="all", config=config)["text"])

            handler = workflow(child, wait("night"), step("close"))
            events = recorded(handler)
            self.assertEqual("length" in str(events), size > 10)
            self.assertEqual({*self.found(handler, events)}, {None})

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

    def test_a_folder_is_no_pattern(self) -> None:
        (self.folder / "v1.json").mkdir()
        text = report(nothing_but_steps, lambda test: test.assertReplays(self.folder))
        self.assertIn(f"UsageError: assertReplays('{self.folder}') is a folder: write '{self.folder}/*.json'", text)
        text = report(nothing_but_steps, lambda test: test.assertReplays(self.folder / "*.json"))
        self.assertIn("no file matches in", text)

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
