"""The outcomes that a history has, and the nearest histories that do not have them."""

from __future__ import annotations

import unittest

from durabletest.model.outcomes import Noted, OperationOutcome, Trait, WorkflowPlace, outcomes_of
from tests.model.histories import Script, error, history_of, order, payload, retry


def found(script: Script, noted: Noted | None = None) -> dict[str, dict[str, int]]:
    """``{"step charge": {"succeeded": 1}}``."""
    places = outcomes_of(history_of(script), noted or Noted())
    return {" ".join(place): dict(seen.outcomes) for place, seen in places.items()}


class OutcomeTests(unittest.TestCase):
    def test_a_whole_order(self) -> None:
        self.assertEqual(
            found(order()),
            {
                "context order": {"succeeded": 1, "replayed": 1},
                "step order/charge": {"retried": 1, "succeeded": 1},
                "wait cool-down": {"succeeded": 1, "replayed": 1},
                "callback approval": {"succeeded": 1},
                "step approval/approval submitter": {"succeeded": 1, "replayed": 1},
            },
        )

    def test_ends(self) -> None:
        script = Script().op("StepStarted", "1", name="a")
        script.op("StepFailed", "1", {"Error": error(), "RetryDetails": retry(1)})
        script.callback("2", name="b").op("CallbackTimedOut", "2", {"Error": error("Callback.Timeout", "late")})
        script.callback("3", name="c").op("CallbackTimedOut", "3", {"Error": error("Callback.Heartbeat", "silent")})
        script.op("ChainedInvokeStarted", "4", {"FunctionName": "bank"}, name="d").op("ChainedInvokeStopped", "4")
        script.wait("5", 9, name="e").op("WaitCancelled", "5")
        script.wait("6", 9, name="f").invocation().succeeded()
        self.assertEqual(
            found(script),
            {
                "step a": {"failed": 1},
                "callback b": {"timed out": 1},
                "callback c": {"heartbeat timed out": 1},
                "invoke d": {"stopped": 1},
                "wait e": {"cancelled": 1},
                "wait f": {"unfinished": 1},
            },
        )

    def test_what_ends_with_its_execution_has_not_timed_out_itself(self) -> None:
        script = Script().callback("1", name="approval").op("StepStarted", "2", name="charge")
        script.op("StepFailed", "2", {"Error": error(), "RetryDetails": retry(1, 5)}).add("ExecutionTimedOut")
        self.assertEqual(
            found(script), {"callback approval": {"unfinished": 1}, "step charge": {"retried": 1, "unfinished": 1}}
        )

    def test_a_condition_that_is_polled_again_is_not_retried(self) -> None:
        script = Script().op("StepStarted", "1", name="ready", sub_type="WaitForCondition")
        script.op("StepSucceeded", "1", {"Result": payload("1"), "RetryDetails": retry(1, 5)}).invocation()
        script.op("StepStarted", "1").op("StepSucceeded", "1", {"Result": payload("2"), "RetryDetails": retry(2)})
        self.assertEqual(found(script), {"condition ready": {"polled again": 1, "succeeded": 1}})

    def test_the_submitter_fails_and_not_the_callback(self) -> None:
        script = Script().wait_for_callback("1", "approval")
        script.op("StepFailed", "1-2", {"Error": error(), "RetryDetails": retry(1)})
        script.op("ContextFailed", "1", {"Error": error()}).invocation().failed()
        self.assertEqual(
            found(script),
            {"callback approval": {"unfinished": 1}, "step approval/approval submitter": {"failed": 1}},
        )

    def test_operations_of_one_place_are_counted_together(self) -> None:
        script = Script()
        for number in "123":
            script.step(number, name="copy").step(f"{number}-1")
        self.assertEqual(found(script), {"step copy": {"succeeded": 3}, "step (unnamed)": {"succeeded": 3}})


