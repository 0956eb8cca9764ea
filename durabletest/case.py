"""The test case class, which is configured by class attributes, runs durable functions and asserts on executions."""

from __future__ import annotations

import functools
import inspect
import sys
import unittest
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from durabletest.assertions import CurrentTest
from durabletest.assertions.compare import RECORDS, record_difference
from durabletest.assertions.history_checks import updating
from durabletest.cloud.suite import CloudSuite, execution_noted
from durabletest.configuration import (
    Mode,
    NoTests,
    mode_of,
    reason_to_skip,
    refuse_late_changes,
    refuse_on_instance,
    require_handler,
    set_abstract,
    validate,
    values_of,
)
from durabletest.durability import DurabilityTestCase
from durabletest.endings import in_suite
from durabletest.errors import ConfigurationError, DurableTestError, UsageError
from durabletest.execution_handle import Execution
from durabletest.explored_case import options_of
from durabletest.local.foreign_clocks import ending_class_decorators, naming_foreign_clocks
from durabletest.local.runner import LocalDurableTestRunner
from durabletest.settings import DurableSettings, handler_of, local_runner, workflow_of
from durabletest.template.functions import TemplateFunction
from durabletest.template.selection import function_of

__unittest = True
__tracebackhide__ = True

_NO_MESSAGE: Any = object()


