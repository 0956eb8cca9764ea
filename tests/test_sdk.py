"""What is known of the AWS SDK's insides: found where it is, done without where it is not, and put back afterwards."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
import types
import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from types import FrameType
from typing import Any
from unittest.mock import patch

from aws_durable_execution_sdk_python import execution as sdk_execution
from aws_durable_execution_sdk_python import serdes as sdk_serdes
from aws_durable_execution_sdk_python import state as sdk_state
from aws_durable_execution_sdk_python.lambda_service import LambdaClient

from durabletest import HandlerStuckError, LocalDurableTestRunner, MissingSdkError, sdk
from durabletest.serialisers import SerialiserHooks, ValueNotes, decode_result
from tests.acceptance.workflows import order
from tests.sdk_versions import needs_names

ROOT = str(Path(__file__).parents[1])
POLL_SECONDS = 0.1
"""What the SDK takes to notice that it has to stop, if nothing wakes it up."""
perf_counter = [time.perf_counter]


def nothing_of_the_sdk_loaded() -> Any:
    """For a block its modules are not there, and cannot be imported."""
    return patch.dict(sys.modules, dict.fromkeys([name for name in sys.modules if name.startswith(sdk.PACKAGE)]))


class InstalledTests(unittest.TestCase):
    def test_the_version_is_told(self) -> None:
        self.assertRegex(sdk.require(), r"^[23]\.\d+\.\d+")

    def test_without_the_sdk_the_message_says_what_to_install(self) -> None:
        with nothing_of_the_sdk_loaded(), self.assertRaises(MissingSdkError) as caught:
            LocalDurableTestRunner(order)
        self.assertEqual(
            str(caught.exception),
            "the AWS Durable Execution SDK is not installed: pip install 'aws-durable-execution-sdk-python>=2,<4'",
        )
        self.assertIsInstance(caught.exception, ImportError)

    def test_an_sdk_that_lacks_something_itself_is_another_matter(self) -> None:
        broken = ModuleNotFoundError("no module", name="boto3")
        with (
            nothing_of_the_sdk_loaded(),
            patch.object(importlib, "import_module", side_effect=broken),
            self.assertRaises(ModuleNotFoundError) as it,
        ):
            sdk.require()
        self.assertIs(it.exception, broken)

    def test_another_major_version_is_refused(self) -> None:
        for version in ("1.9.0", "4.0.0"):
            with (
                self.subTest(version),
                patch("aws_durable_execution_sdk_python.__about__.__version__", version),
                self.assertRaises(MissingSdkError) as caught,
            ):
                LocalDurableTestRunner(order)
            self.assertEqual(
                str(caught.exception),
                f"aws-durable-execution-sdk-python {version} is not supported: install version 2 or 3, "
                "pip install 'aws-durable-execution-sdk-python>=2,<4'",
            )

    def test_the_package_is_imported_without_the_sdk_and_a_test_case_says_what_is_missing(self) -> None:
        program = """
import sys, unittest
sys.modules["aws_durable_execution_sdk_python"] = None
from durabletest import DurableTestCase

class OrderTests(DurableTestCase):
    handler = print

    def test_order(self):
        self.execute()

