from datetime import timedelta

from report_poller import report_handler

from durabletest import DurableTestCase


class ReportTests(DurableTestCase):
    handler = report_handler

    def test_a_report_that_is_ready_is_sent_at_once(self):
        self.execute({"ready_at": 1})
        self.assertExecution().succeeded({"status": "sent", "mail": "a report of 1000 rows"})
        self.assertOperation("report").attempts(1)

    def test_a_report_that_is_not_ready_is_looked_at_again(self):
        self.execute({"ready_at": 4})
        self.assertExecution().succeeded({"status": "sent", "mail": "a report of 4000 rows"})
        self.assertOperation("report").succeeded({"state": "ready", "rows": 4000}).attempts(4)

    def test_the_pauses_grow_to_four_minutes(self):
        result = self.execute({"ready_at": 5})
        pauses = result.get_operation("report").get_step_details().retry_delays
        self.assertEqual(pauses, tuple(timedelta(minutes=minutes) for minutes in (1, 2, 4, 4)))
        self.assertOperation("report").waited(minutes=11)

    def test_after_five_looks_it_is_given_up(self):
        result = self.execute({"ready_at": 6})
        self.assertEqual(result.get_result()["status"], "given up")
        self.assertOperation("report").failed().attempts(5)
        self.assertNoOperation("send")

    def test_a_server_that_breaks_ends_the_polling(self):
        self.execute({"ready_at": 4, "breaks_at": 2})
        self.assertExecution().succeeded({"status": "given up", "reason": "the report server is gone"})
        self.assertOperation("report").failed(ConnectionError, "the report server is gone").attempts(2)
        self.assertNoOperation("send")
