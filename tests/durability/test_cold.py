"""``cold=True``: each invocation in freshly imported modules, with what the test has put into them."""

from __future__ import annotations

import builtins
import gc
import importlib
import sys
import tempfile
import textwrap
import unittest
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

from durabletest import LocalDurableTestRunner, UsageError
from durabletest.local.fresh_modules import freshly_imported
from tests.durability.case import Body, report
from tests.durability.correct import nothing_but_steps
from tests.effort import LONG
from tests.sdk_versions import needs_turns
from tests.subprocesses import ROOT, Started

HOME = "cold_shop.orders"
SHOP = """
    from datetime import datetime
    from aws_durable_execution_sdk_python import durable_execution
    from aws_durable_execution_sdk_python.config import Duration

    receipts = {}
    currency = "EUR"
    calls = 0

    class Payments:
        def charge(self, order):
            raise NotImplementedError("the real service")

        def refund(self, order):
            raise NotImplementedError("the real service")

    payments = Payments()

    def notify(text):
        raise NotImplementedError("the real service")

    @durable_execution
    def forgetful(event, context):
        def charge(_):
            receipts[42] = "paid"
        context.step(charge, name="charge")
        context.step(lambda _: "sent", name="send receipt")
        return receipts[42]

    @durable_execution
    def checkout(event, context):
        paid = context.step(lambda _: payments.charge(42), name="charge")
        context.wait(Duration.from_seconds(5), name="pause")
        told = context.step(lambda _: notify(paid), name="notify")
        return [paid, told, currency, f"{datetime.now():%S}"]

    @durable_execution
    def counting(event, context):
        global calls
        calls += 1
        context.wait(Duration.from_seconds(5), name="pause")
        return calls

    @durable_execution
    def parent(event, context):
        return [counting_elsewhere(context), calls]

    @durable_execution
    def branching(event, context):
        branches = [lambda child: counting_elsewhere(child)] * 2
        return context.parallel(branches, name="both").get_results()

    @durable_execution
    def invoking(event, context):
        return [context.invoke("child", {}) for _ in range(2)]

    def counting_elsewhere(context):
        from cold_shop.state import count
        context.step(lambda _: None, name="step")
        return count()
"""
STATE = """
    numbers = []

    def count():
        numbers.append(1)
        return len(numbers)
"""
ONCE = """
    import builtins
    from aws_durable_execution_sdk_python import durable_execution

    if hasattr(builtins, "cold_shop_registered"):
        raise ValueError("registered twice")
    builtins.cold_shop_registered = True

    @durable_execution
    def order(event, context):
        return 1
"""


class ColdCase(unittest.TestCase):
    """Has a project of its own in ``sys.path``, in the package ``cold_shop``."""

    def setUp(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory())).resolve()
        package = folder / "cold_shop"
        package.mkdir()
        for name, text in {"__init__": "", "orders": SHOP, "state": STATE, "once": ONCE}.items():
            (package / f"{name}.py").write_text(textwrap.dedent(text), encoding="utf-8")
        self.enterContext(mock.patch.object(sys, "path", [str(folder), *sys.path]))
        self.enterContext(mock.patch.object(sys, "dont_write_bytecode", True))
        self.addCleanup(self.forget)
        self.orders = importlib.import_module(HOME)

    def forget(self) -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == "cold_shop"]:
            del sys.modules[name]
        importlib.invalidate_caches()
        vars(builtins).pop("cold_shop_registered", None)


def crashing(**choices: Any) -> Body:
    return lambda test: test.assertSurvivesCrashes({}, faults=["answer lost", "killed"], **choices)


