"""Whatever is sent to the server, in whatever order: a modelled error or a valid state, and always a consistent one."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from durabletest.local.server.announcements import TimerKind
from durabletest.model.history import History
from tests.effort import examples
from tests.local.server.batches import (
    ACTIONS,
    CLIENT_TOKENS,
    CONTEXT,
    ERRORS,
    RARELY,
    RESULTS,
    SENSIBLE_BATCHES,
    TOKENS,
    TYPES,
    WILD_BATCHES,
)
from tests.local.server.harness import Harness, start, update

TERMINAL = {"SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT", "STOPPED"}
ENDED = {"SUCCEEDED", "FAILED", "TIMED_OUT", "STOPPED"}
WITHOUT_AN_EVENT = {"READY": "PENDING", "CANCELLED": "STARTED"}
"""What the service model has no event for: a step whose next attempt is due; a cancelled callback or invoke."""


class RandomRequests(RuleBasedStateMachine):
    """One execution, its children, and everything that can be asked of the server.

    Answers, errors and events are held against the service model by the guard that watches all tests.
    """

    def __init__(self) -> None:
        super().__init__()
        self.harness = Harness()
        self.harness.server.register(1, "child", True, 600)
        self.harness.server.register(1, "plain", False)
        self.execution = self.harness.start(page_size=2, timeout=3600)
        self.other = self.harness.start(payload="1")
        self.spent = self.execution.token
        self.execution.checkpoint(start("CONTEXT", CONTEXT))
        self.terminal: dict[str, dict[str, Any]] = {}

    # --- requests ---

    def snapshot(self) -> tuple[Any, ...]:
        return (
            self.execution.kept(),
            self.execution.history(),
            self.execution.description(),
            len(self.harness.announced.all),
        )

    def attempt(self, call: Callable[[], Any]) -> Any:
        """Make a request; a refusal must be the API's own, and must have changed nothing."""
        before = self.snapshot()
        try:
            return call()
        except ClientError:
            assert self.snapshot() == before, "a refused request has changed something"
            return None

    @rule(updates=SENSIBLE_BATCHES)
    def checkpoint(self, updates: list[dict[str, Any]]) -> None:
        self.send(self.execution.request(*updates))

    @rule(operation_type=st.sampled_from(TYPES[:5]), inside=RARELY)
    def start_something(self, operation_type: str, inside: bool) -> None:
        parent = {"ParentId": CONTEXT} if inside else {}
        self.send(self.execution.request(start(operation_type, f"n{len(self.execution.kept())}", **parent)))

    @rule(place=st.integers(0, 9), action=st.sampled_from(ACTIONS))
    def go_on_with_something(self, place: int, action: str) -> None:
        operations = list(self.execution.kept().values())[1:]
        operation = operations[place % len(operations)]
        self.send(self.execution.request(update(action, operation["Type"], operation["Id"])))

    @rule(updates=WILD_BATCHES, token=TOKENS, client_token=CLIENT_TOKENS)
    def checkpoint_anything(self, updates: list[dict[str, Any]], token: str, client_token: str | None) -> None:
        tokens = {"current": self.execution.token, "spent": self.spent, "foreign": self.other.token}
        more: dict[str, Any] = {} if client_token is None else {"ClientToken": client_token}
        self.send({**self.execution.request(*updates, **more), "CheckpointToken": tokens.get(token, token)})

    def send(self, request: dict[str, Any]) -> None:
        answer = self.attempt(lambda: self.harness.server.checkpoint_durable_execution(**request))
        if answer is not None and request["CheckpointToken"] == self.execution.token:
            self.spent, self.execution.token = self.execution.token, answer.get("CheckpointToken", "")

    @rule(result=RESULTS, known=st.booleans())
    def answer_callback(self, result: Any, known: bool) -> None:
        request = {"CallbackId": self.callback_id(known)} | ({} if result is None else {"Result": result})
        self.attempt(lambda: self.harness.server.send_durable_execution_callback_success(**request))

    @rule(error=ERRORS, known=st.booleans())
    def fail_callback(self, error: Any, known: bool) -> None:
        request = {"CallbackId": self.callback_id(known), "Error": error}
        self.attempt(lambda: self.harness.server.send_durable_execution_callback_failure(**request))

    @rule(known=st.booleans())
    def beat(self, known: bool) -> None:
        callback_id = self.callback_id(known)
        self.attempt(lambda: self.harness.server.send_durable_execution_callback_heartbeat(CallbackId=callback_id))

    def callback_id(self, known: bool) -> str:
        details = [operation.get("CallbackDetails", {}) for operation in self.execution.kept().values()]
        ids: list[str] = [detail["CallbackId"] for detail in details if "CallbackId" in detail]
        return ids[-1] if ids and known else "dW5rbm93bg=="

    @rule(error=ERRORS, really=RARELY, and_truly=RARELY)
    def stop(self, error: Any, really: bool, and_truly: bool) -> None:
        if really and and_truly:
            self.attempt(
                lambda: self.harness.server.stop_durable_execution(DurableExecutionArn=self.execution.arn, Error=error)
            )

    # --- what happens by itself ---

    def armed(self) -> list[Any]:
        """What the orchestrator would still let fire: the end of an execution disarms its timers."""
        ended = set(self.harness.announced.ends)
        return [timer for timer in self.harness.timers().values() if timer.arn not in ended]

    @precondition(lambda self: self.armed())
    @rule(to_the_end=RARELY, really=RARELY)
    def let_time_pass(self, to_the_end: bool, really: bool) -> None:
        timer = min(self.armed(), key=lambda timer: timer.due)
        if timer.kind is TimerKind.EXECUTION_TIMEOUT and not (to_the_end and really):
            return
        self.harness.now = max(self.harness.now, timer.due)
        self.harness.fire(timer)

    @rule(output=st.sampled_from(["PENDING", "PENDING", "crash", "SUCCEEDED", "FAILED"]), really=RARELY, wait=RARELY)
    def end_the_invocation(self, output: str, really: bool, wait: bool) -> None:
        if output == "crash":
            self.execution.crash()
        elif output == "PENDING" or really:
            self.execution.answer(output)
        if not wait:
            self.invoke_again()

    @rule()
    def invoke(self) -> None:
        self.invoke_again()

    def invoke_again(self) -> None:
        event = self.harness.server.begin_invocation(self.execution.arn)
        if event is not None:
            self.spent, self.execution.token = self.execution.token, event["CheckpointToken"]

    @rule(output=st.sampled_from(["SUCCEEDED", "FAILED"]))
    def end_a_child(self, output: str) -> None:
        for event in self.execution.history():
            arn = event.get("ChainedInvokeStartedDetails", {}).get("DurableExecutionArn")
            if arn is not None and self.harness.server.begin_invocation(arn) is not None:
                self.harness.server.invocation_answered(arn, {"Status": output})
                return

    # --- what holds at every moment ---

    @invariant()
    def what_has_ended_never_changes(self) -> None:
        for operation_id, operation in self.execution.kept().items():
            if operation_id in self.terminal:
                assert operation == self.terminal[operation_id]
            elif operation["Status"] in TERMINAL:
                assert "EndTimestamp" in operation
                self.terminal[operation_id] = operation

    @invariant()
    def parents_exist_and_are_contexts(self) -> None:
        kept = self.execution.kept()
        for operation in kept.values():
            if "ParentId" in operation:
                assert kept[operation["ParentId"]]["Type"] == "CONTEXT"

    @invariant()
    def the_history_folds_to_the_state(self) -> None:
        history = History(self.execution.history())
        kept = self.execution.kept()
        execution = kept.pop(self.execution.execution_id)
        assert {record.id for record in history.operations} == set(kept)
        for record in history.operations:
            operation = kept[record.id]
            known = {operation["Status"], WITHOUT_AN_EVENT.get(operation["Status"], operation["Status"])}
            if operation["Status"] in WITHOUT_AN_EVENT:  # what seems to be open ends with the execution
                known.add(self.execution.status)
            assert str(record.status) in known, (record, operation)
            assert (record.type, record.parent_id) == (operation["Type"], operation.get("ParentId"))
        assert str(history.execution.status) == self.execution.status
        assert execution["Status"] == ("STARTED" if self.execution.status == "RUNNING" else self.execution.status)

    @invariant()
    def events_are_numbered_and_in_order(self) -> None:
        events = self.execution.history()
        assert [event["EventId"] for event in events] == list(range(1, len(events) + 1))
        times = [event["EventTimestamp"] for event in events]
        assert times == sorted(times)

    @invariant()
    def an_execution_that_has_ended_has_nothing_open(self) -> None:
        status = self.execution.status
        if status in ENDED:
            assert self.execution.event_types()[-1].startswith("Execution")
            if status in {"TIMED_OUT", "STOPPED"}:
                assert all(operation["Status"] in TERMINAL for operation in self.execution.kept().values())

    @invariant()
    def everything_that_waits_for_time_has_its_timer(self) -> None:
        if self.execution.status == "RUNNING":
            waiting = {
                operation["Id"]
                for operation in self.execution.kept().values()
                if (operation["Type"], operation["Status"]) in {("WAIT", "STARTED"), ("STEP", "PENDING")}
            }
            timers = [timer for timer in self.armed() if timer.arn == self.execution.arn]
            assert {timer.operation_id for timer in timers if timer.kind.value in {"wait", "step retry"}} == waiting
            callbacks = {timer.operation_id for timer in timers if timer.kind.value.endswith("heartbeat timeout")}
            assert all(self.execution.kept()[key]["Status"] == "STARTED" for key in callbacks if key)

    @invariant()
    def the_pages_are_the_state(self) -> None:
        with suppress(ClientError):
            assert self.execution.operations() == self.execution.kept()


RandomBatches = RandomRequests.TestCase
RandomBatches.settings = settings(
    derandomize=True, database=None, deadline=None, max_examples=examples(15, long=80), stateful_step_count=40
)

if __name__ == "__main__":
    unittest.main()
