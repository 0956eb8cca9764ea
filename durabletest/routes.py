"""Routes of boto3 clients that the code under test holds: to the runner that is open, until they are closed."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from durabletest.errors import UsageError


class Route:
    """A boto3 client whose requests a runner answers until ``close``, which may be called twice.

    As a context manager it returns the client, and closes itself at the end.
    """

    def __init__(self, client: Any, undo: Callable[[], None]) -> None:
        self._client = client
        self._undo: Callable[[], None] | None = undo

    @property
    def client(self) -> Any:
        """The routed client."""
        return self._client

    def close(self) -> None:
        """Send the client's requests to AWS again."""
        undo, self._undo = self._undo, None
        if undo is not None:
            undo()

    def __enter__(self) -> Any:
        return self._client

    def __exit__(self, *_: object) -> None:
        self.close()


class RoutingRunner(Protocol):
    """A runner that clients can be routed to."""

    def route(self, client: Any) -> Route:
        """Have this runner answer a Lambda client of boto3."""
        ...


_open: WeakKeyDictionary[RoutingRunner, None] = WeakKeyDictionary()
"""The open runners, in order; a runner that is garbage-collected without having been closed is removed."""


def opened(runner: RoutingRunner) -> None:
    """Let ``route`` find this runner."""
    _open[runner] = None


def closed(runner: RoutingRunner) -> None:
    """Let ``route`` find this runner no more."""
    _open.pop(runner, None)


def open_runners() -> list[Any]:
    """The runners that are open, in the order in which they were opened."""
    return list(_open)


def route(client: Any) -> Route:
    """Have a Lambda client of boto3 answered by the local server, until the route or the runner is closed.

    ``client`` exists already, for example as a global of the code under test. Boto3 serialises, validates and parses
    its requests as always; they need neither network nor credentials. The executions are those of the open runner,
    which in a test of ``DurableTestCase`` is the test's own. In cloud mode the client is not changed, as the real
    service has the deployed functions.
    """
    runners = open_runners()
    if len(runners) == 1:
        found: Route = runners[0].route(client)
        return found
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
    os.register_at_fork(after_in_child=_open.clear)  # the threads that answer are the parent's
