"""``@explore`` as users see it: what is run, what is reported, and when it cannot be done."""

from __future__ import annotations

import contextlib
import io
import json
import os
import threading
import unittest
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest import mock

from aws_durable_execution_sdk_python import DurableContext, ParallelBranch, durable_execution

from durabletest import ConfigurationError, DurableTestCase, UsageError, explore, sdk_threads
from durabletest.local.schedules import written
from tests.cloud.workflows import order
from tests.endpoint.case import POLL_INTERVAL, EndpointTestCase
from tests.sdk_versions import needs_turns
from tests.subprocesses import StartedSuite

Case = type[DurableTestCase]


def picking(crop: str, basket: list[str]) -> Callable[[DurableContext], None]:
    def pick(branch: DurableContext) -> None:
        basket.append(branch.step(lambda _: crop, name=f"pick {crop}"))

    return pick


@durable_execution
def harvest(event: Any, context: DurableContext) -> list[str]:
    basket: list[str] = []
    fields = [ParallelBranch(picking(crop, basket), name=crop) for crop in ("peas", "corn")]
    context.parallel(fields, name="fields").throw_if_error()
    return basket


@durable_execution
def sorted_harvest(event: Any, context: DurableContext) -> list[str]:
    basket: list[str] = []
    context.parallel([picking(crop, basket) for crop in ("peas", "corn")], name="fields").throw_if_error()
    return sorted(basket)


@durable_execution
def steps(event: Any, context: DurableContext) -> int:
    return sum(context.step(lambda _: 1, name="one") for _ in range(3))


class Harvest(DurableTestCase):
    """The base of cases that run a workflow of which the order of branches decides."""

    abstract = True
    handler = harvest

    def pick(self, *crops: str) -> None:
        self.execute()
        self.assertExecution().succeeded([*crops])


class Sorted(DurableTestCase):
    """The base of cases that run a workflow of which it does not."""

    abstract = True
    handler = sorted_harvest


def run(case: Case) -> unittest.TestResult:
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    return result


def failure(case: Case) -> str:
    """The text of the only failure."""
    result = run(case)
    [(_, text)] = [*result.failures, *result.errors]
    return text


class ExploreTestCase(unittest.TestCase):
    def setUp(self) -> None:
        self.set(DURABLETEST_SCHEDULES="", DURABLETEST_SHARD="", DURABLETEST_UPDATE_SNAPSHOTS="")
        self.stderr = self.enterContext(contextlib.redirect_stderr(io.StringIO()))

    def set(self, **variables: str) -> None:
        self.enterContext(mock.patch.dict(os.environ, variables))

    def assertPasses(self, case: Case) -> None:
        result = run(case)
        self.assertEqual((result.failures, result.errors, result.testsRun), ([], [], 1))


