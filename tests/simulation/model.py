"""What a workflow must do: its outcome, and every event at its exact virtual second.

Knows nothing of durabletest or of the SDK. A branch is simulated to its end as if it were alone; what it does after its
``parallel`` is complete is then struck out, except for timers that were armed before: those are still due.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, assert_never

from tests.simulation.workflows import (
    Action,
    Body,
    Callback,
    Caught,
    Child,
    Invoke,
    Parallel,
    Policy,
    Retry,
    Step,
    Wait,
)

RETRY_DUE = "RetryDue"


@dataclass(frozen=True, order=True)
class Event:
    """``at`` and ``cause`` are seconds since the start: when it happens, and when the workflow's code brought it about.

    ``execution`` is the invoke that it came from, empty for the first one; ``path`` leads through named contexts.
    ``is_timer`` marks those that need something to come due. ``RETRY_DUE`` is one that the service does not record.
    """

    at: int
    execution: str
    path: str
    kind: str
    cause: int
    is_timer: bool = False


@dataclass(frozen=True)
class Run:
    """What one action, body or execution does: when it ends, how, with what, and the events on the way."""

    end: int
    failed: bool
    outcome: Any
    events: tuple[Event, ...] = ()


class Tie(Exception):
    """The outcome depends on which of two things comes first that happen at the same instant: the SDK's choice."""


def predict(body: Body) -> Run:
    """What an execution of that body does, from second 0 on."""
    run = _execution("", body, 0)
    events = tuple(event for event in run.events if event.at <= run.end)
    due = Counter(event.at for event in events if event.is_timer)
    if any(count > 1 for count in due.values()):
        raise Tie
    return replace(run, events=events)


@dataclass(frozen=True)
class Place:
    """Where an action stands; makes the events of it."""

    execution: str
    path: str = ""

    def inside(self, name: str) -> Place:
        return replace(self, path=f"{self.path}/{name}" if self.path else name)

    def event(self, kind: str, at: int) -> Event:
        return Event(at, self.execution, self.path, kind, cause=at)

    def timer(self, kind: str, at: int, armed: int) -> Event:
        return Event(at, self.execution, self.path, kind, cause=armed, is_timer=True)


def _execution(name: str, body: Body, start: int) -> Run:
    """Nothing happens in it after its end; timers that nobody waits for any more are among what does not."""
    place = Place(name)
    run = _body(body, start, place)
    events = [event for event in run.events if event.execution != name or event.at <= run.end]
    first = place.event("ExecutionStarted", start)
    last = place.event(_ended("Execution", run.failed), run.end)
    return replace(run, events=(first, *events, last))


def _body(body: Body, start: int, place: Place) -> Run:
    outcomes: list[Any] = []
    events: list[Event] = []
    now = start
    for action in body:
        run = _caught(action, now, place)
        now = run.end
        events += run.events
        outcomes.append(run.outcome)
        if run.failed:
            return Run(now, True, None, tuple(events))
    return Run(now, False, outcomes, tuple(events))


def _caught(action: Action, start: int, place: Place) -> Run:
    if not isinstance(action, Caught):
        return _action(action, start, place.inside(action.name))
    run = _caught(action.action, start, place)
    return replace(run, failed=False, outcome="caught") if run.failed else run


Plain: TypeAlias = Wait | Step | Retry | Callback | Child | Invoke | Parallel


def _action(action: Plain, start: int, place: Place) -> Run:
    match action:
        case Wait():
            end = start + action.seconds
            events = (place.event("WaitStarted", start), place.timer("WaitSucceeded", end, start))
            return Run(end, False, "waited", events)
        case Step():
            events = (place.event("StepStarted", start), place.event("StepSucceeded", start))
            return Run(start, False, action.name, events)
        case Retry():
            return _retry(action, start, place)
        case Callback():
            return _callback(action, start, place)
        case Child():
            return _context(_body(action.body, start, place), start, place)
        case Invoke():
            return _invoke(action, start, place)
        case Parallel():
            return _parallel(action, start, place)
        case _:
            assert_never(action)


