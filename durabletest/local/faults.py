"""Faults put into an execution at one of its checkpoints, steps or state reads, which are numbered in decided order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
from threading import Lock
from typing import Any, TypeAlias

from botocore.exceptions import ClientError

from durabletest.errors import UsageError
from durabletest.local.process_exit import InvocationTimedOut
from durabletest.local.schedules import enumerated
from durabletest.local.server.service_model import modelled_error
from durabletest.model.history import word_for
from durabletest.model.lookup import nearest
from durabletest.model.records import Injected
from durabletest.sdk_operations import running_step

_KILLED = 137
"""The exit status of a process that was killed (128 + SIGKILL)."""
_CHECKPOINT = "CheckpointDurableExecution"
_NAMED = 4
"""The most operations of a checkpoint that are named for one verb."""
_VERBS = {"START": "began", "SUCCEED": "completed", "FAIL": "failed", "RETRY": "scheduled a retry of"}


class Fault(StrEnum):
    """A fault, by the word that tests write."""

    REQUEST_LOST = "request lost"
    """The process ends before the server has seen a checkpoint."""
    ANSWER_LOST = "answer lost"
    """The process ends after the server has applied a checkpoint, and before its answer has come."""
    THROTTLED = "throttled"
    """A checkpoint is refused with TooManyRequestsException."""
    SERVICE_ERROR = "service error"
    """A checkpoint is refused with ServiceException."""
    KILLED = "killed"
    """The process ends after the function of a step has run, and before its result is sent."""
    TIMED_OUT = "timed out"
    """The invocation times out in a step whose function has not had any effect yet."""
    STATE_READ = "state read"
    """A request for the next page of the state is refused with ServiceException."""


class Place(StrEnum):
    """The kind of a point; each kind is numbered by itself, from 1."""

    CHECKPOINT = "checkpoint"
    STEP = "step"
    STATE_READ = "state read"


_FAULTS = {
    Fault.REQUEST_LOST: (Place.CHECKPOINT, "request lost before {}"),
    Fault.ANSWER_LOST: (Place.CHECKPOINT, "answer lost after {}"),
    Fault.THROTTLED: (Place.CHECKPOINT, "throttled at {}"),
    Fault.SERVICE_ERROR: (Place.CHECKPOINT, "service error at {}"),
    Fault.KILLED: (Place.STEP, "process killed in {}, after its function had run"),
    Fault.TIMED_OUT: (Place.STEP, "invocation timed out in {}, before its function had an effect"),
    Fault.STATE_READ: (Place.STATE_READ, "{} failed"),
}
PLACES: Mapping[Fault, Place] = {fault: place for fault, (place, _) in _FAULTS.items()}


@dataclass(frozen=True, slots=True)
class Point:
    """A place in a run at which a fault can happen, in words; ``paths`` are those of the operations it is about."""

    place: Place
    number: int
    words: str
    paths: tuple[str, ...] = ()

    def is_about(self, path: str) -> bool:
        """Whether it is about the operation of that name or path, or about one inside it."""
        return any(f"/{path}/" in f"/{own}/" for own in self.paths)


@dataclass(frozen=True, slots=True)
class Injection:
    """One fault at one point."""

    fault: Fault
    number: int

    def __str__(self) -> str:
        """The text that stands for it in ``faults=``: ``answer lost 7``."""
        return f"{self.fault} {self.number}"

    def at(self, point: Point) -> str:
        return _FAULTS[self.fault][1].format(point.words)


JOINT = " + "
"""Stands between the faults that come into one run, one after the other."""


def refusal(fault: str) -> ClientError:
    """The error of the service for a checkpoint that is throttled, or fails."""
    if fault == Fault.THROTTLED:
        return modelled_error("TooManyRequestsException", "Rate exceeded", _CHECKPOINT)
    return modelled_error("ServiceException", "An internal error occurred", _CHECKPOINT)


def read_fault(text: object) -> tuple[Fault, int | None]:
    """The fault that a text means, and the number of its point; None for all points."""
    match = re.fullmatch(r"(.+?)(?: (\d+))?", text) if isinstance(text, str) else None
    known = [fault.value for fault in Fault]
    if match is None or match[1] not in known:
        close = nearest(match[1], known) if match is not None else ""
        raise UsageError(
            f"faults={text!r}{close}: give some of {', '.join(map(repr, known))}, with the number of a point or without"
        )
    return Fault(match[1]), None if match[2] is None else int(match[2])


def read_injections(text: object) -> tuple[Injection, ...]:
    """The faults of one run that a text means, in their order: ``"answer lost 3 + killed 5"``."""
    injections = []
    for part in text.split(JOINT) if isinstance(text, str) else [text]:
        fault, number = read_fault(part)
        if number is None:
            raise UsageError(f"{part!r} does not say where: give the number of a point, {f'{part} 1'!r} for example")
        injections.append(Injection(fault, number))
    return tuple(injections)


_Told: TypeAlias = Callable[[], tuple[str, tuple[str, ...]]]
"""Puts a point into words, and gives the paths of the operations that it is about."""
Respond: TypeAlias = Callable[[int], Callable[..., Any] | None]
"""The response of a step's stub to an attempt; None if the step's own function has to run."""


@dataclass(frozen=True, slots=True)
class StepRun:
    """One run of a step's function: the step by its operation's id and its path, and the attempt."""

    operation_id: str
    path: str
    attempt: int
    at_most_once: bool


@dataclass(slots=True, eq=False)
class FaultInjector:
    """Numbers the points of one run, and puts faults into it, one after the other.

    ``crash`` ends the running invocation by an exception. ``steps`` are the runs of steps' functions, and ``met`` are
    the points at which faults have come, in the order of ``injections``. ``keeps_logs`` says whether what is logged can
    be read afterwards. ``now`` tells the time of the environment.
    """

    crash: Callable[[BaseException], None]
    injections: Sequence[Injection] = ()
    keeps_logs: bool = True
    now: Callable[[], datetime] | None = None
    steps: list[StepRun] = field(default_factory=list)
    met: list[Point] = field(default_factory=list)
    _met_at: list[datetime | None] = field(default_factory=list)
    _arrivals: list[tuple[Place, int, _Told]] = field(default_factory=list)
    _numbers: Counter[Place] = field(default_factory=Counter)
    _names: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    _stubs: dict[tuple[str, int], Callable[..., Any] | None] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    @property
    def points(self) -> list[Point]:
        """The points that were met, in their order; they are put into words only here, as few runs need it."""
        return [Point(place, number, *told()) for place, number, told in self._arrivals]

    @property
    def happened(self) -> bool:
        """Whether all faults have come; False if there are none."""
        return bool(self.met) and len(self.met) == len(self.injections)

    def injected(self) -> list[Injected]:
        """The faults in words, those that have not come at the end."""
        came = zip(self.injections, self.met, self._met_at, strict=False)
        told = [Injected(f"{injection.at(point)} ({str(injection)!r})", at) for injection, point, at in came]
        return told + [Injected(f"{str(late)!r}, which has not come") for late in self.injections[len(self.met) :]]

    def checkpoint(self, send: Callable[..., dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
        """Send a checkpoint, or have the fault happen in its place or after it."""
        updates = request.get("Updates", ())
        for update in updates:
            if update["Type"] != "EXECUTION":
                self._names.setdefault(update["Id"], (update.get("Name"), update.get("ParentId")))
        match self._arrive(Place.CHECKPOINT, partial(self._told, updates)):
            case Fault.REQUEST_LOST:
                raise self._gone()
            case Fault.ANSWER_LOST:
                send(**request)
                raise self._gone()
            case Fault.THROTTLED | Fault.SERVICE_ERROR as fault:
                raise refusal(fault)
        return send(**request)

    def state_read(self, send: Callable[..., dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
        """Read a page of the state, unless that is where the fault happens."""
        words = f"state read {self._numbers[Place.STATE_READ] + 1}"
        if self._arrive(Place.STATE_READ, lambda: (words, ())) is not None:
            raise modelled_error("ServiceException", "An internal error occurred", "GetDurableExecutionState")
        return send(**request)

    def around(self, path: str, function: Callable[..., Any], stubbed: Respond) -> Callable[..., Any]:
        """The function of a step, which is about to run, with the fault in it if that is where it happens.

        An attempt that runs again after a crash gets the response of its stub again.
        """
        here = running_step()
        operation_id, at_most_once = ("", False) if here is None else (here.operation_id, here.at_most_once)

        def run(*arguments: Any) -> Any:
            step = StepRun(operation_id, path, arguments[-1].attempt, at_most_once)
            self.steps.append(step)
            fault = self._arrive(Place.STEP, lambda: (f"step {path!r}" if path else "an unnamed step", (path,)))
            if fault is Fault.TIMED_OUT:
                raise self._ended(InvocationTimedOut())
            if (operation_id, step.attempt) not in self._stubs:
                self._stubs[operation_id, step.attempt] = stubbed(step.attempt)
            try:
                return (self._stubs[operation_id, step.attempt] or function)(*arguments)
            finally:
                if fault is Fault.KILLED:
                    raise self._ended(SystemExit(_KILLED))

        return run

    def _arrive(self, place: Place, told: _Told) -> Fault | None:
        """A point is met: the fault that happens there, if one does."""
        with self._lock:
            self._numbers[place] += 1
            number = self._numbers[place]
            self._arrivals.append((place, number, told))
            if len(self.met) == len(self.injections):
                return None
            wanted = self.injections[len(self.met)]
            if PLACES[wanted.fault] is not place or wanted.number != number:
                return None
            self.met.append(Point(place, number, *told()))
            self._met_at.append(None if self.now is None else self.now())
            return wanted.fault

    def _ended(self, error: BaseException) -> BaseException:
        self.crash(error)
        return error

    def judged(self, arn: str, answer: Mapping[str, Any]) -> Mapping[str, Any] | None:  # noqa: ARG002 - for subclasses
        """What takes the place of an invocation's answer; None holds it back, so that another invocation replays."""
        return answer

    def _gone(self, error: BaseException | None = None) -> ClientError:
        """The process has ended: what its checkpoint thread is told, as an exit there would leave others waiting."""
        self.crash(error or SystemExit(_KILLED))
        return modelled_error("InvalidParameterValueException", "Invalid checkpoint token", _CHECKPOINT)

    def _told(self, updates: Iterable[Mapping[str, Any]]) -> tuple[str, tuple[str, ...]]:
        """A checkpoint in words, and the paths of its operations; an operation that began and ended is told once."""
        doings: dict[str, tuple[str, str]] = {}
        for update in updates:
            if update["Type"] == "EXECUTION":
                doings[update["Id"]] = "ended", "the execution"
                continue
            path = self._path(update["Id"])
            word, action = word_for(update.get("SubType"), update["Type"]), str(update["Action"])
            title = f"{word} {path!r}" if update.get("Name") else f"an unnamed {word}"
            doings[update["Id"]] = _VERBS.get(action) or action.lower(), title
        if not doings:
            return "a checkpoint that asked for news", ()
        by_verb: dict[str, list[str]] = {}
        for verb, title in doings.values():
            by_verb.setdefault(verb, []).append(title)
        told = " and ".join(f"{verb} {enumerated(titles, _NAMED)}" for verb, titles in by_verb.items())
        return f"the checkpoint that {told}", tuple(self._path(one) for one in doings if one in self._names)

    def _path(self, operation_id: str | None) -> str:
        names: list[str] = []
        while operation_id in self._names:
            name, operation_id = self._names[operation_id]
            names += [name] if name else []
        return "/".join(reversed(names))