@needs_turns
class ReportTests(ExploreTestCase):
    def test_a_failure_tells_what_differs_and_how_to_repeat_it(self) -> None:
        class Explored(Harvest):
            @explore
            def test(self) -> None:
                self.pick("peas", "corn")

        text = failure(Explored)
        self.assertIn(
            "AssertionError: It passes by the default schedule, and fails by another one, number 6 of those tried. "
            "This differs:\n"
            "  - step 'corn/pick corn' began before step 'peas/pick peas' began\n"
            'To run just this schedule: @explore(schedule="2:1")\n'
            "\n"
            "execution 'execution-1'\n"
            "Expected: result[0] == 'peas'\n"
            "          result[1] == 'corn'\n"
            "     but: result[0] == 'corn'\n"
            "          result[1] == 'peas'\n",
            text,
        )
        self.assertIn("Operations of execution 'execution-1'\n", text)
        self.assertEqual(text.count("This differs"), 1)

    def test_another_result_is_a_failure_too(self) -> None:
        class Explored(Harvest):
            @explore
            def test(self) -> None:
                self.execute()

        self.assertIn(
            'To run just this schedule: @explore(schedule="2:1")\n'
            "\n"
            "status and result of an execution depend on the order in which branches go on\n"
            'Expected: SUCCEEDED with ["peas", "corn"], as by the default schedule\n'
            '     but: SUCCEEDED with ["corn", "peas"]\n'
            "If that is as it should be, write @explore(same_result=False)\n",
            failure(Explored),
        )

    def test_unless_it_may_differ(self) -> None:
        class Explored(Harvest):
            @explore(same_result=False, schedules=10)
            def test(self) -> None:
                self.execute()

        self.assertPasses(Explored)

    def test_an_error_that_is_no_failure_has_it_as_a_note(self) -> None:
        class Explored(Harvest):
            @explore
            def test(self) -> None:
                self.execute().get_result().index("peas", 0, 1)

        text = failure(Explored)
        self.assertIn("ValueError: 'peas' is not in list\nIt passes by the default schedule", text)

    def test_a_failure_outside_of_the_method_tells_it_too(self) -> None:
        class InTearDown(Harvest):
            @explore(same_result=False)
            def test(self) -> None:
                self.crops = self.execute().get_result()

            def tearDown(self) -> None:
                self.assertEqual(self.crops[0], "peas")

        class InACleanup(Harvest):
            @explore(same_result=False)
            def test(self) -> None:
                crops = self.execute().get_result()
                self.addCleanup(lambda: self.assertEqual(crops[0], "peas"))

        for case in (InTearDown, InACleanup):
            with self.subTest(case.__name__):
                self.assertRegex(failure(case), r"(?s)schedule=\"2:1\".*'corn' != 'peas'")

    def test_a_subtest_tells_it_too(self) -> None:
        class Explored(Harvest):
            @explore(same_result=False)
            def test(self) -> None:
                result = self.execute().get_result()
                for place, crop in enumerate(["peas", "corn"]):
                    with self.subTest(crop=crop):
                        self.assertEqual(result[place], crop)

        result = run(Explored)
        self.assertEqual(len(result.failures), 2)
        self.assertIn('@explore(schedule="2:1")', result.failures[0][1])

    def test_by_the_default_schedule_a_test_fails_as_ever(self) -> None:
        class Explored(Harvest):
            @explore
            def test(self) -> None:
                self.pick("corn")

        class Plain(Harvest):
            def test(self) -> None:
                self.pick("corn")

        explored, plain = ([*failure(case).splitlines()] for case in (Explored, Plain))
        self.assertEqual(explored[2:], plain[2:] if explored[1] == plain[1] else [plain[2], *plain[3:]])

    def test_what_passes_when_it_is_repeated_is_told_as_such(self) -> None:
        for failing, which in ((1, "the schedule '.+'"), (0, "the default schedule")):
            runs: list[int] = []

            class Explored(Sorted):
                @explore(schedules=10)
                def test(self, runs: list[int] = runs, failing: int = failing) -> None:
                    self.execute()
                    runs.append(1)
                    self.assertNotEqual(len(runs) - 1, failing, "it was an unlucky day")

            with self.subTest(which):
                text = failure(Explored)
                self.assertRegex(
                    text, rf"AssertionError: It failed by {which}, and passes when just that schedule is run"
                )
                self.assertIn("what an earlier run has left behind.\nIt failed like this:\n\nTraceback", text)
                self.assertIn("it was an unlucky day", text)

    def test_a_test_that_hangs_is_told_with_its_schedule(self) -> None:
        corn, released = threading.Event(), threading.Event()
        blocked: list[threading.Thread] = []

        def pick_peas(_: Any) -> None:
            if corn.is_set():
                blocked.append(threading.current_thread())
                released.wait()

        @durable_execution
        def hanging(event: Any, context: DurableContext) -> None:
            def peas(branch: DurableContext) -> None:
                branch.step(pick_peas, name="pick peas")

            fields = [
                ParallelBranch(peas, name="p"),
                lambda branch: branch.step(lambda _: corn.set(), name="pick corn"),
            ]
            context.parallel(fields, name="fields")

        class Explored(DurableTestCase):
            handler = hanging
            watchdog = 0.5

            def setUp(self) -> None:
                corn.clear()

            @explore
            def test(self) -> None:
                self.execute()

        text = failure(Explored)
        released.set()
        for thread in blocked:
            thread.join()
        self.assertIn("HandlerStuckError", text)
        self.assertIn("step 'parallel-branch-1/pick corn' began before step 'p/pick peas' began", text)


