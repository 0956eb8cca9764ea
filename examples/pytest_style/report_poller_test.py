from datetime import timedelta

import pytest
from report_poller import report_handler


@pytest.fixture
def report(durable):
    return durable(report_handler)


def test_a_report_that_is_ready_is_sent_at_once(report):
    report.execute({"ready_at": 1})
    report.assertExecution().succeeded({"status": "sent", "mail": "a report of 1000 rows"})
    report.assertOperation("report").attempts(1)


def test_a_report_that_is_not_ready_is_looked_at_again(report):
    report.execute({"ready_at": 4})
    report.assertExecution().succeeded({"status": "sent", "mail": "a report of 4000 rows"})
    report.assertOperation("report").succeeded({"state": "ready", "rows": 4000}).attempts(4)


def test_the_pauses_grow_to_four_minutes(report):
    result = report.execute({"ready_at": 5})
    pauses = result.get_operation("report").get_step_details().retry_delays
    assert pauses == tuple(timedelta(minutes=minutes) for minutes in (1, 2, 4, 4))
    report.assertOperation("report").waited(minutes=11)


def test_after_five_looks_it_is_given_up(report):
    result = report.execute({"ready_at": 6})
    assert result.get_result()["status"] == "given up"
    report.assertOperation("report").failed().attempts(5)
    report.assertNoOperation("send")


def test_a_server_that_breaks_ends_the_polling(report):
    report.execute({"ready_at": 4, "breaks_at": 2})
    report.assertExecution().succeeded({"status": "given up", "reason": "the report server is gone"})
    report.assertOperation("report").failed(ConnectionError, "the report server is gone").attempts(2)
    report.assertNoOperation("send")
