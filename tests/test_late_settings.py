"""Settings that are set where nobody would read them: they are refused, or they work."""

from __future__ import annotations

import types
import unittest
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from unittest import mock

from aws_durable_execution_sdk_python import DurableContext, durable_execution

from durabletest import DurableTestCase
from durabletest.parity import tests_in as cases_in

LATER = datetime(2030, 1, 1, tzinfo=UTC)
SEEN: list[object] = []


@durable_execution
def first(event: Any, context: DurableContext) -> Any:
    return "first"


@durable_execution
def second(event: Any, context: DurableContext) -> Any:
    return context.invoke("geo", event, name="geo") if event else "second"


def suite(**attributes: Any) -> type[DurableTestCase]:
    """A class with one test, which notes the result and when the test began."""

    def test(self: DurableTestCase) -> None:
        SEEN.append((self.execute().get_result(), self.now))

    return type("OrderTests", (DurableTestCase,), {"handler": first, "test": test, **attributes})


def errors_of(cls: type[unittest.TestCase]) -> list[str]:
    """The last line of each error."""
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(cls).run(result)
    return [text.splitlines()[-1].removeprefix("durabletest.errors.") for _, text in result.errors + result.failures]


class LateSettingTests(unittest.TestCase):
    maxDiff = None

    def setUp(self) -> None:
        SEEN.clear()

    def assertRefused(self, cls: type[unittest.TestCase], message: str) -> None:
        self.assertEqual(errors_of(cls), [f"ConfigurationError: {message}"])
        self.assertEqual(SEEN, [])

    def assertWorks(self, cls: type[unittest.TestCase], *seen: object) -> None:
        self.assertEqual(errors_of(cls), [])
        self.assertEqual(SEEN, list(seen))


class InATestTests(LateSettingTests):
    """A test's runner is made before its ``setUp``."""

    def test_on_the_instance(self) -> None:
        made = "the test's runner is made before setUp, from the class"
        for name, value, instead in (
            (
                "handler",
                second,
                "; for one test, make a runner of its own: with LocalDurableTestRunner(my_function) as runner: ...",
            ),
            ("functions", {}, "; for one test, call self.register_function(name, my_function)"),
            ("durable_functions", {}, "; for one test, call self.register_durable_function(name, my_function)"),
            ("start_time", LATER, "; a test moves time with self.start(payload).advance(timedelta(...))"),
            ("watchdog", 1.0, ""),
            ("skip_time", False, ""),
            ("mode", "cloud", ""),
        ):
            with self.subTest(name):
                self.assertRefused(
                    suite(setUp=lambda self, name=name, value=value: setattr(self, name, value)),
                    f"self.{name} = ... of OrderTests comes too late: {made}. Write {name} = ... in the class, or "
                    f"cls.{name} = ... in setUpClass{instead}",
                )

    def test_what_is_no_setting_is_the_tests_own(self) -> None:
        self.assertWorks(suite(setUp=lambda self: setattr(self, "handlers", second)), ("first", mock.ANY))

    def test_on_the_class(self) -> None:
        def prepare(self: DurableTestCase) -> None:
            type(self).handler = second

        self.assertRefused(
            suite(setUp=prepare),
            "OrderTests.handler was changed too late: the test's runner is made before setUp, from the class. Write "
            "handler = ... in the class, or cls.handler = ... in setUpClass; for one test, make a runner of its own: "
            "with LocalDurableTestRunner(my_function) as runner: ...",
        )

    def test_in_a_dictionary_of_the_class(self) -> None:
        def prepare(self: DurableTestCase) -> None:
            self.functions["geo"] = print  # type: ignore[index]

        self.assertRefused(
            suite(setUp=prepare, functions={}),
            "OrderTests.functions was changed too late: the test's runner is made before setUp, from the class. Write "
            "functions = ... in the class, or cls.functions = ... in setUpClass; for one test, call "
            "self.register_function(name, my_function)",
        )

    def test_in_the_dictionary_that_all_classes_share(self) -> None:
        changes: list[Callable[[Any], object]] = [
            lambda self: self.functions.__setitem__("geo", print),
            lambda self: self.functions.update(geo=print),
            lambda self: self.functions.setdefault("geo", print),
        ]
        for change in changes:
            self.assertRefused(
                suite(setUp=change),
                "what is put into the default of functions would be there for all classes: write functions = {name: "
                "my_function} in the class; for one test, call self.register_function(name, my_function)",
            )
            self.assertEqual(DurableTestCase.functions, {})

    def test_what_the_messages_advise(self) -> None:
        def prepare(self: DurableTestCase) -> None:
            self.register_function("geo", lambda event, context: "NL")

        def test(self: DurableTestCase) -> None:
            SEEN.append(self.execute(1).get_result())

        self.assertWorks(suite(setUp=prepare, handler=second, test=test), "NL")