@needs_turns
class RepeatTests(ExploreTestCase):
    def test_one_schedule_is_run_alone(self) -> None:
        seen: list[str] = []

        class Repeated(Harvest):
            @explore(schedule="2:1", same_result=False)
            def test(self) -> None:
                seen.append("".join(self.execute().get_result()))

        self.assertPasses(Repeated)
        self.assertEqual(seen, ["cornpeas", "cornpeas"])

    def test_its_result_is_compared_with_that_of_the_default_one(self) -> None:
        class Repeated(Harvest):
            @explore(schedule="2:1")
            def test(self) -> None:
                self.execute()

        self.assertIn("It fails by this schedule. This differs:\n  - step 'corn/pick corn' began", failure(Repeated))

    def test_a_schedule_that_does_not_fit_any_more_is_an_error(self) -> None:
        class Stale(DurableTestCase):
            handler = steps

            @explore(schedule="7:1 9:slow")
            def test(self) -> None:
                self.execute()

        self.assertIn(
            "UsageError: @explore(schedule='7:1 9:slow') does not fit any more: the code under test, or the test "
            "itself, has changed since it was found. Leave schedule= out, to look for another one",
            failure(Stale),
        )

    def test_the_number_for_a_whole_run_leaves_it_alone(self) -> None:
        runs: list[int] = []

        class Repeated(Sorted):
            @explore(schedule="2:1")
            def test(self) -> None:
                runs.append(1)
                self.execute()

        self.set(DURABLETEST_SCHEDULES="50")
        self.assertPasses(Repeated)
        self.assertEqual(len(runs), 3)


class ArgumentTests(ExploreTestCase):
    def test_bad_arguments(self) -> None:
        for options, message in (
            ({"schedules": 0}, "@explore(schedules=0): give a number from 1 on"),
            ({"schedules": "5"}, "@explore(schedules='5'): give a number from 1 on"),
            ({"schedules": True}, "@explore(schedules=True): give a number from 1 on"),
            ({"seed": -1}, "@explore(seed=-1): give a number from 0 on"),
            ({"same_result": "no"}, "@explore(same_result='no'): give True or False"),
            (
                {"schedule": "7"},
                "@explore(schedule='7') is no schedule: copy one from the failure of an explored test, "
                "like '7:1 12:slow'",
            ),
            (
                {"schedule": ""},
                "@explore(schedule='') is no schedule: copy one from the failure of an explored test, "
                "like '7:1 12:slow'",
            ),
            (
                {"schedule": 7},
                "@explore(schedule=7) is no schedule: copy one from the failure of an explored test, "
                "like '7:1 12:slow'",
            ),
        ):
            with self.subTest(options), self.assertRaises(UsageError) as caught:
                explore(**options)  # type: ignore[call-overload]
            self.assertEqual(str(caught.exception), message)

    def test_what_is_no_test_method(self) -> None:
        with self.assertRaises(UsageError) as caught:
            explore(200)  # type: ignore[call-overload]
        self.assertEqual(str(caught.exception), "@explore(200): write @explore(schedules=200) above a test method")
        for decorate in (explore, explore(schedules=3)):
            with self.assertRaises(UsageError) as caught:
                decorate(Sorted)
            message = "@explore(class Sorted): write @explore(schedules=200) above a test method"
            self.assertEqual(str(caught.exception), message)

    def test_bad_variables_are_errors_of_the_test(self) -> None:
        class Plain(Sorted):
            @explore
            def test(self) -> None:
                self.execute()

        for name, value, remedy in (
            ("DURABLETEST_SCHEDULES", "many", "write a number from 1 on"),
            ("DURABLETEST_SHARD", "9/8", "write which part of how many, like '3/8'"),
        ):
            with self.subTest(name), mock.patch.dict(os.environ, {name: value}):
                self.assertIn(
                    f"{ConfigurationError.__name__}: the environment variable {name} is {value!r}: {remedy}",
                    failure(Plain),
                )


