import logging
from datetime import timedelta

import pytest
from subscription import subscription_handler


@pytest.fixture
def subscription(durable):
    return durable(subscription_handler)


def test_two_months_are_billed_and_over(subscription):
    subscription.execute({"months": 2})
    subscription.assertExecution().succeeded({"status": "ended", "months": 2})
    subscription.assertOperation("month-1/bill").succeeded()
    subscription.assertOperation("month-1/first/month/paid for").waited(days=30)
    subscription.assertOperation("month-2/bill").succeeded()
    subscription.assertOperation("paid for", index=1).waited(days=30)
    subscription.assertNoOperation("month-3")


def test_a_cancellation_ends_the_subscription(subscription):
    subscription.on_callback("cancel").succeed("moving abroad")
    subscription.execute({"months": 12})
    subscription.assertExecution().succeeded({"status": "cancelled", "reason": "moving abroad", "months": 1})
    subscription.assertOperation("cancel").succeeded("moving abroad")
    subscription.assertNoOperation("month-2")


@pytest.mark.local_only
class TestCalendar:
    """Months pass; nobody waits for them in the cloud."""

    def test_cancelled_in_the_second_month(self, subscription):
        subscription.on_callback("cancel").never().succeed("too expensive", after=timedelta(days=10))
        subscription.execute({"months": 12})
        subscription.assertExecution().succeeded({"status": "cancelled", "reason": "too expensive", "months": 2})
        subscription.assertOperation("month-2/first/customer/cancel").succeeded("too expensive").waited(days=10)
        assert subscription.now == subscription.start_time + timedelta(days=40)

    def test_a_month_is_billed_every_thirty_days(self, subscription):
        subscription.execute({"months": 3})
        for index, day in enumerate(["2026-01-01", "2026-01-31", "2026-03-02"]):
            subscription.assertOperation("bill", index=index).result(day)

    def test_a_month_is_logged_once_although_the_handler_is_replayed(self, subscription, caplog):
        with caplog.at_level(logging.INFO):
            result = subscription.execute({"months": 2})
        billed = [message for message in caplog.messages if "billed" in message]
        assert billed == ["month 1 was billed on 2026-01-01", "month 2 was billed on 2026-01-31"]
        assert len(result.get_invocations()) == 3

    def test_the_month_goes_by_day_by_day(self, subscription):
        execution = subscription.start({"months": 1})
        execution.advance(timedelta(days=29))
        subscription.assertOperation("paid for").started()
        assert [(entry.operation, entry.reason) for entry in execution.pending()] == [
            ("month-1/first/month/paid for", "wait"),
            ("month-1/first/customer/cancel", "callback"),
        ]
        execution.advance_to_next()
        subscription.assertExecution().succeeded()
        assert subscription.now == subscription.start_time + timedelta(days=30)
