from datetime import timedelta

from subscription import subscription_handler

from durabletest import DurableTestCase, local_only


class SubscriptionTests(DurableTestCase):
    handler = subscription_handler

    def test_two_months_are_billed_and_over(self):
        self.execute({"months": 2})
        self.assertExecution().succeeded({"status": "ended", "months": 2})
        self.assertOperation("month-1/bill").succeeded()
        self.assertOperation("month-1/first/month/paid for").waited(days=30)
        self.assertOperation("month-2/bill").succeeded()
        self.assertOperation("paid for", index=1).waited(days=30)
        self.assertNoOperation("month-3")

    def test_a_cancellation_ends_the_subscription(self):
        self.on_callback("cancel").succeed("moving abroad")
        self.execute({"months": 12})
        self.assertExecution().succeeded({"status": "cancelled", "reason": "moving abroad", "months": 1})
        self.assertOperation("cancel").succeeded("moving abroad")
        self.assertNoOperation("month-2")


@local_only
class CalendarTests(DurableTestCase):
    """Months pass; nobody waits for them in the cloud."""

    handler = subscription_handler

    def test_cancelled_in_the_second_month(self):
        self.on_callback("cancel").never().succeed("too expensive", after=timedelta(days=10))
        self.execute({"months": 12})
        self.assertExecution().succeeded({"status": "cancelled", "reason": "too expensive", "months": 2})
        self.assertOperation("month-2/first/customer/cancel").succeeded("too expensive").waited(days=10)
        self.assertEqual(self.now, self.start_time + timedelta(days=40))

    def test_a_month_is_billed_every_thirty_days(self):
        self.execute({"months": 3})
        for index, day in enumerate(["2026-01-01", "2026-01-31", "2026-03-02"]):
            self.assertOperation("bill", index=index).result(day)

    def test_a_month_is_logged_once_although_the_handler_is_replayed(self):
        with self.assertLogs(level="INFO") as logs:
            result = self.execute({"months": 2})
        billed = [record.getMessage() for record in logs.records if "billed" in record.getMessage()]
        self.assertEqual(billed, ["month 1 was billed on 2026-01-01", "month 2 was billed on 2026-01-31"])
        self.assertEqual(len(result.get_invocations()), 3)

    def test_the_month_goes_by_day_by_day(self):
        execution = self.start({"months": 1})
        execution.advance(timedelta(days=29))
        self.assertOperation("paid for").started()
        self.assertEqual(
            [(entry.operation, entry.reason) for entry in execution.pending()],
            [("month-1/first/month/paid for", "wait"), ("month-1/first/customer/cancel", "callback")],
        )
        execution.advance_to_next()
        self.assertExecution().succeeded()
        self.assertEqual(self.now, self.start_time + timedelta(days=30))
