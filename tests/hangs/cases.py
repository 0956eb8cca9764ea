"""Test cases that block, exit, spin and die; ``test_hangs`` runs each by itself, in a process of its own."""

from __future__ import annotations

import os
import signal
import sys
import time
import unittest
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any, NoReturn

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import (
    CompletionConfig,
    ParallelConfig,
    StepConfig,
    StepSemantics,
)

from durabletest import CheckpointServerError, DurableTestCase, LocalDurableTestRunner, TestResult
from durabletest.local.call_queue import CallQueue
from durabletest.local.server.checkpoint_server import CheckpointServer

MORE_THAN_THE_SDK_SENDS = 800_000
"""Characters, together with another update."""
MORE_THAN_THE_SERVICE_TAKES = 1_048_577


class Impatient(DurableTestCase):
    watchdog = 0.3


def for_ever(*_: object) -> None:
    Event().wait()


def once(action: Callable[[], object]) -> Callable[[], str]:
    """Does something the first time that it is called, and nothing afterwards."""
    actions = [action]

    def call() -> str:
        while actions:
            actions.pop()()
        return "went on"

    return call


def interrupted() -> NoReturn:
    raise KeyboardInterrupt


def in_step(action: Callable[[], object], config: StepConfig | None = None) -> Callable[..., Any]:
    @durable_execution
    def handler(event: Any, context: DurableContext) -> Any:
        return context.step(lambda _: action(), name="step", config=config)

    return handler


def in_body(action: Callable[[], object]) -> Callable[..., Any]:
    @durable_execution
    def handler(event: Any, context: DurableContext) -> Any:
        context.step(lambda _: "done", name="before")
        return action()

    return handler


def first_invocation_error(result: TestResult) -> str | None:
    error = result.get_invocations()[0].error
    return None if error is None else str(error)


# --- what blocks -----------------------------------------------------------------------------------------------------


class BlockedStep(Impatient):
    handler = in_step(for_ever)

    def test(self) -> None:
        self.execute()


class SleepingStep(Impatient):
    handler = in_step(lambda: time.sleep(86_400))

    def test(self) -> None:
        self.execute()


class BlockedBody(Impatient):
    handler = in_body(for_ever)

    def test(self) -> None:
        self.execute()


class BlockedFunction(Impatient):
    functions = {"remote": for_ever}

    @staticmethod
    @durable_execution
    def handler(event: Any, context: DurableContext) -> Any:
        return context.invoke("remote", event)

    def test(self) -> None:
        self.execute()


class BlockedPool(Impatient):
    """A pool of the user's, whose threads :mod:`concurrent.futures` waits for when the interpreter exits."""

    handler = in_step(lambda: ThreadPoolExecutor(2).submit(for_ever).result())

    def test(self) -> None:
        self.execute()


class PoolLeftBehind(DurableTestCase):
    handler = in_step(lambda: ThreadPoolExecutor(2).submit(for_ever) and "done")

    def test(self) -> None:
        self.execute()
        self.assertExecution().succeeded("done")


class BlockedLoser(Impatient):
    """One branch has won, and the SDK waits for the other."""

    @staticmethod
    @durable_execution
    def handler(event: Any, context: DurableContext) -> Any:
        config = ParallelConfig(completion_config=CompletionConfig.first_successful())
        branches = [lambda child: child.step(lambda _: 1, name="quick"), lambda child: child.step(for_ever)]
        return len(context.parallel(branches, config=config).succeeded())

    def test(self) -> None:
        self.execute()


class PollingAFrozenClock(Impatient):
    @staticmethod
    @durable_execution
    def handler(event: Any, context: DurableContext) -> Any:
        deadline = datetime.now(UTC) + timedelta(seconds=1)
        while datetime.now(UTC) < deadline:
            pass
        return "waited"

    def test(self) -> None:
        self.execute()


class BlockedScript(Impatient):
    @staticmethod
    @durable_execution
    def handler(event: Any, context: DurableContext) -> Any:
        return context.create_callback(name="answer").result()

    def test(self) -> None:
        self.on_callback("answer").call(for_ever)
        self.execute()


class TooLargeBesideItsStart(Impatient):
    """The SDK keeps the payload, and waits for an answer to it."""

    handler = in_step(lambda: "x" * MORE_THAN_THE_SDK_SENDS)

    def test(self) -> None:
        self.execute()


class TooLargeAlone(DurableTestCase):
    """The step's start has gone before, so that its payload is sent, and refused."""

    handler = in_step(
        lambda: "x" * MORE_THAN_THE_SERVICE_TAKES, StepConfig(step_semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY)
    )

    def test(self) -> None:
        self.execute()
        self.assertExecution().failed(message="1048576")


# --- what ends its process -------------------------------------------------------------------------------------------


class ExitInStep(DurableTestCase):
    handler = in_step(once(lambda: sys.exit(3)))

    def test(self) -> None:
        result = self.execute()
        self.assertExecution().succeeded("went on")
        self.assertIn("Runtime.ExitError", str(first_invocation_error(result)))
        self.assertIn("exit status 3", str(first_invocation_error(result)))


class ExitInBody(DurableTestCase):
    handler = in_body(sys.exit)

    def test(self) -> None:
        result = self.execute()
        self.assertExecution().failed("Runtime.ExitError")
        self.assertEqual(len(result.get_invocations()), 5)
        self.assertEqual(self.now - self.start_time, timedelta(seconds=1 + 2 + 4 + 8))