class ReplayTests(unittest.TestCase):
    def replayed(self, script: Script, path: str) -> bool:
        return bool(
            outcomes_of(history_of(script), Noted())[WorkflowPlace("step", path)].outcomes[OperationOutcome.REPLAYED]
        )

    def test_a_step_is_replayed_by_the_invocation_after_its_own(self) -> None:
        script = Script().step("1", name="charge").invocation()
        self.assertFalse(self.replayed(script, "charge"))
        self.assertTrue(self.replayed(script.invocation(), "charge"))

    def test_not_inside_of_a_context_that_was_complete_by_then(self) -> None:
        script = Script().context("1", name="order").step("1-1", name="charge", parent="1")
        script.op("ContextSucceeded", "1", {"Result": payload("7")}).invocation().invocation()
        self.assertFalse(self.replayed(script, "order/charge"))

    def test_but_of_one_that_was_not(self) -> None:
        script = Script().context("1", name="order").step("1-1", name="charge", parent="1").invocation()
        script.op("ContextSucceeded", "1", {"Result": payload("7")}).invocation()
        self.assertTrue(self.replayed(script, "order/charge"))


class EarlyCompletionTests(unittest.TestCase):
    """A parallel of three branches that is complete with the first."""

    NOTED = Noted(branches={"1": ("ParallelBranch", ("pay", "poll", "refund"))})

    def script(self) -> Script:
        script = Script().context("1", "Parallel", name="first")
        script.context("1-1", "ParallelBranch", name="pay", parent="1").step("1-1-1", name="charge", parent="1-1")
        script.context("1-2", "ParallelBranch", name="poll", parent="1").op("StepStarted", "2", name="s", parent="1-2")
        return script.op("ContextSucceeded", "1-1")

    def test_what_was_left_is_cut_short_and_what_has_not_begun_is_skipped(self) -> None:
        self.assertEqual(
            found(self.script().op("ContextSucceeded", "1"), self.NOTED),
            {
                "parallel first": {"succeeded": 1},
                "branch first/refund": {"skipped": 1},
                "branch first/pay": {"succeeded": 1},
                "step first/pay/charge": {"succeeded": 1},
                "branch first/poll": {"cut short": 1},
                "step first/poll/s": {"cut short": 1},
            },
        )

    def test_while_the_parallel_goes_on_nothing_is_skipped(self) -> None:
        outcomes = found(self.script(), self.NOTED)
        self.assertEqual(outcomes["branch first/poll"], {"unfinished": 1})
        self.assertNotIn("branch first/refund", outcomes)

    def test_a_history_alone_does_not_know_of_branches_that_never_began(self) -> None:
        self.assertNotIn("branch first/refund", found(self.script().op("ContextSucceeded", "1")))

    def test_items_of_a_map_are_one_place(self) -> None:
        script = Script().context("0", name="all").context("1", "Map", parent="0")
        script.context("1-1", "MapIteration", name="map-item-0", parent="1").step("1-1-1", name="s", parent="1-1")
        script.op("ContextSucceeded", "1-1").op("ContextSucceeded", "1")
        noted = Noted(branches={"1": ("MapIteration", ("map-item-0", "map-item-1", "map-item-2"))})
        outcomes = found(script, noted)
        self.assertEqual(outcomes["map iteration all/*"], {"skipped": 2, "succeeded": 1})
        self.assertEqual(outcomes["step all/*/s"], {"succeeded": 1})
        self.assertEqual(outcomes["map all/(unnamed)"], {"succeeded": 1})


class TraitTests(unittest.TestCase):
    def test_timeouts_are_those_of_the_history_and_retries_those_of_the_notes(self) -> None:
        script = Script().step("1", name="charge").step("2", name="ship")
        script.op("CallbackStarted", "3", {"CallbackId": "c", "Timeout": 60}, name="a")
        script.op("CallbackStarted", "4", {"CallbackId": "d", "HeartbeatTimeout": 5}, name="b")
        script.op("CallbackStarted", "5", {"CallbackId": "e", "Timeout": 0}, name="c")
        places = outcomes_of(history_of(script), Noted(retrying=frozenset({"1"})))
        self.assertEqual(
            {place.path: seen.traits for place, seen in places.items()},
            {
                "charge": {Trait.RETRIES},
                "ship": set(),
                "a": {Trait.TIMEOUT},
                "b": {Trait.HEARTBEAT_TIMEOUT},
                "c": set(),
            },
        )
