"""The test case class: configured by class attributes, it runs durable functions and asserts on what happened."""

from __future__ import annotations

import functools
import inspect
import sys
import unittest
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from durabletest.abstract import NoTests, mark
from durabletest.assertions.snapshot_file import updating
from durabletest.cloud.runner import DEFAULT_TIMEOUT, CloudDurableTestRunner
from durabletest.cloud.suite import CloudSuite, execution_noted
from durabletest.configuration import (
    Mode,
    NoFunctions,
    mode_of,
    refuse_late_changes,
    refuse_on_instance,
    require_handler,
    validate,
    values_of,
)
from durabletest.errors import DurableTestError, UsageError
from durabletest.execution import Execution
from durabletest.explored import ExploredTestCase
from durabletest.exploring import plan_for
from durabletest.local.clock import DEFAULT_START
from durabletest.local.foreign import ending_class_decorators, naming_foreign_clocks
from durabletest.local.runner import LocalDurableTestRunner
from durabletest.model.result import TestResult
from durabletest.model.times import Duration
from durabletest.modes import why_left_out
from durabletest.scripts import CallbackScript
from durabletest.settings import FREEZEGUN
from durabletest.stubs.invokes import InvokeStub
from durabletest.stubs.steps import StepStub

__unittest = True
__tracebackhide__ = True

_NO_MESSAGE: Any = object()


