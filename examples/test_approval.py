from datetime import timedelta

from approval import approval_handler

from durabletest import CallbackCompletedError, DurableTestCase, WaitingStatus, local_only


class ApprovalTests(DurableTestCase):
    handler = approval_handler

    def test_what_is_approved_is_paid(self):
        self.on_callback("approval").succeed({"approved": True, "by": "ann"}, after=timedelta(hours=2))
        self.execute({"expense": 120})
        self.assertExecution().succeeded({"status": "paid", "by": "ann", "transfer": "transfer of 120 euros"})
        self.assertOperation("approval").succeeded()
        self.assertNoOperation("reminder")

    def test_what_is_refused_is_not_paid(self):
        self.on_callback("approval").succeed({"approved": False, "by": "bob"}, after=timedelta(hours=2))
        self.execute({"expense": 120})
        self.assertExecution().succeeded({"status": "refused", "by": "bob"})
        self.assertNoOperation("pay")

    def test_a_broken_form_fails_the_expense(self):
        self.on_callback("approval").fail("FormError", "the link does not work")
        self.execute({"expense": 120})
        self.assertExecution().failed(message="the link does not work")
        self.assertOperation("approval").failed(message="the link does not work")
        self.assertNoOperation("reminder")

    def test_approved_by_hand_and_only_once(self):
        execution = self.start({"expense": 120})
        approval = execution.operation("approval")
        approval.wait_for_data(WaitingStatus.SUBMITTED).result(timeout=30)
        approval.send_callback_success({"approved": True, "by": "ann"})
        self.assertEqual(execution.result(timeout=30).get_result()["status"], "paid")
        with self.assertRaises(CallbackCompletedError):
            approval.send_callback_failure("Refused", "second thoughts")


class PatienceTests(DurableTestCase):
    """What happens while nobody answers."""

    handler = approval_handler

    @local_only
    def test_the_answer_to_the_reminder_comes_on_the_third_day(self):
        self.on_callback("approval").never()
        self.on_callback("reminder").succeed({"approved": True, "by": "ann"}, after=timedelta(days=2))
        self.execute({"expense": 120})
        self.assertOperation("reminder").succeeded().waited(days=2)
        self.assertEqual(self.now, self.start_time + timedelta(days=3))

    def test_reminded_after_a_day(self):
        self.on_callback("approval").never()
        self.on_callback("reminder").succeed({"approved": True, "by": "ann"})
        self.execute({"expense": 120})
        self.assertExecution().succeeded()
        self.assertOperation("approval").timed_out().waited(days=1)
        self.assertOperation("reminder").succeeded()

    def test_expired_after_a_week(self):
        self.on_callback("approval").never()
        self.on_callback("reminder").never()
        self.execute({"expense": 120})
        self.assertExecution().succeeded({"status": "expired"})
        self.assertOperation("reminder").timed_out().waited(days=6)
        self.assertNoOperation("pay")
