"""Scripted answers to callbacks: what is sent to which callback and when, and why an answer was never used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from typing import Any, TypeAlias

from durabletest.errors import UsageError
from durabletest.model.history import History, as_written, callback_names, submitter_child, title
from durabletest.model.lookup import listed, nearest
from durabletest.model.payloads import ErrorSource, error_object, result_argument
from durabletest.model.records import OperationRecord, OperationStatus, OperationType
from durabletest.model.times import Duration, delay, span, stamp
from durabletest.value_checks import is_count

NO_DELAY = timedelta(0)


@dataclass(frozen=True, slots=True)
class ScriptedCallback:
    """A callback as a script's function sees it; the timeouts are in seconds, None if unset."""

    callback_id: str
    name: str | None
    arn: str
    timeout: int | None
    heartbeat_timeout: int | None


Decide: TypeAlias = Callable[[ScriptedCallback], Any]
Send: TypeAlias = Callable[[Any, ScriptedCallback], None]
"""Sends an answer or heartbeat with a Lambda client."""


@dataclass(frozen=True, slots=True)
class Action:
    """An answer or heartbeat, ``after`` the creation of the callback; ``send`` sends it with a Lambda client.

    ``decide`` is the test author's function that is called for the answer, if there is one.
    """

    after: timedelta
    send: Send
    decide: Decide | None = None
    is_answer: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """The actions for one callback: any number of heartbeats, then at most one answer."""

    actions: tuple[Action, ...] = ()
    closed: bool = False


@dataclass(slots=True, eq=False)
class Use:
    """A callback of a script, and the answer for it.

    ``answered`` is true once the answer was sent; ``refused`` holds the actions that the service refused, with its
    messages.
    """

    script: CallbackScript
    callback: ScriptedCallback
    answer: Answer
    answered: bool = False
    refused: list[tuple[Action, str]] = field(default_factory=list)

    def send(self, action: Action, client: Any) -> None:
        """Send an action of the answer; raises what the client raises."""
        self.answered = self.answered or action.is_answer
        action.send(client, self.callback)


