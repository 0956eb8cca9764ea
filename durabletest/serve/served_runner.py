"""A runner for an event loop: its requests give futures instead of blocking the thread that makes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import datetime
from functools import partial
from typing import Any, Self, TypeVar

from durabletest import sdk
from durabletest.errors import ConfigurationError
from durabletest.local.announcement_handlers import Observer
from durabletest.local.client import ApiOperation
from durabletest.local.execution import LocalExecution
from durabletest.local.invocations import ExternalHandler, LambdaContext
from durabletest.local.runner import LocalDurableTestRunner
from durabletest.local.server.checkpoint_server import CheckpointServer
from durabletest.local.server.function_invokes import PlainInvoke
from durabletest.local.waiting import answer

AnswerT = TypeVar("AnswerT")


class ServedRunner(LocalDurableTestRunner):
    """Requests of its server as futures; none of them waits for handlers to come to rest, as a test's requests do."""

    @classmethod
    def of(cls, functions: Mapping[str, Callable[..., Any]], **settings: Any) -> Self:
        """A runner for these functions by their names; the first durable one is the handler."""
        name = next((name for name, function in functions.items() if _is_durable(function)), None)
        if name is None:
            raise ConfigurationError(
                f"none of {', '.join(functions)} is durable: serve a function decorated with @durable_execution"
            )
        runner = cls(functions[name], function_name=name, **settings)
        try:
            for other, function in functions.items():
                if other != name:
                    runner.register(other, function)
        except BaseException:
            runner.close()
            raise
        return runner

    def request(self, operation: ApiOperation, members: dict[str, Any]) -> Future[dict[str, Any]]:
        """Ask the server what a client asks of the Lambda API."""
        with self._session.use(operation.__name__):
            return self._environment.server.ask(operation, **members)

    def invoke(self, members: dict[str, Any]) -> Future[dict[str, Any] | PlainInvoke]:
        """Start an execution; see :meth:`InvokeManager.invoke_from_outside`."""
        begin, deployment = CheckpointServer.invoke_from_outside, self._deployment.number
        with self._session.use("invoke"):
            return self._environment.server.ask(begin, deployment, **members)

    def view(self, arn: str) -> LocalExecution:
        """One execution, for threads that may wait."""
        return LocalExecution(arn, self._session)

    @property
    def names(self) -> list[str]:
        """The names of the durable functions: the handler's, then the others."""
        return [self._function_name, *self._deployment.durable_functions]

    def executions(self) -> Future[list[str]]:
        """The ARNs of all executions, in the order in which they started."""
        with self._session.use():
            return self._environment.server.ask(CheckpointServer.executions_of, self._deployment.number)

    def plain_call(self, invoke: PlainInvoke, request_id: str) -> tuple[Callable[..., Any], LambdaContext]:
        """The plain function that an ``Invoke`` names, and its context."""
        now = self._environment.clock.now
        context = LambdaContext(
            request_id, invoke.spec.name, invoke.spec.version, now, now(), tenant_id=invoke.tenant_id
        )
        return self._deployment.functions[invoke.function], context

    def request_id(self) -> Future[str]:
        """A new request id, for one call of a plain function."""
        return self._environment.server.ask(CheckpointServer.request_id)

    def register(self, name: str, function: Callable[..., Any]) -> None:
        """Register a function as durable if it is decorated with ``@durable_execution``, else as a plain one.

        A handler in another process is durable.
        """
        register = self.register_durable_function if _is_durable(function) else self.register_function
        register(name, function)

    def failure(self, arn: str) -> Exception | None:
        """The error with which the run of an execution was given up, if it was."""
        try:
            self._environment.orchestrator.raise_if_aborted(arn)
        except Exception as error:
            return error
        return None

    # --- time and news ---

    @property
    def observers(self) -> list[Observer]:
        """Those who are told, by the thread in charge of the server, of each change and end of an execution."""
        return self._environment.orchestrator.announcement_handlers.observers

    def next_due(self) -> Future[datetime | None]:
        """When the earliest timer is due, once everything has come to rest."""
        with self._session.use():
            return self._environment.orchestrator.next_due()

    def move_time(self, unless: Callable[[CheckpointServer], bool] = lambda _: False) -> Future[bool]:
        """Once everything has come to rest, let virtual time pass until a timer is due; tell whether there was one.

        It stands still if ``unless`` says so, which is asked at that moment.
        """
        orchestrator, moved = self._environment.orchestrator, Future[bool]()
        moved.set_running_or_notify_cancel()  # an event loop that stops waiting for it must not cancel it

        def begin(server: CheckpointServer) -> None:
            virtual_time = orchestrator.virtual_time
            assert virtual_time is not None, "what is served runs in virtual time"
            move = lambda: not unless(server) and virtual_time.move()  # noqa: E731
            orchestrator.at_rest.append(partial(answer, moved, move))

        def fail(begun: Future[None]) -> None:
            if (error := begun.exception()) is not None:
                moved.set_exception(error)

        with self._session.use():
            self._environment.server.ask(begin).add_done_callback(fail)
        return moved

    def move_time_to(self, instant: datetime) -> Future[None]:
        """Let virtual time pass until that instant; timers fire on the way."""
        reached = Future[None]()
        reached.set_running_or_notify_cancel()

        def settle(waited: Future[None]) -> None:
            if (error := waited.exception()) is not None:
                reached.set_exception(error)
            else:
                reached.set_result(None)

        with self._session.use():
            wait = self._environment.orchestrator.wait(self._deployment, None, until=instant)
        wait.future.add_done_callback(settle)
        return reached


def _is_durable(function: Callable[..., Any]) -> bool:
    return isinstance(function, ExternalHandler) or sdk.is_durable(function)