unittest.main()
"""
        ended = subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            check=False,
            cwd=ROOT,
            text=True,
            capture_output=True,
            timeout=60,
        )
        self.assertIn(ended.returncode, (1, 5), "5 since Python 3.12, as no test was run")
        self.assertIn("MissingSdkError: the AWS Durable Execution SDK is not installed: pip install", ended.stderr)


def took(runs: int = 1) -> float:
    """Real seconds of the fastest of so many runs of two invocations."""

    def once() -> float:
        began = perf_counter[0]()
        result = runner.run({"order": 1})
        seconds = perf_counter[0]() - began
        if result.get_status() != "SUCCEEDED" or len(result.get_invocations()) != 2:
            raise AssertionError(result)
        return seconds

    with LocalDurableTestRunner(order) as runner:
        return min(once() for _ in range(runs))


class WakeUpTests(unittest.TestCase):
    @unittest.skipUnless(sdk.can_wake_up(), "this version of the SDK has no wake-up")
    def test_with_the_wake_up_an_invocation_does_not_wait_for_the_poll_interval(self) -> None:
        self.assertLess(took(runs=10), 2 * POLL_SECONDS)

    @unittest.skipUnless(sdk.can_wake_up(), "the tests have this version of the SDK poll quickly")
    def test_without_the_wake_up_the_outcome_is_the_same_and_takes_longer(self) -> None:
        with patch.object(sdk, "can_wake_up", return_value=False):
            self.assertGreater(took(), POLL_SECONDS)

    def test_it_is_looked_for_and_not_presumed(self) -> None:
        whole = types.SimpleNamespace(
            _Signal=types.SimpleNamespace(REFRESH_WAKE=1), ExecutionState=types.SimpleNamespace(stop_checkpointing=1)
        )
        cases = {
            "all there": (whole, True),
            "no signal": (types.SimpleNamespace(ExecutionState=whole.ExecutionState), False),
            "no wake-up": (types.SimpleNamespace(_Signal=object(), ExecutionState=whole.ExecutionState), False),
            "no stop": (types.SimpleNamespace(_Signal=whole._Signal, ExecutionState=object()), False),
        }
        for case, (state, expected) in cases.items():
            with self.subTest(case), patch.object(sdk, "module", return_value=state):
                self.assertIs(sdk.can_wake_up(), expected)


class OldState:
    """An execution state of an SDK that has no place to hook into but the stop of its checkpoint thread."""

    def __init__(self, queue: SimpleQueue[object] | None) -> None:
        self.stopped = False
        if queue is not None:
            self._checkpoint_queue = queue

    def stop_checkpointing(self) -> None:
        self.stopped = True


@contextmanager
def hooked(state: Any) -> Iterator[None]:
    """The hooks, installed in an SDK with this module ``state``."""
    hooks = sdk.Hooks(lambda error: None, lambda arn: None)
    with patch.object(sdk, "module", return_value=state):
        hooks.install()
        try:
            yield
        finally:
            hooks.remove()


class HookTests(unittest.TestCase):
    def test_only_what_is_there_is_hooked_into(self) -> None:
        wake = object()
        state = types.SimpleNamespace(
            _Signal=types.SimpleNamespace(REFRESH_WAKE=wake), ExecutionState=type("State", (OldState,), {})
        )
        with hooked(state):
            queue: SimpleQueue[object] = SimpleQueue()
            woken, without_queue = state.ExecutionState(queue), state.ExecutionState(None)
            woken.stop_checkpointing()
            without_queue.stop_checkpointing()
        self.assertIs(queue.get_nowait(), wake)
        self.assertTrue(woken.stopped and without_queue.stopped)
        after = state.ExecutionState(queue)
        after.stop_checkpointing()
        self.assertTrue(queue.empty())

    def test_an_invocation_that_was_given_up_and_closes_late_takes_nothing_from_the_one_that_runs(self) -> None:
        class State:
            def __init__(self) -> None:
                self.sent: list[object] = []
                self.meanwhile: Callable[[], None] = lambda: None

            def checkpoint_batches_forever(self) -> None:
                """It runs."""
                self.meanwhile()

            def close(self) -> None:
                """It ends."""

            def create_checkpoint(self, update: object, *, is_sync: bool) -> None:
                self.sent.append((update, is_sync))

        module = types.SimpleNamespace(ExecutionState=State)
        hooks = sdk.Hooks(lambda error: None, lambda arn: None)
        with patch.object(sdk, "module", return_value=module):
            hooks.install()
            given_up, running = State(), State()

            def late() -> None:
                given_up.close()
                hooks.flush()
                self.assertEqual((given_up.sent, running.sent), ([], [(None, True)]))
                running.close()
                hooks.flush()
                self.assertEqual(running.sent, [(None, True)])

            given_up.meanwhile, running.meanwhile = running.checkpoint_batches_forever, late
            given_up.checkpoint_batches_forever()
            self.assertEqual(len(running.sent), 1)
            hooks.remove()

    def test_an_sdk_without_any_place_is_left_alone(self) -> None:
        bare = type("State", (), {})
        before = dict(vars(bare))
        with hooked(types.SimpleNamespace(ExecutionState=bare)):
            self.assertEqual(dict(vars(bare)), before)

    def test_the_sdk_is_what_it_was_when_the_runner_is_closed(self) -> None:
        def places() -> list[dict[str, Any]]:
            owners = (sdk_state.ExecutionState, sdk_serdes.JsonSerDes, sdk_serdes.ExtendedTypeSerDes, sdk_execution)
            return [dict(vars(owner)) for owner in owners]

        before = places()
        with LocalDurableTestRunner(order) as runner:
            self.assertNotEqual(places(), before)
            runner.run({"order": 1})
        self.assertEqual(places(), before)
        with self.assertRaises(ZeroDivisionError), LocalDurableTestRunner(order):
            raise ZeroDivisionError
        self.assertEqual(places(), before)


class ClientTests(unittest.TestCase):
    """An SDK whose decorator makes its client in another way gets it with its own object for tests."""

    def test_it_is_looked_for_and_not_presumed(self) -> None:
        bare = types.SimpleNamespace()
        with patch.object(sdk, "module", return_value=bare):
            hook = sdk.ClientHook(lambda: None)
            hook.install()
            hook.remove()
        self.assertEqual(vars(bare), {})

    def test_without_the_place_wrappers_get_the_object_that_the_decorator_takes(self) -> None:
        def wrapped(event: Any, context: Any) -> Any:
            return order(event, context)

        with patch.object(sdk_execution, "LambdaClient"):
            del sdk_execution.LambdaClient
            try:
                with LocalDurableTestRunner(wrapped) as runner:
                    self.assertEqual(runner.run({"order": 1}).get_status(), "SUCCEEDED")
            finally:
                sdk_execution.LambdaClient = LambdaClient  # type: ignore[misc]

    def test_a_call_that_was_given_up_gets_no_client_at_all(self) -> None:
        go, gone = Event(), Event()
        ends: list[BaseException] = []

        def blocking(event: Any, context: Any) -> Any:
            go.wait(20)
            try:
                order(event, context)
            except BaseException as error:
                ends.append(error)
            gone.set()

        real = patch.object(LambdaClient, "initialize_client", side_effect=AssertionError)
        with real, LocalDurableTestRunner(blocking, watchdog=0.05) as runner:
            with self.assertRaises(HandlerStuckError):
                runner.run({"order": 1})
            go.set()
            self.assertTrue(gone.wait(20))
        self.assertEqual([type(error) for error in ends], [SystemExit])


class SerialiserHookTests(unittest.TestCase):
    def test_only_what_is_there_is_hooked_into(self) -> None:
        def serialize(value: object) -> str:
            """Another signature."""
            return str(value)

        for serdes in (types.SimpleNamespace(), types.SimpleNamespace(serialize=serialize)):
            module = types.SimpleNamespace(**vars(serdes))
            with patch.object(sdk, "module", return_value=module):
                hooks = SerialiserHooks(ValueNotes(lambda: None))
                hooks.install()
                hooks.remove()
            self.assertEqual(vars(module), vars(serdes))


class AboutToSendTests(unittest.TestCase):
    """The checkpoint thread with updates in hand goes on by itself; one that has none waits for others."""

    def setUp(self) -> None:
        sdk._collecting.cache_clear()
        self.addCleanup(sdk._collecting.cache_clear)

    def frame_of_get(self) -> FrameType:
        """A frame as that of ``Condition.wait``, two calls below this method's caller."""
        return sys._getframe(0)

    def get(self) -> FrameType:
        return self.frame_of_get()

    def collect(self) -> FrameType:
        return self.get()

    def test_a_thread_that_collects_updates_is_about_to_send(self) -> None:
        with patch.object(sdk_state.ExecutionState, "_collect_checkpoint_batch", AboutToSendTests.collect):
            known = hasattr(sdk_state.ExecutionState, "_wait_for_first_operation")
            self.assertEqual(sdk.is_about_to_send(self.collect()), known)
            self.assertFalse(sdk.is_about_to_send(self.get()))

    def test_an_sdk_that_does_not_tell_is_taken_as_waiting(self) -> None:
        with patch.object(sdk_state, "ExecutionState", OldState):
            self.assertFalse(sdk.is_about_to_send(self.collect()))