class DurableTestCase(DurableSettings, DurabilityTestCase):
    """A unittest test case for one durable function.

    The configuration is class attributes, see below. Each test has a runner of its own, ``self.runner``, and begins at
    ``start_time``; time is frozen from before ``setUp`` until after the last cleanup. ``setUp``, ``tearDown`` and
    ``setUpClass`` need not call ``super()``.
    """

    def __init__(self, methodName: str = "runTest") -> None:  # noqa: N803 - unittest's own name
        super().__init__(methodName)
        for record in RECORDS:
            self.addTypeEqualityFunc(record, self.__assert_records_equal)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        set_abstract(cls)
        cls.__durable_ready = False
        cls.__cloud = cls.__deployed = None

    if not TYPE_CHECKING:  # type checkers would take it that anything may be set, and that anything may be made

        def __new__(cls, *args, **kwargs):  # noqa: ARG004 - TestCase takes them
            """A test, or none if the class is abstract."""
            return NoTests(cls) if cls.abstract is True else super().__new__(cls)

        def __setattr__(self, name, value):
            """Refuse settings, which only the class can have."""
            refuse_on_instance(type(self), name)
            super().__setattr__(name, value)

    __durable_ready = False
    __cloud: CloudSuite | None = None
    __deployed: TemplateFunction | None = None
    """The function in the template, for local runs; None without a template."""
    __read: Mapping[str, Any]
    """The settings that were read: on the class when it was set up, on an instance when its runner was made."""

    @classmethod
    def setUpClass(cls) -> None:
        """Check the configuration and set up the environment, once for the class.

        A class that overrides ``setUpClass`` without calling this gets a new environment around each test.
        """
        with ending_class_decorators():
            cls.__prepare()
        cls.__durable_ready = True
        cls.addClassCleanup(cls.__finish)

    @classmethod
    def __prepare(cls) -> None:
        mode = mode_of(cls)
        reason = reason_to_skip(cls)
        if reason is not None:
            raise unittest.SkipTest(reason)
        validate(cls, DurableTestCase)
        cls.__read = values_of(cls)
        if mode is Mode.CLOUD:
            cls.__cloud = CloudSuite(cls)
        else:
            cls.__deployed = function_of(cls)
            if cls.__deployed is None:
                require_handler(cls, DurableTestCase)
            else:
                handler_of(cls, cls.__deployed)
            LocalDurableTestRunner.setup_test_environment(
                skip_time=cls.skip_time, start_time=cls.start_time, clock=cls.clock
            )

    @classmethod
    def __finish(cls) -> None:
        cls.__durable_ready = False
        cls.__deployed = None
        if cls.__cloud is not None:
            cls.__cloud.close()
            cls.__cloud = None
        else:
            LocalDurableTestRunner.teardown_test_environment()

    @contextmanager
    def __environment(self) -> Iterator[None]:
        """The environment of the class, or a new one for this block."""
        cls = type(self)
        if cls.__durable_ready or self._durable_shared is not None:
            yield
            return
        cls.__prepare()
        try:
            yield
        finally:
            cls.__finish()

    # --- around each test ---

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run the test with a runner of its own."""
        method = getattr(self, self._testMethodName)
        reason = reason_to_skip(type(self), method)
        if reason is not None:
            with self.__replaced(unittest.skip(reason)(method)):
                return super().run(result)
        if _is_skipped(type(self)) or _is_skipped(method):
            return super().run(result)
        began = False
        try:
            options = options_of(method)
            if options is not None:
                self._durable_explore(options, self.__why_not_explored())
            with (
                self.__suite(),
                self.__environment(),
                self.__open_runner(),
                self.__replaced(self.__watched(self._durable_given(method))),
            ):
                began = True
                outcome = super().run(result)
                self._durable_ended()
                return outcome
        except DurableTestError as error:
            self._durable_failed(error)
            if result is None:
                raise
            self.__report(result, began)
            return result

    def __why_not_explored(self) -> str | None:
        if mode_of(type(self)) is Mode.CLOUD:
            return "in the cloud the service decides the order"
        if updating():
            return "snapshots are being written"
        return None if self.skip_time else "with skip_time = False the system decides the order"

    def __report(self, result: unittest.TestResult, began: bool) -> None:
        """Report a runner that could not be opened or closed as the test's error, so that the next test goes on."""
        if not began:
            result.startTest(self)
        result.addError(self, sys.exc_info())
        if not began:
            result.stopTest(self)

    def debug(self) -> None:
        """Run the test with a runner of its own, and without collecting the result."""
        method = self.__watched(self._durable_given(getattr(self, self._testMethodName)))
        with self.__suite(), self.__environment(), self.__open_runner(), self.__replaced(method):
            super().debug()

    @contextmanager
    def subTest(self, msg: Any = _NO_MESSAGE, **params: Any) -> Iterator[None]:
        """As in unittest; a failure carries a report of the last execution."""
        message = () if msg is _NO_MESSAGE else (msg,)
        with (
            super().subTest(*message, **params),
            self._durable_reporting(),
            self._durable_by_schedule(),
            self.__where(),
        ):
            yield

    def __watched(self, method: Callable[[], Any]) -> Callable[[], Any]:
        """The test method with all that happens around it; of a coroutine function, a coroutine function."""
        if not inspect.iscoroutinefunction(method):
            return functools.wraps(method)(lambda: self.__call(method))
        if not isinstance(self, unittest.IsolatedAsyncioTestCase):
            raise UsageError(
                f"{type(self).__qualname__}.{self._testMethodName} is async, and would never be awaited: write "
                f"class {type(self).__qualname__}(DurableTestCase, unittest.IsolatedAsyncioTestCase), or def instead "
                "of async def"
            )

        @functools.wraps(method)
        async def awaited() -> Any:
            with self._durable_reporting(), self._durable_by_schedule():
                with self._durable_noting_unused(), naming_foreign_clocks(), self.__where():
                    value = await method()
                self.__complain()
                return value

        return awaited

    def __call(self, method: Callable[[], Any]) -> Any:
        with self._durable_reporting(), self._durable_by_schedule():
            with self._durable_noting_unused(), naming_foreign_clocks(), self.__where():
                value = method()
            self.__complain()  # in no context manager of our own: the frames of contextlib would be shown
            return value

    def __complain(self) -> None:
        """Fail a test that has passed for what it has not used, empty assertions, and outcomes that depend on order."""
        self._durable_finish()
        self._durable_compare_outcomes()

    def _durable_current(self) -> CurrentTest:
        failure: type[BaseException] = self.failureException  # its declared type is wider
        if not issubclass(failure, AssertionError):  # unittest would not report it as a failure
            raise ConfigurationError(f"failureException is {failure!r}: give a subclass of AssertionError")
        return CurrentTest(failure, self._formatMessage, self._durable_folder)

    def __assert_records_equal(self, first: object, second: object, msg: Any = None) -> None:
        text = record_difference(first, second)
        if text:
            raise self.failureException(self._formatMessage(msg, text))

    @contextmanager
    def __replaced(self, method: Callable[[], Any]) -> Iterator[None]:
        """Replace the test method for one run, and restore it even if the instance had one of its own."""
        name, before = self._testMethodName, dict(vars(self))
        setattr(self, name, method)
        try:
            yield
        finally:
            if name in before:
                setattr(self, name, before[name])
            else:
                delattr(self, name)

    def __where(self) -> AbstractContextManager[None]:
        """In the cloud, add to a failure where to look at the execution."""
        if type(self).__cloud is None:
            return nullcontext()
        return execution_noted(lambda: None if (last := self._durable_last()) is None else last.arn)

    def __suite(self) -> AbstractContextManager[None]:
        return in_suite(f"{type(self).__module__}.{type(self).__qualname__}")

    def __open_runner(self) -> AbstractContextManager[object]:
        cls = type(self)
        self._durable_began()
        refuse_late_changes(cls, cls.__read, runner=False)
        self.__read = values_of(cls)
        if self._durable_shared is not None:
            self.runner = self._durable_shared
            return nullcontext()
        if cls.__cloud is not None:
            cloud_runner = self.runner = cls.__cloud.runner(self.id(), workflow_of(cls))
            return cloud_runner
        runner = self.runner = local_runner(cls, cls.__deployed, schedule=self._durable_schedule)
        return closing(runner)

    # --- running ---

    def start(self, payload: Any = None, *, name: str | None = None, tenant_id: str | None = None) -> Execution:
        """Start an execution in the background; see :class:`durabletest.Execution`.

        ``name`` is the execution's name: one that was used before, with the same payload, means the same execution.
        ``tenant_id`` is the tenant of the invocation.
        """
        refuse_late_changes(type(self), self.__read, runner=True)
        return super().start(payload, name=name, tenant_id=tenant_id)


def _is_skipped(item: object) -> bool:
    return bool(getattr(item, "__unittest_skip__", False))