@needs_turns
class CitizenshipTests(ExploreTestCase):
    def test_each_run_has_its_fixtures(self) -> None:
        seen: list[str] = []

        class Explored(Sorted):
            def setUp(self) -> None:
                seen.append("setUp")
                self.addCleanup(seen.append, "cleanup")

            @explore(schedules=3)
            def test(self) -> None:
                seen.append("test")
                self.execute()

            def tearDown(self) -> None:
                seen.append("tearDown")

        self.assertPasses(Explored)
        self.assertEqual(seen, ["setUp", "test", "tearDown", "cleanup"] * 4)

    def test_a_test_that_skips_itself_is_run_once_more(self) -> None:
        runs: list[int] = []

        class Explored(Sorted):
            @explore
            def test(self) -> None:
                runs.append(1)
                self.skipTest("not today")

            @explore
            @unittest.skip("never")
            def test_never(self) -> None:
                runs.append(1)

        self.assertEqual([reason for _, reason in run(Explored).skipped], ["not today", "never"])
        self.assertEqual(len(runs), 2)

    def test_an_expected_failure_is_one_by_any_schedule(self) -> None:
        class Known(Harvest):
            @explore
            @unittest.expectedFailure
            def test(self) -> None:
                self.pick("peas", "corn")

        class Cured(Sorted):
            @unittest.expectedFailure
            @explore(schedules=5)
            def test(self) -> None:
                self.execute()

        result = run(Known)
        self.assertEqual((len(result.expectedFailures), result.unexpectedSuccesses), (1, []))
        self.assertEqual(len(run(Cured).unexpectedSuccesses), 1)

    def test_async_tests(self) -> None:
        class Explored(DurableTestCase, unittest.IsolatedAsyncioTestCase):
            handler = harvest

            async def asyncTearDown(self) -> None:
                self.assertTrue(self.done)

            @explore
            async def test(self) -> None:
                self.done = True
                self.execute()

        self.assertIn('@explore(schedule="2:1")', failure(Explored))

    def test_what_a_reset_has_ended_is_not_compared_what_was_returned_before_is(self) -> None:
        class Ended(Harvest):
            @explore(schedules=8)
            def test(self) -> None:
                self.start()
                self.runner.reset()

        class Returned(Harvest):
            @explore(schedules=8)
            def test(self) -> None:
                self.execute()
                self.runner.reset()

        self.assertPasses(Ended)
        self.assertIn("status and result of an execution depend on the order", failure(Returned))

    def test_the_test_prints_once(self) -> None:
        class Explored(Sorted):
            @explore(schedules=5)
            def test(self) -> None:
                self.execute()
                print("done")  # noqa: T201

        with contextlib.redirect_stdout(io.StringIO()) as printed:
            self.assertPasses(Explored)
        self.assertEqual(printed.getvalue(), "done\n")

    def test_two_tests_beside_each_other_know_nothing_of_each_other(self) -> None:
        class Explored(Harvest):
            @explore
            def test_1(self) -> None:
                self.pick("peas", "corn")

            def test_2(self) -> None:
                self.pick("peas", "corn")

        result = run(Explored)
        self.assertEqual([test.id().rpartition(".")[2] for test, _ in result.failures], ["test_1"])

    def test_a_test_without_an_execution_has_one_schedule(self) -> None:
        runs: list[int] = []

        class Explored(Sorted):
            @explore
            def test(self) -> None:
                runs.append(1)

        self.assertPasses(Explored)
        self.assertEqual(len(runs), 2)


SUITE = """
from aws_durable_execution_sdk_python import durable_execution
from durabletest import DurableTestCase, explore

@durable_execution
def harvest(event, context):
    basket = []
    def field(crop):
        return lambda branch: basket.append(branch.step(lambda _: crop, name=f"pick {crop}"))
    context.parallel([field("peas"), field("corn")], name="fields").throw_if_error()
    return basket

class Tests(DurableTestCase):
    handler = harvest

    def setUp(self):
        self.given = getattr(self, "given", None)

    @explore
    def test_explored(self):
        self.execute()

    def test_plain(self):
        self.execute()
"""


@needs_turns
class RunnerTests(unittest.TestCase):
    def test_a_whole_run_is_explored_under_unittest_and_pytest(self) -> None:
        fixture = (
            "\nimport pytest"
            + SUITE
            + """
    @pytest.fixture(autouse=True)
    def given_to_the_test(self):
        self.fixture = "given"

    @explore(same_result=False, schedules=3)
    def test_fixture(self):
        self.assertEqual(self.fixture, "given")
"""
        )
        pytest = ("pytest", "-q", "-p", "no:cacheprovider")
        under_unittest = StartedSuite("unittest", suite=SUITE, DURABLETEST_SCHEDULES="20")
        under_pytest = StartedSuite(*pytest, suite=fixture, DURABLETEST_SCHEDULES="20")
        for process, summary in ((under_unittest, "FAILED (failures=2)"), (under_pytest, "2 failed, 1 passed")):
            self.addCleanup(process.close)
            with self.subTest(summary):
                done = process.ended()
                output = done.stdout + done.stderr
                self.assertIn("step 'parallel-branch-1/pick corn' began before step", output)
                self.assertIn('To run just this schedule: @explore(schedule="2:1")', output)
                self.assertIn(summary, output)