class InSetUpClassTests(LateSettingTests):
    def prepared(self, before: bool, name: str, value: object, called: bool = True) -> type[DurableTestCase]:
        def prepare(cls: type[DurableTestCase]) -> None:
            steps: list[Callable[[], object]] = [lambda: setattr(cls, name, value)]
            if called:
                steps.insert(before, super(cls, cls).setUpClass)
            for step in steps:
                step()

        return suite(setUpClass=classmethod(prepare))

    def test_before_or_without_super_everything_can_be_set(self) -> None:
        for called in (True, False):
            SEEN.clear()
            with self.subTest(called=called):
                self.assertWorks(self.prepared(True, "handler", second, called), ("second", mock.ANY))
                SEEN.clear()
                self.assertWorks(self.prepared(True, "start_time", LATER, called), ("first", LATER))

    def test_after_super_what_only_runners_are_made_of_can_be_set(self) -> None:
        self.assertWorks(self.prepared(False, "handler", second), ("second", mock.ANY))

    def test_after_super_what_the_class_was_set_up_with_cannot(self) -> None:
        for name, value in (
            ("start_time", LATER),
            ("skip_time", False),
            ("clock", "time-machine"),
            ("mode", "cloud"),
            ("function_name", "a"),
        ):
            with self.subTest(name):
                self.assertRefused(
                    self.prepared(False, name, value),
                    f"OrderTests.{name} was changed after super().setUpClass() had read it: assign it before",
                )

    def test_a_wrong_value_is_told_there_too(self) -> None:
        self.assertRefused(
            self.prepared(False, "handler", "order"),
            "handler is 'order', which cannot be called: give the function decorated with @durable_execution",
        )


class AbstractTests(LateSettingTests):
    def test_a_single_test_of_an_abstract_class_is_told_where_it_runs(self) -> None:
        holder = type("Holder", (), {"Base": suite(abstract=True)})
        with self.assertRaisesRegex(AttributeError, "^OrderTests is abstract: its tests are run in its subclasses"):
            unittest.defaultTestLoader.loadTestsFromName("Holder.Base.test", module=mock.Mock(Holder=holder))

    def test_it_needs_no_handler_and_its_subclasses_do(self) -> None:
        base = suite(abstract=True, handler=None)
        self.assertWorks(base)
        [error] = errors_of(type("Derived", (base,), {}))
        self.assertIn("Derived has no handler", error)
        self.assertWorks(type("Derived", (base,), {"handler": second}), ("second", mock.ANY))

    def test_parity_is_verified_of_what_has_a_handler(self) -> None:
        module = types.ModuleType("orders")
        base = suite(abstract=True, handler=None)
        vars(module).update(Base=base, Derived=type("Derived", (base,), {"handler": second}))
        self.assertEqual([type(test).__name__ for test in cases_in(module)], ["Derived"])

    def test_only_true_is_true(self) -> None:
        self.assertRefused(suite(abstract=1), "OrderTests.abstract is 1: write True or False")

    def test_pytest_is_told_only_where_it_has_to_be(self) -> None:
        plain, base = suite(), suite(abstract=True)
        left_out = type("LeftOut", (base,), {"__test__": False})
        self.assertNotIn("__test__", vars(plain))
        self.assertEqual(
            [getattr(cls, "__test__", None) for cls in (base, type("Derived", (base,), {}), left_out)],
            [False, True, False],
        )