@dataclass(slots=True, eq=False)
class CallbackScript:
    """Answers for the callbacks of one name: the first that is created gets the first answer, and so on.

    ``after`` is virtual time from the callback's creation, a timedelta or a number of seconds (in the cloud: real time,
    see the guide). Heartbeats are chained before their answer, which without ``after`` comes right after the last of
    them::

        script = self.on_callback("approval")
        script.heartbeat(every=timedelta(minutes=5), times=3).succeed("ok", after=timedelta(minutes=20))
    """

    name: str
    optional: bool = False
    answers: list[Answer] = field(default_factory=list, init=False)
    uses: list[Use] = field(default_factory=list, init=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def succeed(self, result: Any = None, after: Duration | None = None) -> CallbackScript:
        """Complete the callback; ``str`` and ``bytes`` are sent as they are, any other value as JSON."""
        return self._answer(after, _success(result))

    def fail(
        self,
        error: ErrorSource = None,
        message: str | None = None,
        *,
        data: str | None = None,
        stack_trace: list[str] | None = None,
        after: Duration | None = None,
    ) -> CallbackScript:
        """Fail the callback with an error type and message, or with those of an exception."""
        return self._answer(after, _failure(error_object(error, message, data, stack_trace)))

    def call(self, decide: Decide, after: Duration | None = None) -> CallbackScript:
        """Let a function decide: what it returns completes the callback, what it raises fails it.

        An assertion that fails in it fails the test, and so do a value that is not JSON and a wrong use of durabletest.
        """
        if not callable(decide):
            raise UsageError(
                f"{self}.call({decide!r}): give a function of the callback; for an answer write {self}.succeed(...)"
            )

        def send(client: Any, callback: ScriptedCallback) -> None:
            try:
                answer = decide(callback)
            except (AssertionError, UsageError):
                raise
            except Exception as error:
                _failure(error_object(error))(client, callback)
            else:
                _success(answer)(client, callback)

        return self._answer(after, send, decide)

    def never(self) -> CallbackScript:
        """Say on purpose that nobody answers: the callback's own timeout decides."""
        with self._lock:
            self._set(Answer(self._begun(), closed=True))
        return self

    def heartbeat(self, every: Duration, times: int = 1) -> CallbackScript:
        """Send heartbeats to the next callback, the first one ``every`` after its creation."""
        pause = delay(every, f"every of {self}.heartbeat(...)")
        if not pause or not is_count(times):
            raise UsageError(
                f"{self}.heartbeat(every={every!r}, times={times!r}): every must be positive, times a number from 1 on"
            )
        beats = tuple(Action(pause * n, _beat, is_answer=False) for n in range(1, times + 1))
        with self._lock:
            self._set(Answer(self._begun() + beats))
        return self

    def take(self, callback: ScriptedCallback) -> Use | None:
        """The next answer, for this callback; None if none is left."""
        with self._lock:
            if len(self.uses) == len(self.answers):
                return None
            use = Use(self, callback, self.answers[len(self.uses)])
            self.uses.append(use)
            return use

    @property
    def refused(self) -> list[str]:
        """The service's messages about the answers and heartbeats that it has refused."""
        return [words for use in self.uses for _, words in use.refused]

    def __str__(self) -> str:
        return f"on_callback({self.name!r})"

    def _answer(self, after: Duration | None, send: Send, decide: Decide | None = None) -> CallbackScript:
        given = None if after is None else delay(after, f"after of {self}")
        with self._lock:
            last = max((beat.after for beat in self._begun()), default=NO_DELAY)
            moment = last if given is None else given
            if moment < last:
                raise UsageError(
                    f"{self}: the answer after {span(moment)} would come before its heartbeats, the last of which is "
                    f"sent after {span(last)}: leave after= out, or give a longer one"
                )
            self._set(Answer((*self._begun(), Action(moment, send, decide)), closed=True))
        return self

    def _begun(self) -> tuple[Action, ...]:
        """The heartbeats of an answer that is neither complete nor taken yet."""
        is_begun = len(self.answers) > len(self.uses) and not self.answers[-1].closed
        return self.answers[-1].actions if is_begun else ()

    def _set(self, answer: Answer) -> None:
        if self._begun():
            self.answers[-1] = answer
        else:
            self.answers.append(answer)


def _success(result: Any) -> Send:
    arguments = result_argument(result)
    return lambda client, callback: client.send_durable_execution_callback_success(
        CallbackId=callback.callback_id, **arguments
    )


def _failure(error: Mapping[str, Any]) -> Send:
    return lambda client, callback: client.send_durable_execution_callback_failure(
        CallbackId=callback.callback_id, Error=error
    )


def _beat(client: Any, callback: ScriptedCallback) -> None:
    client.send_durable_execution_callback_heartbeat(CallbackId=callback.callback_id)


class ScriptRegistry:
    """The scripts of one runner, by callback name; any thread may add to them, look up and take."""

    def __init__(self) -> None:
        self._scripts: dict[str, CallbackScript] = {}
        self._lock = Lock()

    def on_callback(self, name: str, optional: bool = False) -> CallbackScript:
        """The script for callbacks of that name; a new one if there is none."""
        if not isinstance(name, str) or not name:
            raise UsageError(f"on_callback({name!r}): give the name of a callback")
        with self._lock:
            script = self._scripts.setdefault(name, CallbackScript(name))
        script.optional = optional
        return script

    def take(self, names: tuple[str, ...], callback: ScriptedCallback) -> Use | None:
        """The next answer for a callback of these names; None if no script has one left."""
        scripts = self.scripts
        for name in names:
            use = scripts[name].take(callback) if name in scripts else None
            if use is not None:
                return use
        return None

    def find(self, names: tuple[str, ...]) -> CallbackScript | None:
        """The script for a callback of these names, used up or not."""
        scripts = self.scripts
        return next((scripts[name] for name in names if name in scripts), None)

    @property
    def scripts(self) -> Mapping[str, CallbackScript]:
        """A copy of all scripts, by name."""
        with self._lock:
            return dict(self._scripts)

    @property
    def has_answers_left(self) -> bool:
        return any(len(script.uses) < len(script.answers) for script in self.scripts.values())

    def rewind(self) -> None:
        """Have every script forget its callbacks: the next one gets the first answer."""
        for script in self.scripts.values():
            script.uses.clear()

    def clear(self) -> None:
        with self._lock:
            self._scripts.clear()


# --- scripts and answers that were never used -------------------------------------------------------------------------

Histories = Mapping[str, History]
"""The histories of all executions of a runner, by ARN."""
Scripts = Mapping[str, CallbackScript]
"""The scripts of a runner, by callback name."""


def unanswered(registry: ScriptRegistry, histories: Histories) -> str | None:
    """The complaint about scripts and answers that were never used, and are not optional; None if there are none.

    An answer that is due later, for a callback that still waits, is no reason to complain.
    """
    scripts = registry.scripts
    required = [script for script in scripts.values() if not script.optional]
    return "\n\n".join(words for script in required for words in _complaints(script, scripts, histories)) or None


def _complaints(script: CallbackScript, scripts: Scripts, histories: Histories) -> Iterator[str]:
    if not script.answers:
        yield (
            f"{script} says nothing: write what comes to the callback, {script}.succeed(...), .fail(...), .call(...) "
            "or .heartbeat(...), or .never() if nobody answers"
        )
    elif not script.uses:
        yield f"{script} was never used: {_why_never(script, scripts, histories)}"
    for use in script.uses:
        yield from _lost(use, histories)
    left = len(script.answers) - len(script.uses)
    if script.uses and left:
        came = "1 callback" if len(script.uses) == 1 else f"{len(script.uses)} callbacks"
        yield (
            f"{script} has {len(script.answers)} answers, and {came} of that name came: {left} never used\n"
            f"{_need_not(script)}"
        )


def _lost(use: Use, histories: Histories) -> Iterator[str]:
    for action, words in use.refused:
        if action.is_answer:
            yield refused(use, action, words)
    answer = next((action for action in use.answer.actions if action.is_answer), None)
    history = histories.get(use.callback.arn)
    if use.answered or answer is None or history is None:
        return
    ended = _ended(use.callback.callback_id, history)
    if ended is not None:
        yield (
            f"{use.script}: the answer{_after(answer)} never came: {ended}\n"
            f"If nobody is to answer, write {use.script}.never(). {_need_not(use.script)}"
        )


def refused(use: Use, action: Action, words: str) -> str:
    """The complaint about an answer that the service has refused, in its own words."""
    return f"{use.script}: the answer{_after(action)} was refused: {words}\n{_need_not(use.script)}"


def _ended(callback_id: str, history: History) -> str | None:
    """The reason why a callback takes no answer any more; None if it still does."""
    record = next((record for record in history.operations if record.callback_id == callback_id), None)
    if record is not None and record.status.is_terminal and record.ended_at is not None:
        return f"{title(history, as_written(history, record))} is {record.status} since {stamp(record.ended_at)}"
    execution = history.execution
    if execution.ended_at is not None:
        return f"the execution is {execution.status} since {stamp(execution.ended_at)}"
    return None


def _after(action: Action) -> str:
    return f" after {span(action.after)}" if action.after else ""


def _why_never(script: CallbackScript, scripts: Scripts, histories: Histories) -> str:
    if not histories:
        return "nothing was executed"
    operations = [(history, record) for history in histories.values() for record in history.operations]
    callbacks = [
        (history, record, callback_names(history, record))
        for history, record in operations
        if record.type is OperationType.CALLBACK
    ]
    for history, record, names in callbacks:
        if script.name in names:
            return _why_not(script, scripts, history, record)
    for history, record in operations:
        if record.name == script.name:
            return f"{title(history, record)} is a {record.type}, not a callback"
    known = list(dict.fromkeys(names[0] for _, _, names in callbacks if names))
    return (
        f"no callback has that name{nearest(script.name.rpartition('/')[2], known)}\n"
        f"The callbacks of the test's executions: {listed(known) or 'none has a name'}\n{_need_not(script)}"
    )


def _why_not(script: CallbackScript, scripts: Scripts, history: History, callback: OperationRecord) -> str:
    """The reason why a callback of the script's name was not answered by it."""
    about = title(history, as_written(history, callback))
    other = next(
        (one for one in scripts.values() for use in one.uses if use.callback.callback_id == callback.callback_id), None
    )
    if other is not None:
        return f"{about} was answered by {other}"
    submitter = submitter_child(history, as_written(history, callback))
    if submitter is not None and submitter.status is not OperationStatus.SUCCEEDED:
        return f"{about} could not be answered, for its submitter is {submitter.status}"
    return f"{about} was created before the script: write {script} before self.execute(...)"


def _need_not(script: CallbackScript) -> str:
    return f"If it need not be used, write on_callback({script.name!r}, optional=True)"