class NameTests(unittest.TestCase):
    @needs_names
    def test_the_function_behind_the_decorator_is_found(self) -> None:
        self.assertEqual(sdk.decorated(order).__qualname__, "order")

    def test_what_is_no_wrapper_of_the_sdk_is_taken_as_it_is(self) -> None:
        for handler in (print, object(), lambda event, context: order(event, context), sdk_execution.durable_execution):
            self.assertIs(sdk.decorated(handler), handler)


class ValueTests(unittest.TestCase):
    def test_what_the_serialiser_of_the_sdk_wrote_is_read_back(self) -> None:
        write = sdk_serdes.EXTENDED_TYPES_SERDES.serialize
        for value in (None, 1, "text", [1, "a"], {"a": [1]}, (1, 2), datetime(2026, 1, 1, tzinfo=UTC), b"\x00"):
            with self.subTest(repr(value)):
                decoded = decode_result(write(value, None))
                self.assertEqual((decoded, type(decoded)), (value, type(value)))

    def test_what_another_serialiser_wrote_is_json_or_text(self) -> None:
        cases = {
            '{"a": 1}': {"a": 1},
            '{"t": "m", "v": 1}': {"t": "m", "v": 1},
            '{"t": "unknown", "v": 1}': {"t": "unknown", "v": 1},
            '{"t": "s", "v": "5", "unit": "V"}': {"t": "s", "v": "5", "unit": "V"},
            '{"t": "i", "v": null}': {"t": "i", "v": None},
            '{"t": "dt", "v": "noon"}': {"t": "dt", "v": "noon"},
            '{"t": "u", "v": 5}': {"t": "u", "v": 5},
            '{"t": "d", "v": "twelve"}': {"t": "d", "v": "twelve"},
            "[1, {}]": [1, {}],
            "<xml/>": "<xml/>",
            "": "",
        }
        for payload, value in cases.items():
            with self.subTest(payload):
                self.assertEqual(decode_result(payload), value)
