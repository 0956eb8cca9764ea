"""One test of a durable function without a test case, for any framework."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

from durabletest import endings
from durabletest.assertions import CurrentTest
from durabletest.cloud.suite import CloudSuite, execution_noted
from durabletest.configuration import Mode, mode_of
from durabletest.durable_methods import DurableMethods
from durabletest.errors import ConfigurationError
from durabletest.local.deployment import name_of
from durabletest.local.foreign_clocks import naming_foreign_clocks
from durabletest.settings import GivenSettings, local_runner, settings_from, workflow_of
from durabletest.template.selection import function_of

__unittest = True
__tracebackhide__ = True

_ENVIRONMENT = ("skip_time", "start_time", "clock")
"""The settings that local runners share: they are those of the present environment unless they are given."""


class DurableTest(DurableMethods):
    """One test of a durable function in any framework: the methods of ``DurableTestCase``, without unittest.

    Not among them are ``assertSurvivesCrashes``, ``assertDeterministic``, ``assertReplays`` and ``side_effect``: most
    run a test case again. ``runner.verify_crashes`` tries crashes.

    ``handler`` and the settings are those of :class:`durabletest.DurableTestCase`, as arguments. ``module`` is the name
    of the test's module, next to which snapshots are kept; without one it is that of the caller. ``test_id`` is what
    the names of executions in the cloud begin with.

    Use it as a context manager: a failure in the block gets a report, and a block that passes fails for stubs and
    scripted answers that were never used, and for assertions without a claim. A test of pytest gets one from the
    fixture ``durable``.
    """

    start_time: datetime
    """The time at which it began, virtual or real."""

    def __init__(
        self,
        handler: Callable[..., Any] | None = None,
        *,
        module: str | None = None,
        test_id: str | None = None,
        **settings: Unpack[GivenSettings],
    ) -> None:
        self._module = str(sys._getframe(1).f_globals["__name__"]) if module is None else module
        chosen = settings_from({"handler": handler, **settings}, "DurableTest(...)", self._module)
        self._subject = chosen.function_name if handler is None else name_of(handler)
        self._in_cloud = mode_of(chosen) is Mode.CLOUD
        self._ending = ExitStack()
        with ExitStack() as undo:
            if self._in_cloud:
                suite = CloudSuite(chosen)
                undo.callback(suite.close)
                self.runner = suite.runner(test_id or self._module, workflow_of(chosen))
            else:
                deployed = function_of(chosen)
                if deployed is None and handler is None:
                    raise ConfigurationError(
                        "there is no handler, which only the cloud can do without: give template='template.yaml', or "
                        "the function decorated with @durable_execution, like DurableTest(order_handler) or, with "
                        "pytest's fixture, durable(order_handler)"
                    )
                if handler is None:
                    self._subject = str(deployed)
                environment = {name: getattr(chosen, name) for name in _ENVIRONMENT if name in settings}
                self.runner = local_runner(chosen, deployed, **environment)
            undo.callback(self.runner.close)
            self._closing = undo.pop_all()
        self._closed = False
        self.start_time = self.runner.now

    def close(self) -> None:
        """Give everything back; executions that still run are given up. Calling it twice does no harm.

        What was closed by hand is not checked for stubs and answers that were never used.
        """
        self._closed = True
        with endings.in_suite(endings.current_suite() or self._module):
            self._closing.close()

    def __enter__(self) -> Self:
        self._ending.callback(self.close)
        self._ending.enter_context(self._checking())
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ending.__exit__(exc_type, exc, traceback)

    def __repr__(self) -> str:
        return f"<DurableTest of {self._subject}>"

    @contextmanager
    def _checking(self) -> Iterator[None]:
        with self._durable_reporting():
            with self._durable_explaining():
                yield
            self._durable_finish()

    @contextmanager
    def _durable_explaining(self) -> Iterator[None]:
        """Add to a failure what may explain it, and where to look at a deployed execution."""
        with self._durable_noting_unused(), naming_foreign_clocks(), self.__where():
            yield

    def _durable_finish(self) -> None:
        if not self._closed:
            super()._durable_finish()

    def __where(self) -> AbstractContextManager[None]:
        if not self._in_cloud:
            return nullcontext()
        return execution_noted(lambda: None if (last := self._durable_last()) is None else last.arn)

    def _durable_current(self) -> CurrentTest:
        file = getattr(sys.modules.get(self._module), "__file__", None)
        return CurrentTest(folder=None if file is None else Path(file).parent)