@needs_turns
class ColdTests(ColdCase):
    def test_state_of_a_module_does_not_survive_its_sandbox(self) -> None:
        self.assertEqual(report(self.orders.forgetful, crashing()), "")
        text = report(self.orders.forgetful, crashing(cold=True))
        self.assertIn("answer lost after the checkpoint that completed step 'charge' ('answer lost 1')", text)
        self.assertIn("the execution is FAILED with KeyError: 42 instead of SUCCEEDED", text)
        self.assertIn("self.assertSurvivesCrashes({}, faults='answer lost 1', cold=True)\n", text)

    def test_determinism_of_a_handler_that_uses_the_memory_of_its_process(self) -> None:
        self.assertEqual(report(self.orders.forgetful, lambda test: test.assertDeterministic({})), "")
        text = report(self.orders.forgetful, lambda test: test.assertDeterministic({}, cold=True))
        self.assertIn('its status was another one\nfirst run: "paid"\n   replay: FAILED with KeyError: 42', text)

    def test_each_invocation_begins_anew_and_nothing_is_left_behind(self) -> None:
        with LocalDurableTestRunner(self.orders.counting) as runner:
            self.assertEqual(runner.run({}).get_result(), 2)
            with runner.cold():
                self.assertEqual(runner.run({}).get_result(), 1)
            self.assertEqual(self.orders.calls, 2)
            self.assertEqual(runner.run({}).get_result(), 4)
        self.assertIs(sys.modules[HOME], self.orders)
        self.assertIs(sys.modules["cold_shop"].orders, self.orders)

    def test_durable_functions_that_are_invoked_begin_anew_too_unless_they_are_of_the_test(self) -> None:
        cases = {self.orders.counting: ([2, 4], [1, 1]), nothing_but_steps: ([3, 3], [3, 3])}
        for child, (warm, cold) in cases.items():
            with LocalDurableTestRunner(self.orders.invoking, durable_functions={"child": child}) as runner:
                self.assertEqual(runner.run({}).get_result(), warm)
                with runner.cold():
                    self.assertEqual(runner.run({}).get_result(), cold)

    def test_branches_import_new_modules(self) -> None:
        with LocalDurableTestRunner(self.orders.branching) as runner, runner.cold():
            self.assertEqual([runner.run({}).get_result() for _ in range(2)], [[1, 2], [1, 2]])

    def test_modules_that_the_handler_imports_are_new_ones(self) -> None:
        state = importlib.import_module("cold_shop.state")
        with LocalDurableTestRunner(self.orders.parent) as runner, runner.cold():
            self.assertEqual([runner.run({}).get_result() for _ in range(2)], [[1, 0], [1, 0]])
        self.assertEqual(state.numbers, [])

    def test_a_module_that_was_first_imported_by_an_invocation_goes_with_it(self) -> None:
        with LocalDurableTestRunner(self.orders.parent) as runner, runner.cold():
            runner.run({})
        self.assertNotIn("cold_shop.state", sys.modules)

    def test_modules_of_earlier_invocations_are_not_kept(self) -> None:
        with LocalDurableTestRunner(self.orders.counting) as runner, runner.cold():
            runner.run({})
            runner.rewind()
            gc.collect()
            alive = [one for one in gc.get_objects() if isinstance(one, ModuleType) and one.__name__ == HOME]
            self.assertEqual(alive, [self.orders])

    def test_other_things_than_modules_may_be_among_them(self) -> None:
        with mock.patch.dict(sys.modules, {"cold_shop_nothing": None}):
            with LocalDurableTestRunner(self.orders.counting) as runner, runner.cold():
                self.assertEqual(runner.run({}).get_result(), 1)
            self.assertIsNone(sys.modules["cold_shop_nothing"])

    def test_what_an_abandoned_invocation_has_left_is_undone(self) -> None:
        first, second = freshly_imported(self.orders.counting), freshly_imported(self.orders.counting)
        first.__enter__()
        self.assertIsNot(second.__enter__(), self.orders.counting)
        first.__exit__(None, None, None)
        self.assertIsNot(sys.modules[HOME], self.orders)
        second.__exit__(None, None, None)
        self.assertIs(sys.modules[HOME], self.orders)


class Fake:
    """Takes the place of the service."""

    def charge(self, order: int) -> str:
        return f"paid {order}"