@needs_turns
class ShardTests(ExploreTestCase):
    def explored(self, handler: Any, count: int, shard: str = "") -> Counter[str]:
        """The schedules by which a test is run, with how often."""
        seen: list[str] = []

        class Explored(DurableTestCase):
            @explore(schedules=count, same_result=False)
            def test(self) -> None:
                self.execute()
                schedule = self._durable_schedule
                if schedule is not None:
                    seen.append(written(schedule.chosen()))

        Explored.handler = handler
        with mock.patch.dict(os.environ, DURABLETEST_SHARD=shard):
            self.assertPasses(Explored)
        return Counter(seen)

    def test_the_shards_together_run_what_one_run_does(self) -> None:
        whole = self.explored(sorted_harvest, 40)
        parts = [self.explored(sorted_harvest, 40, f"{which}/3") for which in (1, 2, 3)]
        default = Counter({"": 1})
        self.assertEqual(sum((part - default for part in parts), default), whole)
        self.assertEqual([part.total() for part in parts], [14, 14, 14])
        self.assertEqual(
            [line.partition(" ")[2].partition(" ")[2] for line in self.stderr.getvalue().splitlines()],
            [f"was run by 14 of 40 schedules, part {which} of 3" for which in (1, 2, 3)],
        )

    def test_so_they_do_for_a_small_workflow_which_has_all_its_schedules_run_once(self) -> None:
        """Whether the beginning of a step is sent before the step has ended is the only choice, at each of three."""
        whole = self.explored(steps, 50)
        self.assertEqual(
            whole, dict.fromkeys(("", "0:1", "1:1", "2:1", "0:1 1:1", "0:1 2:1", "1:1 2:1", "0:1 1:1 2:1"), 1)
        )
        parts = [self.explored(steps, 10, f"{which}/2") for which in (1, 2)]
        self.assertEqual([sum(part[way] for part in parts) for way in whole if way], [1] * 7)


class NotExploredTests(ExploreTestCase):
    def test_in_real_time(self) -> None:
        class Explored(Sorted):
            skip_time = False

            @explore
            def test(self) -> None:
                self.execute()

        self.assertPasses(Explored)
        self.assertRegex(
            self.stderr.getvalue(),
            r"^explore: .*Explored\.test is run once, and not explored: with skip_time = False the system decides the "
            r"order\n$",
        )

    def test_with_an_sdk_without_the_places(self) -> None:
        class Explored(Sorted):
            @explore
            def test(self) -> None:
                self.execute()

        with mock.patch.object(sdk_threads, "can_take_turns", return_value=False):
            self.assertPasses(Explored)
        self.assertIn("not explored: this version of the AWS SDK has no place at which", self.stderr.getvalue())

    @needs_turns
    def test_while_snapshots_are_written(self) -> None:
        class Explored(Sorted):
            @explore
            def test(self) -> None:
                self.execute()

        self.set(DURABLETEST_UPDATE_SNAPSHOTS="1")
        self.assertPasses(Explored)
        self.assertIn("not explored: snapshots are being written", self.stderr.getvalue())


class CloudTests(EndpointTestCase):
    def test_in_the_cloud(self) -> None:
        class Explored(DurableTestCase):
            handler = order
            function_name = "orders"
            poll_interval = POLL_INTERVAL
            cloud_timeout = timedelta(seconds=20)

            @explore
            def test(self) -> None:
                self.execute({"order": 42})

        self.endpoint.deploy("orders-staging", order)
        names = json.dumps({"orders": "orders-staging:live"})
        self.enterContext(mock.patch.dict(os.environ, DURABLETEST_MODE="cloud", DURABLETEST_FUNCTION_NAMES=names))
        with contextlib.redirect_stderr(io.StringIO()) as stderr:
            result = run(Explored)
        self.assertEqual((result.errors, result.failures, result.testsRun), ([], [], 1))
        self.assertIn("not explored: in the cloud the service decides the order", stderr.getvalue())
        self.assertEqual(len(self.endpoint.log.members("Invoke")), 1)
