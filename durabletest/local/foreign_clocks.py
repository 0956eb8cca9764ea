"""Clocks of other tools, under which virtual time cannot move, and the errors that say where they were begun.

freezegun and time-machine each keep a stack of clocks, of which the last one is shown.
"""

from __future__ import annotations

import contextlib
import sys
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from os import sep
from pathlib import Path
from traceback import walk_stack, walk_tb
from types import FrameType
from typing import Any

import freezegun.api

from durabletest.errors import ForeignClockError
from durabletest.patches import Patches

_FREEZE_TIME, _TRAVEL = "freezegun's freeze_time", "time-machine's travel"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OURS = f"{Path(__file__).parents[1]}{sep}"


def _folder_of(package: str) -> tuple[str, ...]:
    spec = find_spec(package)
    return () if spec is None or spec.origin is None else (f"{Path(spec.origin).parent}{sep}",)


TOOLS = (*_folder_of("freezegun"), *_folder_of("time_machine"))
"""The folders with the code of the tools."""
_BETWEEN = (_OURS, str(Path(contextlib.__file__)))


def travellers() -> list[Any]:
    """The clocks of time-machine, which has named this list in two ways."""
    time_machine = sys.modules.get("time_machine")
    stack: list[Any] = getattr(time_machine, "traveller_stack", None) or getattr(time_machine, "coordinates_stack", [])
    return stack


@dataclass(frozen=True, slots=True)
class Begun:
    """A ``clock`` on one of the stacks, what will ``stop`` it, and where it was begun."""

    clock: Any
    stop: Callable[[], None]
    where: str