@needs_turns
class ReplacementTests(ColdCase):
    def value(self) -> Any:
        with LocalDurableTestRunner(self.orders.checkout) as runner, runner.cold():
            return runner.run({}).get_result()

    def test_what_the_test_has_put_into_modules_is_in_the_new_ones(self) -> None:
        def told(text: str) -> str:
            return f"told {text}"

        def charge(payments: Any, order: int) -> str:
            return f"paid {order}"

        patches: dict[str, Any] = {
            "an object of a class of the test": mock.patch.object(self.orders, "payments", Fake()),
            "a mock": mock.patch.object(self.orders, "payments", mock.Mock(**{"charge.return_value": "paid 42"})),
            "a method of an object": mock.patch.object(self.orders.payments, "charge", Fake().charge),
            "a partial": mock.patch.object(self.orders.payments, "charge", partial(charge, None)),
            "a method of a class": mock.patch.object(self.orders.Payments, "charge", charge),
        }
        for what, patch in patches.items():
            with self.subTest(what), patch, mock.patch.object(self.orders, "notify", told):
                self.assertEqual(self.value(), ["paid 42", "told paid 42", "EUR", "05"])

    def test_what_handlers_have_left_in_modules_is_not(self) -> None:
        with (
            mock.patch.object(self.orders, "payments", Fake()),
            mock.patch.object(self.orders, "notify", str),
            mock.patch.object(self.orders, "currency", "USD"),
        ):
            self.assertEqual(self.value()[2], "EUR")


@needs_turns
class RefusalTests(ColdCase):
    def test_handlers_that_cannot_be_imported_again_are_refused(self) -> None:
        moved = self.orders.checkout
        del self.orders.checkout
        cases = {
            "the module 'tests.durability.correct' of nothing_but_steps is one of tests": nothing_but_steps,
            "checkout is no attribute of its module 'cold_shop.orders'": moved,
        }
        for words, handler in cases.items():
            with self.subTest(words):
                text = report(handler, lambda test: test.assertSurvivesCrashes({}, cold=True))
                self.assertIn(f"UsageError: cold=True: {words}", text)

    def test_a_module_that_fails_when_it_is_imported_again_is_told(self) -> None:
        once = importlib.import_module("cold_shop.once")
        with (
            LocalDurableTestRunner(once.order) as runner,
            runner.cold(),
            self.assertRaisesRegex(UsageError, r"cannot be imported again: ValueError\('registered twice'\)"),
        ):
            runner.run({})
        self.assertIs(sys.modules["cold_shop.once"], once)


UNORDERED = """
import sys
from pathlib import Path
from aws_durable_execution_sdk_python import durable_execution
from durabletest import LocalDurableTestRunner
from durabletest.histories import breaks, read_history

names = {"ann", "bob", "cid"}

@durable_execution
def greet(event, context):
    return [context.step(lambda _: None, name=name) for name in names]

with LocalDurableTestRunner(greet) as runner:
    path = Path(sys.argv[1])
    if not path.exists():
        runner.run({}).save_history(path)
    print(list(names) == [one.name for one in runner.run({}).get_operations()])
    found = [one.words for one in breaks(runner, read_history(path)) if one is not None]
    print(found[-1] if found else "replays")
"""


@needs_turns
class SetOrderTests(unittest.TestCase):
    @unittest.skipUnless(LONG, "it starts five processes")
    def test_a_recorded_history_finds_the_order_of_a_set_in_another_process(self) -> None:
        path = str(Path(self.enterContext(tempfile.TemporaryDirectory())) / "greet.json")
        outputs = []
        for seed in range(5):
            process = Started("-c", UNORDERED, path, PYTHONHASHSEED=str(seed), PYTHONPATH=str(ROOT))
            outputs.append(process.ended().stdout.splitlines())
        self.assertEqual(outputs[0], ["True", "replays"])
        self.assertEqual({same for same, _ in outputs}, {"True"})
        others = [found for _, found in outputs[1:] if found != "replays"]
        self.assertTrue(others)
        for found in others:
            self.assertRegex(found, r"operation \d was step '\w{3}', is now step '\w{3}'")


if __name__ == "__main__":
    unittest.main()
