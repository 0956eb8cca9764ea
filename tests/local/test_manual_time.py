"""Virtual time moved by hand, and time that stands still because nobody waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import CallbackConfig, Duration

from durabletest import DurableTestCase, Execution, Pending, UsageError, WaitingStatus
from durabletest.model.history import History

DAY = timedelta(days=1)


@durable_execution
def campaign(event: Any, context: DurableContext) -> str:
    context.wait(Duration.from_days(1), name="announce")
    context.step(lambda _: "sent", name="send")
    context.wait(Duration.from_days(7), name="collect")
    callback = context.create_callback(name="close", config=CallbackConfig(timeout=Duration.from_days(30)))
    return str(callback.result())


class AdvanceTests(DurableTestCase):
    handler = campaign

    def test_r15_1_r18_1_time_stands_still_until_somebody_waits(self) -> None:
        execution = self.start()
        announce = execution.operation("announce").wait_for_data(WaitingStatus.STARTED).result(timeout=5)
        self.assertEqual(announce.status, "STARTED")
        self.assertEqual(execution.now, self.start_time)
        self.assertEqual(execution.status, "RUNNING")
        execution.advance(timedelta(0))
        self.assertEqual(execution.now, self.start_time)

    def test_r16_2_r18_3_advance_lets_everything_happen_on_the_way_at_its_time(self) -> None:
        execution = self.start()
        execution.advance(3 * DAY)
        self.assertEqual(execution.now, self.start_time + 3 * DAY)
        self.assertOperation("announce").succeeded().waited(DAY)
        self.assertOperation("send").succeeded()
        self.assertEqual(execution.snapshot().get_operation("send").started_at, self.start_time + DAY)
        self.assertOperation("collect").started()
        execution.advance(4 * DAY)
        self.assertOperation("collect").started()
        execution.advance(DAY)
        self.assertOperation("collect").succeeded().waited(7 * DAY)

    def test_r16_5_r18_6_advance_to_next_goes_to_each_instant(self) -> None:
        execution = self.start()
        instants = []
        for _ in range(3):
            execution.advance_to_next()
            instants.append(execution.now - self.start_time)
        self.assertEqual(instants, [DAY, 8 * DAY, 38 * DAY])
        self.assertOperation("close").timed_out()
        self.assertExecution().failed()

    def test_r11_1_r16_1_pending_says_what_is_waited_for_until_when(self) -> None:
        execution = self.start()
        execution.advance(timedelta(0))
        self.assertEqual(execution.pending(), [Pending("announce", "wait", self.start_time + DAY)])
        self.on_callback("close").succeed("done", after=2 * DAY)
        execution.advance(8 * DAY)
        self.assertEqual(
            execution.pending(),
            [
                Pending("close", "scripted answer", self.start_time + 10 * DAY),
                Pending("close", "callback timeout", self.start_time + 38 * DAY),
            ],
        )
        execution.result()
        self.assertEqual(execution.pending(), [])

    def test_pending_has_operations_that_begin_while_it_looks(self) -> None:
        """In real time, and beside other threads, an operation may begin at any moment."""
        execution = self.start()
        execution.advance(timedelta(0))
        control = mock.Mock(wraps=execution._control)
        control.history.side_effect = lambda: execution._control.history() if control.due_times.called else History()
        self.assertEqual(Execution(control).pending(), execution.pending())

    def test_with_nothing_due_there_is_nothing_to_advance_to(self) -> None:
        self.on_callback("close").succeed("done")
        execution = self.start()
        execution.result()
        with self.assertRaisesRegex(UsageError, "nothing to advance to: no timer is armed"):
            execution.advance_to_next()

    def test_time_does_not_go_back(self) -> None:
        with self.assertRaisesRegex(UsageError, "time does not go back"):
            self.start().advance(-DAY)

    def test_a_number_is_a_number_of_seconds(self) -> None:
        execution = self.start()
        execution.advance(90)
        execution.advance(0.5)
        self.assertEqual(execution.now - self.start_time, timedelta(seconds=90.5))

    def test_what_is_no_duration_says_what_to_give(self) -> None:
        execution = self.start()
        for delta in ("1h", None, True, float("nan"), float("inf"), -1, 1e12, timedelta.max):
            with self.subTest(delta=delta), self.assertRaisesRegex(UsageError, r"^delta of advance\(\) is .*: .*give "):
                execution.advance(delta)  # type: ignore[arg-type]
        self.assertEqual(execution.now, self.start_time)

    def test_a_timeout_is_a_duration_too(self) -> None:
        execution = self.start()
        for timeout in ("5", True, -1, float("nan")):
            with (
                self.subTest(timeout=timeout),
                self.assertRaisesRegex(UsageError, r"^timeout of result\(\) is .*give "),
            ):
                execution.result(timeout)  # type: ignore[arg-type]

    def test_r16_5_r18_6_an_advance_goes_on_after_the_end(self) -> None:
        self.on_callback("close").succeed("done")
        execution = self.start()
        execution.advance(20 * DAY)
        self.assertExecution().succeeded("done")
        self.assertEqual(self.now, self.start_time + 20 * DAY)


@durable_execution
def waiting_after_the_answer(event: Any, context: DurableContext) -> None:
    config = CallbackConfig(timeout=Duration.from_hours(2), heartbeat_timeout=Duration.from_hours(1))
    context.create_callback(name="approval", config=config).result()
    context.wait(Duration.from_days(1), name="afterwards")


class AnsweredCallbackTests(DurableTestCase):
    """The timeouts of a callback end with it."""

    handler = waiting_after_the_answer

    def test_an_answered_callback_has_no_timeout_that_time_could_stop_at(self) -> None:
        for answer in ("send_callback_success", "send_callback_failure"):
            with self.subTest(answer):
                self.runner.reset()
                execution = self.start()
                approval = execution.operation("approval")
                approval.wait_for_data(WaitingStatus.SUBMITTED).result(timeout=5)
                execution.advance(timedelta(minutes=30))
                due = {entry.reason: entry.due for entry in execution.pending()}
                times = [self.start_time + timedelta(hours=2), self.start_time + timedelta(hours=1)]
                self.assertEqual([due["callback timeout"], due["heartbeat timeout"]], times)
                getattr(approval, answer)()
                execution.advance(timedelta(0))
                left = [entry.reason for entry in execution.pending()]
                self.assertEqual(left, ["wait"] if answer == "send_callback_success" else [])

    def test_nor_one_that_has_timed_out_by_the_other_timeout(self) -> None:
        execution = self.start()
        execution.advance_to_next()
        self.assertEqual(self.now, self.start_time + timedelta(hours=1))
        self.assertOperation("approval").timed_out()
        self.assertEqual(execution.pending(), [])


@durable_execution
def asking_inside(event: Any, context: DurableContext) -> None:
    def order(child: DurableContext) -> None:
        child.create_callback(name="plain")
        child.wait_for_callback(lambda *_: None, name="whole")

    context.run_in_child_context(order, name="order")


class PendingCallbackTests(DurableTestCase):
    handler = asking_inside

    def test_a_callback_is_told_by_the_name_that_its_author_gave_it_not_by_the_context_around_it(self) -> None:
        execution = self.start()
        execution.advance(timedelta(0))
        expected = [Pending(name, "callback", None) for name in ("order/plain", "order/whole")]
        self.assertEqual(execution.pending(), expected)
        execution.stop()


@durable_execution
def a_year(event: Any, context: DurableContext) -> str:
    context.wait(Duration.from_days(365), name="year")
    return f"{datetime.now(UTC):%Y-%m-%d}"


class LongTimeTests(DurableTestCase):
    handler = a_year

    def test_r2_2_r16_3_ten_years_pass_at_once(self) -> None:
        for _ in range(10):
            self.execute()
        self.assertExecution().succeeded("2035-12-30")
        self.assertEqual(self.now, self.start_time + 3650 * DAY)


@durable_execution
def impatient(event: Any, context: DurableContext) -> str:
    config = CallbackConfig(timeout=Duration.from_seconds(1))
    return str(context.create_callback(name="quick", config=config).result())


class StandingTimeTests(DurableTestCase):
    handler = impatient

    def test_r6_1_r15_3_a_callback_does_not_time_out_behind_the_back_of_the_test(self) -> None:
        execution = self.start()
        callback = execution.operation("quick")
        callback.wait_for_data(WaitingStatus.SUBMITTED).result(timeout=5)
        other = self.start()
        other.operation("quick").wait_for_data(WaitingStatus.SUBMITTED).result(timeout=5)
        self.assertEqual(self.now, self.start_time)
        callback.send_callback_success("in time")
        self.assertEqual(execution.result(timeout=5).get_result(), "in time")