class ClockDriver(ABC):
    """Shows virtual time to this process, and refuses the clocks of other tools meanwhile.

    ``before_reading`` is called in every thread that reads the virtual time.
    """

    def __init__(self, before_reading: Callable[[], None]) -> None:
        self._before_reading = before_reading
        self._now = _EPOCH
        self._own: Any = None
        """The clock on the stack of its tool that is ours."""
        self._begun: list[Begun] = []
        self._patches = Patches()

    @abstractmethod
    def _begin(self, instant: datetime) -> None:
        """Put a clock that shows that instant on a stack: ``self._own``."""

    @abstractmethod
    def _show(self, instant: datetime) -> None:
        """Have the clock show another instant."""

    @abstractmethod
    def _end(self) -> None:
        """Take the clock off its stack, with those on top of it."""

    def start(self, instant: datetime) -> None:
        """Show that instant from now on; raises :class:`ForeignClockError` if another tool holds a clock."""
        self.check()
        self._begin(instant)
        self._now = instant
        # Neither tool tells of a clock that is begun; all of their forms (call, context manager, decorators) end here.
        # Checked with freezegun 1.5.5 and time-machine 3.6.0.
        self._patches.wrap(freezegun.api._freeze_time, "start", self._patched_start)
        time_machine: Any = sys.modules.get("time_machine")
        if time_machine is not None:
            self._patches.wrap(time_machine.travel, "start", self._patched_start)

    def move_to(self, instant: datetime) -> None:
        """Show another instant; raises as ``check`` does."""
        self.check()
        self._show(instant)
        if instant < self._now:
            _begin_time_based_identifiers_again()
        self._now = instant

    def check(self) -> None:
        """Raise :class:`ForeignClockError` unless the clock that is shown is our own, or the real one."""
        complaint = self._complaint()
        if complaint is not None:
            raise ForeignClockError(complaint)

    def stop(self) -> None:
        """Give the real time back; a clock that was left active on top of this one is stopped, and then raised for."""
        left_active = self._complaint()
        self._end()
        self._patches.undo()
        self._begun.clear()
        if left_active is not None:
            raise ForeignClockError(f"it was not stopped again: {left_active}")

    def _complaint(self) -> str | None:
        """The text about a clock that is in the way: its tool, where it was begun, and the remedy; None without one."""
        for tool, stack, shown in (
            (_FREEZE_TIME, freezegun.api.freeze_factories, _shown_by_freezegun),
            (_TRAVEL, travellers(), _shown_by_time_machine),
        ):
            if stack and stack[-1] is not self._own:
                clock = stack[-1]
                where = next((begun.where for begun in self._begun if begun.clock is clock), _decorator_on_the_stack())
                return advice(tool, f" It shows {shown(clock)}, and was begun {where}.")
        return None

    def _end_frozen(self) -> None:
        """End all clocks of freezegun that were begun meanwhile."""
        for begun in reversed(self._begun):
            _stop_if_frozen(begun.stop, begun.clock)

    def _patched_start(self, original: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def start(holder: Any) -> Any:
            clock = original(holder)
            self._begun.append(Begun(clock, holder.stop, _begun_where(sys._getframe(1))))
            return clock

        return start


_LAST_IDENTIFIERS = ("_last_timestamp", "_last_timestamp_v6", "_last_timestamp_v7")


def _begin_time_based_identifiers_again() -> None:
    """Time has gone back: the next identifier is of that time, not of a moment after the last one."""
    for name in _LAST_IDENTIFIERS:
        if hasattr(uuid, name):
            setattr(uuid, name, None)


@contextmanager
def ending_class_decorators() -> Iterator[None]:
    """freezegun's decorator of a class does not end its clock if ``setUpClass`` fails: a class cleanup does then."""
    try:
        yield
    except BaseException:
        frames = (f.f_locals for f, _ in walk_stack(sys._getframe(1)) if f.f_code.co_filename.startswith(TOOLS[0]))
        decorators = (names for names in frames if "orig_setUpClass" in names and "cls" in names)
        for names, factory in zip(decorators, reversed(freezegun.api.freeze_factories), strict=False):
            names["cls"].addClassCleanup(_stop_if_frozen, names["self"].stop, factory)
        raise


def _stop_if_frozen(stop: Callable[[], None], factory: Any) -> None:
    if any(one is factory for one in freezegun.api.freeze_factories):
        stop()


@contextmanager
def naming_foreign_clocks() -> Iterator[None]:
    """Raise :class:`ForeignClockError` where time-machine refuses to start while time is frozen."""
    try:
        yield
    except RuntimeError as error:
        if str(error).startswith("time-machine cannot start"):
            *_, (frame, _) = walk_tb(error.__traceback__)
            raise ForeignClockError(advice(_TRAVEL, f" It was begun {_begun_where(frame)}.")) from error
        raise


def advice(tool: str, details: str = "") -> str:
    return (
        f"{tool} is active, and virtual time cannot move under it.{details} Leave it out: set start_time on the test "
        "class (or in setup_test_environment) to choose the time at which a test begins, and let waits, "
        "on_callback(...).succeed(..., after=...) or execution.advance(...) move it"
    )


def _shown_by_freezegun(factory: Any) -> str:
    return f"{factory.time_to_freeze:%Y-%m-%d %H:%M:%S}"


def _shown_by_time_machine(traveller: Any) -> str:
    return f"{_EPOCH + timedelta(microseconds=traveller.time_ns() // 1000):%Y-%m-%d %H:%M:%S}"


def _begun_where(frame: FrameType) -> str:
    for caller, _ in walk_stack(frame):
        file = caller.f_code.co_filename
        if file.startswith(TOOLS):
            decorated = _decorated(caller)
            if decorated is not None:
                return f"by its decorator on {decorated}"
        elif not file.startswith(_BETWEEN):
            return f"in {caller.f_code.co_qualname} ({file}, line {caller.f_lineno})"
    raise AssertionError("a clock is begun by a call")


def _decorator_on_the_stack() -> str:
    tools = (frame for frame, _ in walk_stack(sys._getframe(1)) if frame.f_code.co_filename.startswith(TOOLS))
    decorated = next(filter(None, map(_decorated, tools)), None)
    if decorated is None:
        return "before virtual time was, perhaps by a test that has not ended it"
    return f"by its decorator on {decorated}"


def _decorated(frame: FrameType) -> str | None:
    """The class or function whose decorator this frame of a tool belongs to."""
    names = frame.f_locals
    if "orig_setUpClass" in names:
        decorated = names["cls"]
    elif "orig_setUp" in names:
        decorated = type(names["args"][0])
    else:
        decorated = next((names[name] for name in ("func", "wrapped", "coroutine") if name in names), None)
    return None if decorated is None else decorated.__qualname__
