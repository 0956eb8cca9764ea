"""State that does not fit into one answer: the handler gets it page by page, whatever the size of the pages."""

from __future__ import annotations

import itertools
import json
import unittest
from datetime import datetime
from typing import Any
from unittest import mock

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration

from durabletest import ConfigurationError, DurableTestCase, LocalDurableTestRunner, TestResult, sdk
from durabletest.local.server import checkpoints
from durabletest.local.server.checkpoint_server import CheckpointServer
from durabletest.local.server.checkpoints import DEFAULT_ITEMS, PAGE_BYTES
from tests.local.server.harness import Harness, succeed
from tests.sdk_versions import needs_turns

MANY = 2_999
in_reasonable_time = unittest.skipUnless(sdk.can_wake_up(), "this SDK takes a tenth of a second for each checkpoint")
BIG = "x" * 2_000


@durable_execution
def counting(event: dict[str, Any], context: DurableContext) -> int:
    """So many steps, whose results are all read again after the pause."""
    results = [context.step(lambda _, n=n: event["pad"] + str(n), name=f"count-{n}") for n in range(event["steps"])]
    context.wait(Duration.from_hours(1), name="pause")
    return sum(int(result.removeprefix(event["pad"])) for result in results)


@durable_execution
def wide(event: int, context: DurableContext) -> Any:
    """Branches whose ends arrive in one answer."""

    def branch(number: int) -> Any:
        return lambda child: (child.wait(Duration.from_hours(1)), child.step(lambda _: number))[1]

    return context.parallel([branch(number) for number in range(event)], name="all").get_results()


class Traffic:
    """What the handler was given: the sizes of the first pages, and the requests for more."""

    def __init__(self) -> None:
        self.first: list[int] = []
        self.more: list[int] = []
        begin, state = CheckpointServer.begin_invocation, CheckpointServer.get_durable_execution_state

        def begin_invocation(server: Any, arn: str) -> Any:
            event = begin(server, arn)
            if event is not None:
                self.first.append(len(event["InitialExecutionState"]["Operations"]))
            return event

        def get_durable_execution_state(server: Any, **request: Any) -> Any:
            answer = state(server, **request)
            self.more.append(len(answer["Operations"]))
            return answer

        replacements = {
            "begin_invocation": begin_invocation,
            "get_durable_execution_state": get_durable_execution_state,
        }
        self.watched = mock.patch.multiple(CheckpointServer, **replacements)


class SmallPagesTests(DurableTestCase):
    handler = counting
    state_page_size = 3

    def test_a_page_has_as_many_operations_as_the_class_says(self) -> None:
        traffic = Traffic()
        with traffic.watched:
            self.execute({"steps": 7, "pad": ""})
        self.assertExecution().succeeded(21)
        self.assertEqual(traffic.first, [1, 3])
        self.assertEqual(traffic.more, [3, 3])  # with the EXECUTION and the wait there are nine operations

    def test_the_history_is_the_same_with_pages_and_without(self) -> None:
        paged = self.execute({"steps": 7, "pad": ""})
        with LocalDurableTestRunner(counting) as runner:
            whole = runner.run({"steps": 7, "pad": ""})
        self.assertEqual(kinds(paged), kinds(whole))


def kinds(result: TestResult) -> list[tuple[str, str | None]]:
    return [(event["EventType"], event.get("Name")) for event in result.history]


class SmallestPagesTests(DurableTestCase):
    handler = wide
    state_page_size = 1

    def test_answers_to_checkpoints_come_in_pages_too(self) -> None:
        traffic = Traffic()
        with traffic.watched:
            self.execute(6)
        self.assertExecution().succeeded(list(range(6)))
        self.assertGreater(len(traffic.more), 6)
        self.assertEqual({*traffic.first, *traffic.more}, {1})


@durable_execution
def parent(event: Any, context: DurableContext) -> Any:
    return context.invoke("counting", event, name="count")


class ChildPagesTests(DurableTestCase):
    handler = parent
    durable_functions = {"counting": counting}
    state_page_size = 2

    def test_the_executions_that_are_invoked_get_pages_of_the_same_size(self) -> None:
        traffic = Traffic()
        with traffic.watched:
            self.execute({"steps": 5, "pad": ""})
        self.assertExecution().succeeded(10)
        self.assertEqual(traffic.first, [1, 1, 2, 2])  # the parent, the child twice, the parent again
        self.assertEqual(traffic.more, [2, 2, 1])  # the child has the EXECUTION, five steps and the wait