class InterruptInBody(DurableTestCase):
    handler = in_body(once(interrupted))

    def test(self) -> None:
        result = self.execute()
        self.assertExecution().succeeded("went on")
        self.assertIn("exit status 130", str(first_invocation_error(result)))


class KilledInBody(DurableTestCase):
    handler = in_body(once(lambda: os._exit(9)))

    def test(self) -> None:
        result = self.execute()
        self.assertExecution().succeeded("went on")
        self.assertIn("exit status 9", str(first_invocation_error(result)))


class ForkingStep(DurableTestCase):
    """A child process that a step forks ends by its own exit, with its own status."""

    watchdog = 5.0
    children: list[int] = []

    @staticmethod
    @durable_execution
    def handler(event: Any, context: DurableContext) -> Any:
        def fork(_: Any) -> int:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
                child = os.fork()
            if not child:
                os._exit(7)
            ForkingStep.children.append(child)
            status = os.waitpid(child, 0)[1]
            ForkingStep.children.remove(child)
            return os.waitstatus_to_exitcode(status)

        return context.step(fork, name="fork")

    @unittest.skipUnless(hasattr(os, "fork"), "processes cannot be forked here")
    def test(self) -> None:
        self.addCleanup(lambda: [os.kill(child, signal.SIGKILL) for child in self.children])
        result = self.execute()
        self.assertExecution().succeeded(7)
        self.assertEqual(len(result.get_invocations()), 1)


class KilledInBranch(DurableTestCase):
    """While one branch ends the process, the other one is in the middle of a step."""

    dead = Event()

    @staticmethod
    @durable_execution
    def handler(event: Any, context: DurableContext) -> Any:
        def kill(_: Any) -> str:
            if KilledInBranch.dead.is_set():
                return "survived"
            sibling.wait(5)
            try:
                os._exit(9)
            finally:
                KilledInBranch.dead.set()

        def in_the_middle(_: Any) -> str:
            sibling.set()
            KilledInBranch.dead.wait(5)
            return "written"

        sibling = Event()
        branches = [
            lambda child: child.step(kill, name="kill"),
            lambda child: child.step(in_the_middle, name="sibling") and child.step(lambda _: 1, name="next"),
        ]
        return len(context.parallel(branches).succeeded())

    def test(self) -> None:
        result = self.execute()
        self.assertExecution().succeeded(2)
        kinds = [(event["EventType"], event.get("Name")) for event in result.history]
        dead = kinds.index(("InvocationCompleted", None))
        self.assertNotIn(("StepSucceeded", "sibling"), kinds[:dead])
        self.assertEqual(kinds[dead:].count(("StepSucceeded", "sibling")), 1)
        self.assertIn("exit status 9", str(first_invocation_error(result)))


class KilledBesideABlockedBranch(DurableTestCase):
    """The dead process has a thread that never notices."""

    blocked = Event()
    kill = once(lambda: KilledBesideABlockedBranch.blocked.wait(5) and os._exit(9))
    block = once(lambda: KilledBesideABlockedBranch.blocked.set() or for_ever())

    @staticmethod
    @durable_execution
    def handler(event: Any, context: DurableContext) -> Any:
        branches = [
            lambda child: child.step(lambda _: KilledBesideABlockedBranch.kill(), name="kill"),
            lambda child: child.step(lambda _: KilledBesideABlockedBranch.block(), name="blocked"),
        ]
        return len(context.parallel(branches).succeeded())

    def test(self) -> None:
        result = self.execute()
        self.assertExecution().succeeded(2)
        self.assertIn("exit status 9", str(first_invocation_error(result)))


class GivenUpAndKilledLater(DurableTestCase):
    """A handler that was given up ends its process when nobody expects it any more."""

    watchdog = 0.2
    go_on, done = Event(), Event()

    @staticmethod
    @durable_execution
    def handler(event: Any, context: DurableContext) -> Any:
        try:
            GivenUpAndKilledLater.go_on.wait()
        finally:
            GivenUpAndKilledLater.done.set()
            os._exit(9)

    def test(self) -> None:
        with self.assertRaisesRegex(Exception, "made no progress"):
            self.execute()
        self.go_on.set()
        self.assertTrue(self.done.wait(5))


# --- what dies of durabletest's own ----------------------------------------------------------------------------------


def die(*_: Any, **__: Any) -> NoReturn:
    raise SystemExit("killed by the test")


class ServerDiesBusy(DurableTestCase):
    handler = in_step(lambda: setattr(CheckpointServer, "checkpoint_durable_execution", die))

    def test(self) -> None:
        self.execute()


class ServerDiesIdle(DurableTestCase):
    handler = in_step(lambda: "done")

    def test(self) -> None:
        arn = self.execute().arn
        CheckpointServer.get_durable_execution = die  # type: ignore[method-assign]
        with self.assertRaises(CheckpointServerError):
            self.runner.client.get_durable_execution(DurableExecutionArn=arn)
        self.execute()

    def test_next(self) -> None:
        self.execute()


class OrchestratorDies(DurableTestCase):
    handler = in_step(lambda: "done")

    def test(self) -> None:
        CallQueue.put = die  # type: ignore[method-assign]
        self.execute()


# --- Ctrl-C, and the end of the process ------------------------------------------------------------------------------


def ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for_ever()


class ControlC(DurableTestCase):
    watchdog = 600.0  # it is started before somebody interrupts it
    handler = in_step(ready)

    def test(self) -> None:
        self.execute()


def never_closed() -> None:
    """A script that starts a handler, forgets about it, and ends."""
    started = Event()
    runner = LocalDurableTestRunner(in_step(lambda: started.set() or for_ever()))
    runner.start()
    started.wait(5)
