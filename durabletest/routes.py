"""Clients of boto3 that the code under test holds: pointed at whatever the tests run against, for a while."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol
from weakref import ReferenceType, ref

from durabletest.errors import UsageError


class Route:
    """A client of boto3 on its way to another place; ``close`` puts it back, and calling it twice does no harm.

    As a context manager it gives the client, and closes itself at the end.
    """

    def __init__(self, client: Any, undo: Callable[[], None]) -> None:
        self._client = client
        self._undo: Callable[[], None] | None = undo

    @property
    def client(self) -> Any:
        """The client that is routed."""
        return self._client

    def close(self) -> None:
        """Let the client talk to AWS again."""
        undo, self._undo = self._undo, None
        if undo is not None:
            undo()

    def __enter__(self) -> Any:
        return self._client

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class Routing(Protocol):
    """A runner that clients can be routed to."""

    def route(self, client: Any) -> Route:
        """Route a Lambda client of boto3 to where this runner's executions are."""
        ...


_open: list[ReferenceType[Routing]] = []
"""A runner that was dropped without having been closed is no more in the way."""


def opened(runner: Routing) -> None:
    """From now on ``route`` finds this runner."""
    _open.append(ref(runner, _open.remove))


def closed(runner: Routing) -> None:
    """From now on it does not."""
    reference = ref(runner)
    if reference in _open:
        _open.remove(reference)


def route(client: Any) -> Route:
    """Have a Lambda client of boto3 answered by the local server, until the route or the runner is closed.

    ``client`` is one that exists already, a global of the code under test for example; its requests are serialised,
    validated and parsed by boto3 as ever, and need neither network nor credentials. The executions are those of the
    runner that is open: within a test of ``DurableTestCase`` that is the test's own. In cloud mode the client stays as
    it is, since the deployed functions are the real service's.
    """
    runners = [runner for reference in list(_open) if (runner := reference()) is not None]
    if len(runners) == 1:
        return runners[0].route(client)
    if not runners:
        raise UsageError(
            "route(client) needs an open runner: call it in setUp or in a test of a DurableTestCase, or within the "
            "with block of a runner"
        )
    raise UsageError(
        f"route(client) could mean each of {len(runners)} open runners: write runner.route(client) with the one you "
        "mean"
    )


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open.clear)
    """The threads that could answer are not in a forked child."""
