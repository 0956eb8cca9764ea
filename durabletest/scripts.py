"""Scripts for the outside world: who answers a callback, with what, and when."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from typing import Any, TypeAlias

from durabletest.errors import UsageError
from durabletest.model.payloads import ErrorSource, encode_callback_result, error_object
from durabletest.model.times import Duration, delay, span

NO_DELAY = timedelta(0)


@dataclass(frozen=True, slots=True)
class ScriptedCallback:
    """What a script's function is told of the callback that it decides on; the timeouts are seconds, None if unset."""

    callback_id: str
    name: str | None
    arn: str
    timeout: int | None
    heartbeat_timeout: int | None


Decide: TypeAlias = Callable[[ScriptedCallback], Any]


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that happens to a callback, ``after`` it was created; ``send`` does it with a Lambda client.

    ``decide`` is the test author's function that is called for it, if one is. A heartbeat is no answer.
    """

    after: timedelta
    send: Callable[[Any, ScriptedCallback], None]
    decide: Decide | None = None
    is_answer: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """What one callback gets: any number of heartbeats, then at most one answer."""

    actions: tuple[Action, ...] = ()
    closed: bool = False


@dataclass(slots=True, eq=False)
class Use:
    """One callback that came to a script, and the answer that was for it.

    ``answered`` says that the answer was sent, ``refused`` holds the service's words on what it did not take.
    """

    script: CallbackScript
    callback: ScriptedCallback
    answer: Answer
    answered: bool = False
    refused: list[tuple[Action, str]] = field(default_factory=list)

    def send(self, action: Action, client: Any) -> None:
        """Do one thing of the answer; raises what the client raises."""
        self.answered = self.answered or action.is_answer
        action.send(client, self.callback)


@dataclass(slots=True, eq=False)
class CallbackScript:
    """Answers for the callbacks of one name: the first that is created gets the first answer, and so on.

    ``after`` is virtual time from the callback's creation, a timedelta or a number of seconds (in the cloud: real time,
    see the guide). Heartbeats are chained before the answer that they lead to, which without ``after`` comes right
    after the last of them::

        self.on_callback("approval").heartbeat(every=timedelta(minutes=5), times=3).succeed("ok",
        after=timedelta(minutes=20))
    """

    name: str
    optional: bool = False
    answers: list[Answer] = field(default_factory=list, init=False)
    uses: list[Use] = field(default_factory=list, init=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def succeed(self, result: Any = None, after: Duration | None = None) -> CallbackScript:
        """Complete the callback; ``str`` and ``bytes`` are sent as they are, any other value as JSON."""
        body = encode_callback_result(result)
        arguments = {} if body is None else {"Result": body}
        return self._answer(
            after,
            lambda client, callback: client.send_durable_execution_callback_success(
                CallbackId=callback.callback_id, **arguments
            ),
        )

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
        body = error_object(error, message, data, stack_trace)
        return self._answer(
            after,
            lambda client, callback: client.send_durable_execution_callback_failure(
                CallbackId=callback.callback_id, Error=body
            ),
        )

    def call(self, decide: Decide, after: Duration | None = None) -> CallbackScript:
        """Let a function decide: what it returns completes the callback, what it raises fails it.

        An assertion that fails in it fails the test, and so do a value that is not JSON and a wrong use of durabletest.
        """

        def send(client: Any, callback: ScriptedCallback) -> None:
            try:
                answer = decide(callback)
            except (AssertionError, UsageError):
                raise
            except Exception as error:
                client.send_durable_execution_callback_failure(
                    CallbackId=callback.callback_id, Error=error_object(error, None, None, None)
                )
                return
            body = encode_callback_result(answer)
            arguments = {} if body is None else {"Result": body}
            client.send_durable_execution_callback_success(CallbackId=callback.callback_id, **arguments)

        return self._answer(after, send, decide)

    def never(self) -> CallbackScript:
        """Say on purpose that nobody answers: the callback's own timeout decides."""
        with self._lock:
            self._set(Answer(self._begun(), closed=True))
        return self

    def heartbeat(self, every: Duration, times: int = 1) -> CallbackScript:
        """Send heartbeats to the next callback, the first one ``every`` after its creation."""
        pause = delay(every, f"every of {self}.heartbeat(...)")
        if not pause or isinstance(times, bool) or not isinstance(times, int) or times < 1:
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
        """The service's words on each answer and heartbeat that it did not take."""
        return [words for use in self.uses for _, words in use.refused]

    def __str__(self) -> str:
        return f"on_callback({self.name!r})"

    def _answer(
        self, after: Duration | None, send: Callable[[Any, ScriptedCallback], None], decide: Decide | None = None
    ) -> CallbackScript:
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
        """The heartbeats of an answer that is not complete yet; one that was taken is not gone on with."""
        is_begun = len(self.answers) > len(self.uses) and not self.answers[-1].closed
        return self.answers[-1].actions if is_begun else ()

    def _set(self, answer: Answer) -> None:
        if self._begun():
            self.answers[-1] = answer
        else:
            self.answers.append(answer)


class ScriptBook:
    """The scripts of one runner, by callback name; any thread may add to them, look and take."""

    def __init__(self) -> None:
        self._scripts: dict[str, CallbackScript] = {}
        self._lock = Lock()

    def on_callback(self, name: str, optional: bool = False) -> CallbackScript:
        """The script for callbacks of that name, new or begun."""
        if not isinstance(name, str) or not name:
            raise UsageError(f"on_callback({name!r}): give the name of a callback")
        with self._lock:
            script = self._scripts.setdefault(name, CallbackScript(name))
        script.optional = optional
        return script

    def take(self, names: tuple[str, ...], callback: ScriptedCallback) -> Use | None:
        """The next answer for a callback that is known by these names; None if no script has one left."""
        scripts = self.scripts
        for name in names:
            use = scripts[name].take(callback) if name in scripts else None
            if use is not None:
                return use
        return None

    def find(self, names: tuple[str, ...]) -> CallbackScript | None:
        """The script for a callback that is known by these names, used up or not."""
        scripts = self.scripts
        return next((scripts[name] for name in names if name in scripts), None)

    @property
    def scripts(self) -> Mapping[str, CallbackScript]:
        """All scripts, by name, as they are at this moment."""
        with self._lock:
            return dict(self._scripts)

    @property
    def has_answers_left(self) -> bool:
        """Whether a callback may still be answered by a script."""
        return any(len(script.uses) < len(script.answers) for script in self.scripts.values())

    def clear(self) -> None:
        """Forget every script."""
        with self._lock:
            self._scripts.clear()


def _beat(client: Any, callback: ScriptedCallback) -> None:
    client.send_durable_execution_callback_heartbeat(CallbackId=callback.callback_id)
