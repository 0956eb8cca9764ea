"""All stubs of one runner, and where they are found."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock

from durabletest.checkpoint_stubs import CheckpointStub
from durabletest.errors import UsageError
from durabletest.stubs import InvokeStub, StepStub


class StubRegistry:
    """The stubs of one runner: of steps by name or path, of functions by name, of checkpoints.

    Any thread may add and look up: handlers run in other threads than the test, which may stub after ``start``.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._steps: dict[str, StepStub] = {}
        self._invokes: dict[str, InvokeStub] = {}
        self.checkpoints: CheckpointStub | None = None

    def stub_step(self, name: str, optional: bool = False) -> StepStub:
        """The stub of that name; a new one if there is none."""
        _check_name(name, "stub_step", "the name of a step, or a path like 'order/charge'")
        with self._lock:
            stub = self._steps.setdefault(name, StepStub(name))
        stub.optional = optional
        return stub

    def stub_invoke(self, name: str, optional: bool = False) -> InvokeStub:
        """The stub of that function; a new one if there is none."""
        _check_name(name, "stub_invoke", "the name of a function, as the workflow invokes it")
        with self._lock:
            stub = self._invokes.setdefault(name, InvokeStub(name))
        stub.optional = optional
        return stub

    def stub_checkpoints(self, optional: bool = False) -> CheckpointStub:
        """The stub of checkpoints; a new one if there is none."""
        with self._lock:
            stub = self.checkpoints = self.checkpoints or CheckpointStub()
        stub.optional = optional
        return stub

    @property
    def steps(self) -> Mapping[str, StepStub]:
        """A copy of the stubs of steps."""
        with self._lock:
            return dict(self._steps)

    @property
    def invokes(self) -> Mapping[str, InvokeStub]:
        """A copy of the stubs of functions."""
        with self._lock:
            return dict(self._invokes)

    @property
    def has_steps(self) -> bool:
        """Whether there is a stub of a step; this is asked for every step that runs."""
        return bool(self._steps)

    def for_step(self, path: str) -> StepStub | None:
        """The stub for the step at this full path; the longest of several names and paths that match."""
        parts = path.split("/")
        tails = ("/".join(parts[first:]) for first in range(len(parts)))
        return next((stub for tail in tails if (stub := self._steps.get(tail)) is not None), None)

    def all(self) -> list[StepStub | InvokeStub | CheckpointStub]:
        checkpoints = [] if self.checkpoints is None else [self.checkpoints]
        return [*self.steps.values(), *self.invokes.values(), *checkpoints]

    def rewind(self) -> None:
        for stub in self.all():
            stub.rewind()

    def clear(self) -> None:
        with self._lock:
            self._steps.clear()
            self._invokes.clear()
            self.checkpoints = None


def _check_name(name: object, method: str, what: str) -> None:
    if not isinstance(name, str) or not name:
        raise UsageError(f"{method}({name!r}): give {what}")