class ServicePagesTests(DurableTestCase):
    handler = counting
    operation_limit = 5_000

    @in_reasonable_time
    def test_a_small_state_comes_whole_with_the_invocation(self) -> None:
        traffic = Traffic()
        with traffic.watched:
            self.execute({"steps": 300, "pad": ""})
        self.assertEqual((traffic.first, traffic.more), ([1, 302], []))

    @in_reasonable_time
    def test_as_many_operations_as_there_may_be_and_more_than_5_mb_of_state_pass(self) -> None:
        traffic = Traffic()
        with traffic.watched:
            result = self.execute({"steps": MANY, "pad": BIG})
        self.assertExecution().succeeded(sum(range(MANY)))
        self.assertEqual(len(result.get_operations()), MANY + 1)
        stored = sum(
            len(event["StepSucceededDetails"]["Result"]["Payload"])
            for event in result.history
            if event["EventType"] == "StepSucceeded"
        )
        self.assertGreater(stored, PAGE_BYTES)
        self.assertEqual(sum(traffic.first[1:]) + sum(traffic.more), MANY + 2)
        self.assertTrue(1_000 < traffic.first[1] < MANY, traffic.first)
        self.assertLessEqual(max(traffic.more), 1_000)
        self.assertGreaterEqual(len(traffic.more), (MANY - traffic.first[1]) // 1_000)


class SharedStateTests(DurableTestCase):
    handler = counting

    @needs_turns
    def test_an_operation_is_measured_and_made_ready_for_the_sdk_once(self) -> None:
        with (
            mock.patch.object(sdk, "operation", mock.Mock(wraps=sdk.operation)) as made,
            mock.patch.object(checkpoints, "_size", mock.Mock(wraps=checkpoints._size)) as measured,
        ):
            result = self.execute({"steps": 3, "pad": ""})
        ids = [call.args[0]["Id"] for call in made.call_args_list]
        steps = [operation.id for operation in result.get_operations()][:3]
        self.assertEqual(len(result.get_invocations()), 2)
        self.assertEqual(ids, [result.arn.rpartition("/")[2], *steps, result.get_operation("pause").id])
        states = [(call.args[0]["Id"], call.args[0]["Status"]) for call in measured.call_args_list]
        self.assertEqual(len(states), len(set(states)))

    def test_one_that_changes_is_made_ready_anew(self) -> None:
        self.execute({"steps": 1, "pad": ""})
        self.assertOperation("pause").succeeded()
        self.assertExecution().succeeded(0)


class PageBytesTests(unittest.TestCase):
    """A page is measured as it is on the wire, where an operation is more than its result."""

    def first_page(self, count: int, result: int) -> int:
        """The bytes of an invocation's first page, where the state has so many steps with such results."""
        execution = Harness().start()
        steps = (succeed("STEP", f"{n:064}", Name=f"count-{n}", Payload="x" * result) for n in range(count))
        while batch := list(itertools.islice(steps, 100)):
            execution.checkpoint(*batch)
        execution.crash()
        execution.harness.fire_next(kind="invocation retry")
        page = execution.begin()["InitialExecutionState"]
        self.assertTrue(page["NextMarker"], "everything fits into one page")
        return len(json.dumps(page["Operations"], default=datetime.isoformat))

    def test_the_first_page_has_5_mb_at_most_and_not_much_less(self) -> None:
        for count, result in ((1_100, 4_600), (60, 100_000)):
            with self.subTest(result=result):
                size = self.first_page(count, result)
                self.assertLessEqual(size, PAGE_BYTES)
                self.assertGreater(size, 0.9 * PAGE_BYTES)


class LargeOperationTests(unittest.TestCase):
    def test_what_is_larger_than_a_page_has_a_page_of_its_own(self) -> None:
        """Only an input can be: an execution that is started synchronously may have 6 MB of it."""
        execution = Harness().start(payload='"' + "x" * PAGE_BYTES + '"', invocation_type="RequestResponse")
        execution.checkpoint(succeed("STEP", "s"))
        execution.crash()
        execution.harness.fire_next(kind="invocation retry")
        first = execution.begin()["InitialExecutionState"]
        self.assertEqual([operation["Type"] for operation in first["Operations"]], ["EXECUTION"])
        second = execution.harness.server.get_durable_execution_state(
            DurableExecutionArn=execution.arn, CheckpointToken=execution.token, Marker=first["NextMarker"]
        )
        self.assertEqual([operation["Id"] for operation in second["Operations"]], ["s"])


class HistoryPagesTests(unittest.TestCase):
    @in_reasonable_time
    def test_histories_come_in_pages_of_a_hundred_unless_the_request_says_so(self) -> None:
        with LocalDurableTestRunner(counting) as runner:
            result = runner.run({"steps": 120, "pad": ""})
            client = runner.client
            for request, sizes in [
                ({}, [100, 100, 46]),
                ({"MaxItems": 0}, [100, 100, 46]),
                ({"MaxItems": 1000}, [246]),
            ]:
                with self.subTest(**request):
                    pages = list(pages_of(client, DurableExecutionArn=result.arn, IncludeExecutionData=True, **request))
                    self.assertEqual([len(page) for page in pages], sizes)
                    self.assertEqual([event for page in pages for event in page], result.history)
            self.assertEqual(DEFAULT_ITEMS, 100)

    def test_the_last_page_has_no_marker_even_if_it_is_full(self) -> None:
        with LocalDurableTestRunner(counting) as runner:
            result = runner.run({"steps": 0, "pad": ""})
            pages = list(pages_of(runner.client, DurableExecutionArn=result.arn, MaxItems=len(result.history)))
            self.assertEqual(len(pages), 1)


def pages_of(client: Any, **request: Any) -> Any:
    page = client.get_durable_execution_history(**request)
    yield page["Events"]
    while "NextMarker" in page:
        page = client.get_durable_execution_history(**request, Marker=page["NextMarker"])
        yield page["Events"]


class ConfigurationTests(unittest.TestCase):
    def test_a_page_has_at_least_one_operation(self) -> None:
        for size in (0, -1, 2.5, "10", True):
            says = f"state_page_size is {size!r}: give the number of operations in a page, at least 1, or None"
            case = type("Case", (DurableTestCase,), {"handler": counting, "state_page_size": size, "test": print})
            with self.subTest(size):
                with self.assertRaisesRegex(ConfigurationError, f"^{says}"):
                    LocalDurableTestRunner(counting, state_page_size=size)  # type: ignore[arg-type]
                with self.assertRaisesRegex(ConfigurationError, f"^Case.{says}"):
                    case.setUpClass()


if __name__ == "__main__":
    unittest.main()
