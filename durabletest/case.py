"""The test case class: configured by class attributes, it runs durable functions and asserts on what happened."""

from __future__ import annotations

import unittest
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from durabletest import assertions
from durabletest.configuration import Mode, mode_of, validate
from durabletest.errors import ConfigurationError, UsageError
from durabletest.execution import Execution
from durabletest.local.clock import DEFAULT_START
from durabletest.local.runner import LocalDurableTestRunner
from durabletest.model.result import TestResult
from durabletest.scripts import CallbackScript

__unittest = True


class DurableTestCase(unittest.TestCase):
    """A unittest test case for one durable function.

    The configuration is class attributes. Each test gets a runner of its own (``self.runner``), and begins anew at
    ``start_time``; time is frozen from before ``setUp`` until after the last cleanup. ``setUp``, ``tearDown`` and
    ``setUpClass`` are all the test's: nothing has to be passed on to ``super()``.
    """

    handler: Callable[..., Any] | None = None
    """The function decorated with ``@durable_execution``."""
    durable_functions: Mapping[str, Callable[..., Any]] = {}
    """Targets of ``context.invoke`` that are durable functions themselves, by name."""
    functions: Mapping[str, Callable[..., Any]] = {}
    """Targets of ``context.invoke`` that are plain functions ``(event, context)``, by name."""
    function_name: str | None = None
    """The function's name; in the cloud a qualified one, ``orders:prod``."""
    mode: str = "local"
    """``"local"`` or ``"cloud"``; the environment variable ``DURABLETEST_MODE`` wins."""
    skip_time: bool = True
    """Whether time is virtual; with False waits take as long as they take."""
    start_time: datetime = DEFAULT_START
    """Where virtual time begins: fixed, so that histories are reproducible."""
    execution_timeout: timedelta | None = None
    """The execution's timeout in virtual time; None is the service's maximum of 366 days, which never fires here."""
    watchdog: float = 30.0
    """Real seconds without progress before a stuck handler is reported."""
    state_page_size: int | None = None
    """How many operations the handler is given in one page of its state; None is as many as the service would."""

    runner: LocalDurableTestRunner

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__durable_ready = False

    __durable_ready = False

    @classmethod
    def setUpClass(cls) -> None:
        """Check the configuration and set the environment up, once for the class."""
        cls.__prepare()

    @classmethod
    def __prepare(cls) -> Mode:
        mode = mode_of(cls)
        if not cls.__durable_ready:
            validate(cls)
            LocalDurableTestRunner.setup_test_environment(skip_time=cls.skip_time, start_time=cls.start_time)
            cls.__durable_ready = True
            cls.addClassCleanup(cls.__finish)
        return mode

    @classmethod
    def __finish(cls) -> None:
        cls.__durable_ready = False
        LocalDurableTestRunner.teardown_test_environment()

    # --- around each test ---

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run the test with a runner of its own."""
        if not type(self).__durable_ready:
            return super().run(result)
        with self.__open_runner():
            return super().run(result)

    def debug(self) -> None:
        """Run the test without collecting the result, with a runner of its own."""
        type(self).__prepare()
        try:
            with self.__open_runner():
                super().debug()
        finally:
            type(self).doClassCleanups()

    def __open_runner(self) -> LocalDurableTestRunner:
        cls = type(self)
        self.__last: Execution | None = None
        self.runner = LocalDurableTestRunner(
            cls.handler,  # type: ignore[arg-type]
            durable_functions=cls.durable_functions,
            functions=cls.functions,
            function_name=cls.function_name,
            execution_timeout=cls.execution_timeout,
            watchdog=cls.watchdog,
            state_page_size=cls.state_page_size,
        )
        return self.runner

    # --- running ---

    def execute(self, payload: Any = None) -> TestResult:
        """Run the handler with a JSON-able payload until the execution ends."""
        return self.start(payload).result()

    def start(self, payload: Any = None) -> Execution:
        """Start an execution in the background; see :class:`durabletest.Execution`."""
        self.__last = self.runner.start(payload)
        return self.__last

    @property
    def now(self) -> datetime:
        """The virtual time of the test."""
        return self.runner.now

    def on_callback(self, name: str) -> CallbackScript:
        """Script who answers callbacks of that name, with what and when."""
        return self.runner.on_callback(name)

    def register_durable_function(self, name: str, handler: Callable[..., Any]) -> None:
        """Register a durable target of ``context.invoke`` for this test."""
        self.runner.register_durable_function(name, handler)

    def register_function(self, name: str, handler: Callable[..., Any]) -> None:
        """Register a plain target of ``context.invoke`` for this test."""
        self.runner.register_function(name, handler)

    # --- assertions ---

    def assertExecution(self, execution: Execution | TestResult | None = None) -> assertions.ExecutionSubject:
        """Assert on the last execution of the test, or on another one."""
        return assertions.execution(self.__result(execution), fail=self.__fail)

    def assertOperation(
        self, path: str, index: int = 0, *, execution: Execution | TestResult | None = None
    ) -> assertions.OperationSubject:
        """Assert on the operation of that name or path; it fails if there is none."""
        return assertions.operation(self.__result(execution), path, index, fail=self.__fail)

    def assertNoOperation(self, path: str, *, execution: Execution | TestResult | None = None) -> None:
        """Assert that there is no operation of that name or path."""
        assertions.no_operation(self.__result(execution), path, fail=self.__fail)

    @property
    def __fail(self) -> type[AssertionError]:
        """What a failed assertion raises; unittest's own declaration is wider than what it can report as a failure."""
        failure: type[BaseException] = self.failureException
        if not issubclass(failure, AssertionError):
            raise ConfigurationError(f"failureException is {failure!r}: give a subclass of AssertionError")
        return failure

    def __result(self, execution: Execution | TestResult | None) -> TestResult:
        if isinstance(execution, TestResult):
            return execution
        chosen = execution or self.__last
        if chosen is None:
            raise UsageError(
                "there is no execution to assert on: call self.execute(payload) or self.start(payload) first"
            )
        return chosen.snapshot()
