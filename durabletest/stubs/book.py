"""The stubs of one runner."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock

from durabletest.errors import UsageError
from durabletest.stubs.invokes import InvokeStub
from durabletest.stubs.steps import StepStub


class StubBook:
    """The stubs of steps by name or path, and those of chained invokes by their function's name.

    Any thread may add and look: handlers run in other threads than the test, which may stub after ``start``.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._steps: dict[str, StepStub] = {}
        self._invokes: dict[str, InvokeStub] = {}

    def stub_step(self, name: str, optional: bool = False) -> StepStub:
        """The stub of that name, new or begun."""
        _check_name(name, "stub_step", "the name of a step, or a path like 'order/charge'")
        with self._lock:
            stub = self._steps.setdefault(name, StepStub(name))
        stub.optional = optional
        return stub

    def stub_invoke(self, name: str, optional: bool = False) -> InvokeStub:
        """The stub of that function, new or begun."""
        _check_name(name, "stub_invoke", "the name of a function, as the workflow invokes it")
        with self._lock:
            stub = self._invokes.setdefault(name, InvokeStub(name))
        stub.optional = optional
        return stub

    @property
    def steps(self) -> Mapping[str, StepStub]:
        """The stubs of steps, as they are at this moment."""
        with self._lock:
            return dict(self._steps)

    @property
    def invokes(self) -> Mapping[str, InvokeStub]:
        """The stubs of chained invokes, as they are at this moment."""
        with self._lock:
            return dict(self._invokes)

    @property
    def has_steps(self) -> bool:
        """Whether there is a stub of a step; asked for every step that runs."""
        return bool(self._steps)

    def for_step(self, path: str) -> StepStub | None:
        """The stub for the step at this full path; of several that match the most exact one."""
        parts = path.split("/")
        tails = ("/".join(parts[first:]) for first in range(len(parts)))
        return next((stub for tail in tails if (stub := self._steps.get(tail)) is not None), None)

    def clear(self) -> None:
        """Forget every stub."""
        with self._lock:
            self._steps.clear()
            self._invokes.clear()


def _check_name(name: object, method: str, what: str) -> None:
    if not isinstance(name, str) or not name:
        raise UsageError(f"{method}({name!r}): give {what}")
