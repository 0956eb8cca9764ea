"""The right to use something until it is taken back, and nobody is in the middle of a use when it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock

from durabletest.errors import RunnerClosedError


class Lease:
    """Handles, clients and waits hold one. Once it has ended, each use raises a new exception that says why.

    A request that is sent ``with lease.use()`` is in the inbox of its receiver before the lease can end, so that it
    can never mean something that has the same name afterwards: executions of the next test have the ARNs of this one.
    The block must not wait for handlers, which may use the lease, too.
    In a forked child the leases of the parent are over.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._process = os.getpid()
        self._refusal: Callable[[str], Exception] | None = None

    @contextmanager
    def use(self, purpose: str = "") -> Iterator[None]:
        """For the block the lease goes on, or this raises."""
        self._check_process()
        with self._lock:
            if self._refusal is not None:
                raise self._refusal(purpose)
            yield

    def end(self, refusal: Callable[[str], Exception]) -> None:
        """Every later use raises what ``refusal`` makes of its purpose; the first end counts."""
        with self._lock:
            self._refusal = self._refusal or refusal

    @property
    def inherited(self) -> bool:
        """Whether this is another process than the one in which the lease began."""
        return os.getpid() != self._process

    def _check_process(self) -> None:
        if self.inherited:
            raise RunnerClosedError(
                f"this runner was made in process {self._process}, of which this process ({os.getpid()}) is a forked "
                "child: the threads that run executions are not in it; make a new runner here"
            )