def _retry(action: Retry, start: int, place: Place) -> Run:
    events = [place.event("StepStarted", start)]
    now = start
    for delay in action.delays:
        events.append(place.event("StepFailed", now))
        events.append(place.timer(RETRY_DUE, now + delay, now))
        now += delay
        events.append(place.event("StepStarted", now))
    events.append(place.event(_ended("Step", action.fails), now))
    return Run(now, action.fails, action.name, tuple(events))


def _callback(action: Callback, start: int, place: Place) -> Run:
    """The first of its timeout, a missed heartbeat and its answer ends it."""
    ends = {start + action.timeout: "CallbackTimedOut"}
    if action.answer is not None:
        _add(ends, start + action.answer, _ended("Callback", not action.succeeds))
    if action.heartbeat_timeout is not None:
        _add(ends, start + _missed_heartbeat(action, action.heartbeat_timeout), "CallbackTimedOut")
    end = min(ends)
    failed = ends[end] != "CallbackSucceeded"
    events = (place.event("CallbackStarted", start), place.timer(ends[end], end, start))
    return Run(end, failed, "answer", events)


def _missed_heartbeat(action: Callback, timeout: int) -> int:
    last = 0
    for beat in range(action.every, action.every * action.beats + 1, action.every):
        if beat - last == timeout:
            raise Tie
        if beat - last > timeout:
            break
        last = beat
    return last + timeout


def _add(ends: dict[int, str], at: int, kind: str) -> None:
    if at in ends:
        raise Tie
    ends[at] = kind


def _context(run: Run, start: int, place: Place) -> Run:
    first, last = place.event("ContextStarted", start), place.event(_ended("Context", run.failed), run.end)
    return replace(run, events=(first, *run.events, last))


def _invoke(action: Invoke, start: int, place: Place) -> Run:
    """Once it was started, the other execution goes on whatever becomes of this one's branch."""
    child = _execution(action.name, action.body, start)
    events = [replace(event, cause=start) for event in child.events]
    first = place.event("ChainedInvokeStarted", start)
    last = replace(place.event(_ended("ChainedInvoke", child.failed), child.end), cause=start)
    return replace(child, events=(first, *events, last))


def _parallel(action: Parallel, start: int, place: Place) -> Run:
    branches = []
    for index, body in enumerate(action.branches):
        inner = place.inside(f"parallel-branch-{index}")
        branches.append(_context(_body(body, start, inner), start, inner))
    end = _completion(branches, action.policy, start)
    outcome = action.policy.decided_by(
        [index for index, branch in enumerate(branches) if branch.end <= end and not branch.failed],
        [index for index, branch in enumerate(branches) if branch.end <= end and branch.failed],
    )
    events = [event for branch in branches for event in _until(branch, end)]
    return _context(Run(end, False, list(outcome), tuple(events)), start, place)


def _completion(branches: list[Run], policy: Policy, start: int) -> int:
    """When there are enough successes, too many failures, or no branch is left.

    If that is at once, the branches that run at the same time may or may not get as far.
    """
    succeeded = failed = 0
    for branch in sorted(branches, key=lambda branch: branch.end):
        succeeded, failed = succeeded + (not branch.failed), failed + branch.failed
        if policy.is_enough(succeeded) or policy.is_too_much(failed):
            if branch.end == start and succeeded + failed < len(branches):
                raise Tie
            return branch.end
    return max(branch.end for branch in branches)


def _until(branch: Run, end: int) -> Iterable[Event]:
    """What a branch does before its ``parallel`` ends."""
    return branch.events if branch.end <= end else [event for event in branch.events if event.cause < end]


def _ended(kind: str, failed: bool) -> str:
    return f"{kind}{'Failed' if failed else 'Succeeded'}"