class DurableTestCase(ExploredTestCase):
    """A unittest test case for one durable function.

    The configuration is class attributes. Each test gets a runner of its own (``self.runner``), and begins anew at
    ``start_time``; time is frozen from before ``setUp`` until after the last cleanup. ``setUp``, ``tearDown`` and
    ``setUpClass`` are all the test's: nothing has to be passed on to ``super()``.
    """

    handler: Callable[..., Any] | None = None
    """The function decorated with ``@durable_execution``."""
    durable_functions: Mapping[str, Callable[..., Any]] = NoFunctions("durable_functions")
    """Targets of ``context.invoke`` that are durable functions themselves, by name."""
    functions: Mapping[str, Callable[..., Any]] = NoFunctions("functions")
    """Targets of ``context.invoke`` that are plain functions ``(event, context)``, by name."""
    function_name: str | None = None
    """The function's name; in the cloud a qualified one, ``orders:prod``."""
    mode: str = "local"
    """``"local"`` or ``"cloud"``; the environment variable ``DURABLETEST_MODE`` wins."""
    skip_time: bool = True
    """Whether time is virtual; with False waits take as long as they take."""
    skip_sleep: bool = False
    """Whether ``time.sleep`` in handler code passes in virtual time, too; with False it takes as long as it takes."""
    start_time: datetime = DEFAULT_START
    """Where virtual time begins: fixed, so that histories are reproducible."""
    clock: str = FREEZEGUN
    """What shows virtual time to code: ``"freezegun"`` or ``"time-machine"``; ``DURABLETEST_CLOCK`` wins."""
    execution_timeout: Duration | None = None
    """The execution's timeout in virtual time; None is the service's maximum of 366 days.

    That one ends what goes on; it is nothing that a forgotten callback could wait for."""
    watchdog: float = 30.0
    """Real seconds without progress before a stuck handler is reported."""
    state_page_size: int | None = None
    """How many operations the handler is given in one page of its state; None is as many as the service would."""

    cloud: str = "skip"
    """A test that does what cannot work in the cloud is skipped there; with ``"strict"`` that is an error."""
    cloud_timeout: Duration = DEFAULT_TIMEOUT
    """How long one execution may take in the cloud, before it is stopped."""
    poll_interval: Duration = 1.0
    """Seconds between two looks at an execution in the cloud; ``DURABLETEST_POLL_INTERVAL`` wins."""

    abstract: bool = False
    """Whether the class is only the base of others: its tests are run in them and not in itself. Not inherited."""

    runner: LocalDurableTestRunner | CloudDurableTestRunner

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        mark(cls)
        cls.__durable_ready = False
        cls.__cloud = None

    if not TYPE_CHECKING:  # type checkers would take it that anything may be set, and that anything may be made

        def __new__(cls, *args, **kwargs):  # noqa: ARG004 - TestCase takes them
            """A test; of an abstract class there are none."""
            return NoTests(cls) if cls.abstract is True else super().__new__(cls)

        def __setattr__(self, name, value):
            """Settings are the class's."""
            refuse_on_instance(type(self), name)
            super().__setattr__(name, value)

    __durable_ready = False
    __cloud: CloudSuite | None = None
    __read: Mapping[str, Any]
    """The settings as they were when the class was set up, and on an instance when its runner was made."""

    @classmethod
    def setUpClass(cls) -> None:
        """Check the configuration and set the environment up, once for the class.

        A class whose own ``setUpClass`` does not come by here gets its environment anew around each test.
        """
        with ending_class_decorators():
            cls.__prepare()
        cls.__durable_ready = True
        cls.addClassCleanup(cls.__finish)

    @classmethod
    def __prepare(cls) -> None:
        mode = mode_of(cls)
        reason = why_left_out(cls)
        if reason is not None:
            raise unittest.SkipTest(reason)
        validate(cls, DurableTestCase)
        cls.__read = values_of(cls)
        if mode is Mode.CLOUD:
            cls.__cloud = CloudSuite(cls)
        else:
            require_handler(cls, DurableTestCase)
            LocalDurableTestRunner.setup_test_environment(
                skip_time=cls.skip_time, start_time=cls.start_time, clock=cls.clock
            )

    @classmethod
    def __finish(cls) -> None:
        cls.__durable_ready = False
        if cls.__cloud is not None:
            cls.__cloud.close()
            cls.__cloud = None
        else:
            LocalDurableTestRunner.teardown_test_environment()

    @classmethod
    @contextmanager
    def __environment(cls) -> Iterator[None]:
        """The environment of the class, or one for this block."""
        if cls.__durable_ready:
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
        reason = why_left_out(type(self), method)
        if reason is not None:
            with self.__replaced(unittest.skip(reason)(method)):
                return super().run(result)
        if _is_skipped(type(self)) or _is_skipped(method):
            return super().run(result)
        began = False
        try:
            plan = plan_for(method)
            if plan is not None:
                self._durable_explore(plan, self.__why_not_explored())
            with self.__environment(), self.__open_runner(), self.__replaced(self.__watched(method)):
                began = True
                return super().run(result)
        except DurableTestError:
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
        """The runner could not be opened or closed: that is the test's error, and the next test goes on."""
        if not began:
            result.startTest(self)
        result.addError(self, sys.exc_info())
        if not began:
            result.stopTest(self)

    def debug(self) -> None:
        """Run the test without collecting the result, with a runner of its own."""
        method = self.__watched(getattr(self, self._testMethodName))
        with self.__environment(), self.__open_runner(), self.__replaced(method):
            super().debug()

    @contextmanager
    def subTest(self, msg: Any = _NO_MESSAGE, **params: Any) -> Iterator[None]:
        """As in unittest."""
        message = () if msg is _NO_MESSAGE else (msg,)
        with (
            super().subTest(*message, **params),
            self._durable_reporting(),
            self._durable_by_schedule(),
            self.__where(),
        ):
            yield

    def __watched(self, method: Callable[[], Any]) -> Callable[[], Any]:
        """The test method, a coroutine function if it is one, with everything that happens around it."""
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
                with self.__noting_unused(), naming_foreign_clocks(), self.__where():
                    value = await method()
                self.__complain()
                return value

        return awaited

    def __call(self, method: Callable[[], Any]) -> Any:
        with self._durable_reporting(), self._durable_by_schedule():
            with self.__noting_unused(), naming_foreign_clocks(), self.__where():
                value = method()
            self.__complain()
            return value

    def __complain(self) -> None:
        """A test fails that has not used a stub or a scripted answer, or has begun an assertion and claimed nothing."""
        complaint = self.runner.unused()
        if complaint is not None:
            raise self.failureException(complaint)
        self._durable_finish()
        self._durable_compare_outcomes()

    @contextmanager
    def __noting_unused(self) -> Iterator[None]:
        """To a failure an unused stub or scripted answer is a note."""
        try:
            yield
        except unittest.SkipTest:
            raise
        except Exception as error:
            with suppress(DurableTestError):  # the failure counts, whatever has become of the runner
                _add_note(error, None if self._durable_last() is None else self.runner.unused())
            raise

    @contextmanager
    def __replaced(self, method: Callable[[], Any]) -> Iterator[None]:
        """For one run the test method is another one; afterwards it is what it was, also on the instance."""
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
        """In the cloud, a failure tells where to look at the execution."""
        if type(self).__cloud is None:
            return nullcontext()
        return execution_noted(self.__last_arn)

    def __last_arn(self) -> str | None:
        last = self._durable_last()
        return None if last is None else last.arn

    def __open_runner(self) -> AbstractContextManager[object]:
        cls = type(self)
        self._durable_began()
        refuse_late_changes(cls, cls.__read, runner=False)
        self.__read = values_of(cls)
        if cls.__cloud is not None:
            self.runner = cls.__cloud.runner(self)
            return self.runner
        runner = self.runner = LocalDurableTestRunner(
            cls.handler,  # type: ignore[arg-type]
            durable_functions=cls.durable_functions,
            functions=cls.functions,
            function_name=cls.function_name,
            execution_timeout=cls.execution_timeout,
            watchdog=cls.watchdog,
            state_page_size=cls.state_page_size,
            skip_sleep=cls.skip_sleep,
            schedule=self._durable_schedule,
        )
        return closing(runner)

    # --- running ---

    def execute(self, payload: Any = None, *, name: str | None = None, tenant_id: str | None = None) -> TestResult:
        """Run the handler with a JSON-able payload until the execution ends; the arguments are those of ``start``."""
        options = {"name": name, "tenant_id": tenant_id}
        given = {key: value for key, value in options.items() if value is not None}
        return self.start(payload, **given).result()  # a subclass may have a start that knows the payload only

    def start(self, payload: Any = None, *, name: str | None = None, tenant_id: str | None = None) -> Execution:
        """Start an execution in the background; see :class:`durabletest.Execution`.

        ``name`` is the execution's name: one that was used before, with the same payload, means the same execution.
        ``tenant_id`` is the tenant for whom the function is invoked.
        """
        refuse_late_changes(type(self), self.__read, runner=True)
        return self._durable_executed(self.runner.start(payload, name=name, tenant_id=tenant_id))

    @property
    def now(self) -> datetime:
        """The virtual time of the test; in the cloud the real time."""
        return self.runner.now

    def lambda_client(self) -> Any:
        """A real Lambda client of boto3, for code under test that is given one: locally the local server answers it.

        In cloud mode it is the client that the test talks to AWS with. For a client that exists already see
        :func:`durabletest.route`.
        """
        return self.runner.lambda_client()

    def on_callback(self, name: str, *, optional: bool = False) -> CallbackScript:
        """Script who answers callbacks of that name, with what and when; see :class:`durabletest.CallbackScript`.

        An answer that no callback gets fails the test at the end, unless the script is ``optional``.
        """
        return self.runner.on_callback(name, optional=optional)

    def stub_step(self, name: str, *, optional: bool = False) -> StepStub:
        """Stub the function of the steps of that name or path; see :class:`durabletest.StepStub`.

        A stub that the test never uses fails it at the end, unless the stub is ``optional``.
        """
        return self.runner.stub_step(name, optional=optional)

    def stub_invoke(self, name: str, *, optional: bool = False) -> InvokeStub:
        """Stub a target of ``context.invoke``, registered or not; see :class:`durabletest.InvokeStub`.

        A stub that the test never uses fails it at the end, unless the stub is ``optional``.
        """
        return self.runner.stub_invoke(name, optional=optional)

    def register_durable_function(self, name: str, handler: Callable[..., Any]) -> None:
        """Register a durable target of ``context.invoke`` for this test."""
        self.runner.register_durable_function(name, handler)

    def register_function(self, name: str, handler: Callable[..., Any]) -> None:
        """Register a plain target of ``context.invoke`` for this test."""
        self.runner.register_function(name, handler)


def _add_note(error: Exception, note: str | None) -> None:
    if note is not None:
        error.add_note(f"\n{note}")


def _is_skipped(item: object) -> bool:
    """Whether ``unittest.skip`` has marked the class or method."""
    return bool(getattr(item, "__unittest_skip__", False))
