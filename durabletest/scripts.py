"""Scripts for the outside world: who answers a callback, with what, and when."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from threading import Lock
from typing import Any, TypeAlias

from durabletest.errors import UsageError
from durabletest.model.callbacks import ErrorSource, error_object
from durabletest.model.payloads import encode_callback_result

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

    ``decide`` is the test author's function that is called for it, if one is.
    """

    after: timedelta
    send: Callable[[Any, ScriptedCallback], None]
    decide: Decide | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What one callback gets: any number of heartbeats, then at most one answer."""

    actions: tuple[Action, ...] = ()
    closed: bool = False


@dataclass(slots=True, eq=False)
class CallbackScript:
    """Answers for the callbacks of one name: the first that is created gets the first answer, and so on.

    ``after`` is virtual time from the callback's creation (in the cloud: real time, see the guide). Heartbeats are
    chained before the answer that they lead to::

        self.on_callback("approval").heartbeat(every=timedelta(minutes=5), times=3).succeed("ok",
        after=timedelta(minutes=20))
    """

    name: str
    answers: list[Answer] = field(default_factory=list)
    taken: int = 0
    refused: list[str] = field(default_factory=list)

    def succeed(self, result: Any = None, after: timedelta = NO_DELAY) -> CallbackScript:
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
        after: timedelta = NO_DELAY,
    ) -> CallbackScript:
        """Fail the callback with an error type and message, or with those of an exception."""
        body = error_object(error, message, data, stack_trace)
        return self._answer(
            after,
            lambda client, callback: client.send_durable_execution_callback_failure(
                CallbackId=callback.callback_id, Error=body
            ),
        )

    def call(self, decide: Decide, after: timedelta = NO_DELAY) -> CallbackScript:
        """Let a function decide: what it returns completes the callback, what it raises fails it.

        An assertion that fails in it fails the test.
        """

        def send(client: Any, callback: ScriptedCallback) -> None:
            try:
                body = encode_callback_result(decide(callback))
            except AssertionError:
                raise
            except Exception as error:
                client.send_durable_execution_callback_failure(
                    CallbackId=callback.callback_id, Error=error_object(error, None, None, None)
                )
                return
            arguments = {} if body is None else {"Result": body}
            client.send_durable_execution_callback_success(CallbackId=callback.callback_id, **arguments)

        return self._answer(after, send, decide)

    def never(self) -> CallbackScript:
        """Say on purpose that nobody answers: the callback's own timeout decides."""
        self._close(())
        return self

    def heartbeat(self, every: timedelta, times: int = 1) -> CallbackScript:
        """Send heartbeats to the next callback, the first one ``every`` after its creation."""
        if every <= NO_DELAY or times < 1:
            raise UsageError(f"heartbeat(every={every!r}, times={times!r}): every must be positive, times at least 1")
        answer = self._open()
        beats = tuple(Action(every * n, _beat) for n in range(1, times + 1))
        self.answers[-1] = replace(answer, actions=answer.actions + beats)
        return self

    def _answer(
        self, after: timedelta, send: Callable[[Any, ScriptedCallback], None], decide: Decide | None = None
    ) -> CallbackScript:
        if after < NO_DELAY:
            raise UsageError(
                f"on_callback({self.name!r}): after={after!r} lies before the callback; give a positive delay"
            )
        self._close((Action(after, send, decide),))
        return self

    def _close(self, actions: tuple[Action, ...]) -> None:
        answer = self._open()
        self.answers[-1] = Answer(answer.actions + actions, closed=True)

    def _open(self) -> Answer:
        if not self.answers or self.answers[-1].closed:
            self.answers.append(Answer())
        return self.answers[-1]


class ScriptBook:
    """The scripts of one runner, by callback name; in the cloud each execution takes from it in a thread of its own."""

    def __init__(self) -> None:
        self._scripts: dict[str, CallbackScript] = {}
        self._taking = Lock()

    def on_callback(self, name: str) -> CallbackScript:
        """The script for callbacks of that name, new or begun."""
        return self._scripts.setdefault(name, CallbackScript(name))

    def take(self, names: tuple[str, ...]) -> tuple[CallbackScript, Answer] | None:
        """The next answer for a callback that is known by these names; None if no script has one left."""
        with self._taking:
            for name in names:
                script = self._scripts.get(name)
                if script is not None and script.taken < len(script.answers):
                    script.taken += 1
                    return script, script.answers[script.taken - 1]
        return None

    def find(self, names: tuple[str, ...]) -> CallbackScript | None:
        """The script for a callback that is known by these names, used up or not."""
        return next((self._scripts[name] for name in names if name in self._scripts), None)

    @property
    def scripts(self) -> Mapping[str, CallbackScript]:
        """All scripts, by name."""
        return self._scripts

    @property
    def has_answers_left(self) -> bool:
        """Whether a callback may still be answered by a script."""
        return any(script.taken < len(script.answers) for script in self._scripts.values())

    def clear(self) -> None:
        """Forget every script."""
        self._scripts.clear()


def _beat(client: Any, callback: ScriptedCallback) -> None:
    client.send_durable_execution_callback_heartbeat(CallbackId=callback.callback_id)
