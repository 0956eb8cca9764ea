from datetime import timedelta

import pytest
from approval import approval_handler

from durabletest import CallbackCompletedError, WaitingStatus


@pytest.fixture
def expense(durable):
    return durable(approval_handler)


def test_what_is_approved_is_paid(expense):
    expense.on_callback("approval").succeed({"approved": True, "by": "ann"}, after=timedelta(hours=2))
    expense.execute({"expense": 120})
    expense.assertExecution().succeeded({"status": "paid", "by": "ann", "transfer": "transfer of 120 euros"})
    expense.assertOperation("approval").succeeded()
    expense.assertNoOperation("reminder")


def test_what_is_refused_is_not_paid(expense):
    expense.on_callback("approval").succeed({"approved": False, "by": "bob"}, after=timedelta(hours=2))
    expense.execute({"expense": 120})
    expense.assertExecution().succeeded({"status": "refused", "by": "bob"})
    expense.assertNoOperation("pay")


def test_a_broken_form_fails_the_expense(expense):
    expense.on_callback("approval").fail("FormError", "the link does not work")
    expense.execute({"expense": 120})
    expense.assertExecution().failed(message="the link does not work")
    expense.assertOperation("approval").failed(message="the link does not work")
    expense.assertNoOperation("reminder")


def test_approved_by_hand_and_only_once(expense):
    execution = expense.start({"expense": 120})
    approval = execution.operation("approval")
    approval.wait_for_data(WaitingStatus.SUBMITTED).result(timeout=30)
    approval.send_callback_success({"approved": True, "by": "ann"})
    assert execution.result(timeout=30).get_result()["status"] == "paid"
    with pytest.raises(CallbackCompletedError):
        approval.send_callback_failure("Refused", "second thoughts")


class TestPatience:
    """What happens while nobody answers."""

    @pytest.mark.local_only
    def test_the_answer_to_the_reminder_comes_on_the_third_day(self, expense):
        expense.on_callback("approval").never()
        expense.on_callback("reminder").succeed({"approved": True, "by": "ann"}, after=timedelta(days=2))
        expense.execute({"expense": 120})
        expense.assertOperation("reminder").succeeded().waited(days=2)
        assert expense.now == expense.start_time + timedelta(days=3)

    def test_reminded_after_a_day(self, expense):
        expense.on_callback("approval").never()
        expense.on_callback("reminder").succeed({"approved": True, "by": "ann"})
        expense.execute({"expense": 120})
        expense.assertExecution().succeeded()
        expense.assertOperation("approval").timed_out().waited(days=1)
        expense.assertOperation("reminder").succeeded()

    def test_expired_after_a_week(self, expense):
        expense.on_callback("approval").never()
        expense.on_callback("reminder").never()
        expense.execute({"expense": 120})
        expense.assertExecution().succeeded({"status": "expired"})
        expense.assertOperation("reminder").timed_out().waited(days=6)
        expense.assertNoOperation("pay")
