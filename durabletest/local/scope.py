"""What belongs to one runner: its handler, the functions it registered, its scripts."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from durabletest import sdk
from durabletest.local.lease import Lease
from durabletest.local.maker import Maker
from durabletest.local.schedules import Schedule
from durabletest.local.server.checkpoint_server import CheckpointServer
from durabletest.local.server.naming import FunctionSpec
from durabletest.local.server.worker import CheckpointWorkerManager
from durabletest.scripts import ScriptRegistry
from durabletest.stubs import StubRegistry

_NO_WATCHDOG = 30.0
"""Real seconds, while no runner is open that says otherwise."""


@dataclass(slots=True, eq=False)
class RunnerScope:
    """``number`` tells the server whose executions and functions are meant; ``watchdog`` is in real seconds.

    With ``skip_sleep``, ``time.sleep`` in handler code passes in virtual time. ``schedule`` decides the order in which
    its threads go on, None being the default one. The ``lease`` is that of the executions: it ends with the next reset,
    or with the runner. ``own`` is the handler's function, and ``page_size``
    the number of operations in a page of the state of executions that are started by ``invoke``.
    """

    number: int
    handler: Callable[..., Any]
    watchdog: float
    maker: Maker
    own: FunctionSpec
    page_size: int | None
    skip_sleep: bool = False
    schedule: Schedule | None = None
    lease: Lease = field(default_factory=Lease)
    durable_functions: dict[str, Callable[..., Any]] = field(default_factory=dict)
    functions: dict[str, Callable[..., Any]] = field(default_factory=dict)
    scripts: ScriptRegistry = field(default_factory=ScriptRegistry)
    stubs: StubRegistry = field(default_factory=StubRegistry)

    def handler_of(self, target: str | None) -> Callable[..., Any]:
        """The runner's own handler, or the durable function that was registered by that name."""
        return self.handler if target is None else self.durable_functions[target]

    def __str__(self) -> str:
        return f"the runner for {name_of(self.handler)}, made {self.maker}"


class Scopes:
    """The runners of an environment, by their number."""

    def __init__(self, server: CheckpointWorkerManager) -> None:
        self._server = server
        self._by_number: dict[int, RunnerScope] = {}
        self._numbers: dict[str, int] = {}

    def add(self, scope: RunnerScope) -> None:
        """A runner has been opened."""
        self._by_number[scope.number] = scope

    def remove(self, number: int) -> None:
        """A runner has been closed."""
        self._by_number.pop(number, None)

    def of(self, arn: str) -> RunnerScope | None:
        """The runner whose execution this is, or whose execution invoked it; None if it has been closed or reset."""
        number = self._numbers.get(arn)
        if number is None:
            number = self._server.call(CheckpointServer.deployment_of, arn)
            if number is None:
                return None
            self._numbers[arn] = number
        return self._by_number.get(number)

    def forget(self, arn: str) -> None:
        """The execution is given up, and its ARN may be given out again."""
        self._numbers.pop(arn, None)

    def shortest_watchdog(self) -> float:
        """The shortest watchdog of all open runners, in seconds."""
        return min((scope.watchdog for scope in self._by_number.values()), default=_NO_WATCHDOG)


def name_of(handler: object) -> str:
    """How messages speak of a handler."""
    name = getattr(sdk.decorated(handler), "__qualname__", None)
    if name is not None:
        return str(name)
    inner = getattr(handler, "func", None)
    return name_of(inner) if inner is not None else type(handler).__qualname__


def module_of(handler: object) -> str:
    """The name of the module that a handler comes from."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    return str(sdk.decorated(handler).__module__)
