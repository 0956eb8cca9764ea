"""All that durabletest knows of the AWS SDK's insides; no other module imports it.

Whatever is private to the SDK is looked for, not presumed: where it is missing, the slower or plainer way is taken.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any, TypeAlias

from durabletest.errors import MissingSdkError

LOGGER = "aws_durable_execution_sdk_python"
PACKAGE = "aws_durable_execution_sdk_python"
_SUPPORTED_MAJORS = ("2", "3")
_WRAPPED_PARAMETERS = ["user_function", "operation_identifier"]
_DEEPEST = 100
"""So many objects are looked at for the function that is decorated."""


def module(name: str) -> ModuleType:
    """One of the SDK's modules; raises :class:`MissingSdkError` if it is not installed."""
    loaded = sys.modules.get(f"{PACKAGE}.{name}")
    if loaded is not None:
        return loaded
    try:
        return importlib.import_module(f"{PACKAGE}.{name}")
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith(PACKAGE):
            raise
        raise MissingSdkError(
            "the AWS Durable Execution SDK is not installed: pip install 'durabletest[sdk]' "
            "(or aws-durable-execution-sdk-python, version 2 or 3)"
        ) from error


def require() -> str:
    """The SDK's version; raises :class:`MissingSdkError` if it is absent or of a major that is not supported."""
    version: str = module("__about__").__version__
    if version.split(".", maxsplit=1)[0] not in _SUPPORTED_MAJORS:
        raise MissingSdkError(
            f"aws-durable-execution-sdk-python {version} is not supported: install version 2 or 3, "
            "pip install 'aws-durable-execution-sdk-python>=2,<4'"
        )
    return version


@functools.cache
def folder() -> str:
    """Where the SDK's modules are."""
    return str(Path(module("__about__").__file__ or "").parent)


# --- the way in ------------------------------------------------------------------------------------------------------


def operation(operation: Mapping[str, Any]) -> Any:
    """An operation as the SDK takes it; it is never changed, so that invocations may share it."""
    return module("lambda_service").Operation.from_dict(operation)


class HandlerEvent:
    """One invocation's event: ``given`` is for the handler, ``entered`` tells whether ``@durable_execution`` has it.

    A decorated function is given the SDK's own object for tests, with a Lambda client of ours. Whatever is wrapped
    around one gets the dictionary that Lambda invokes with, and may copy and change it; the client then comes by way of
    :class:`ClientHook`. ``made`` gives the SDK's :func:`operation` for each of the event's operations.
    """

    def __init__(
        self,
        event: Mapping[str, Any],
        client: object,
        handler: object,
        made: Callable[[dict[str, Any]], Any] = operation,
    ) -> None:
        self._client = client
        self.entered = is_decorated(handler) or not hasattr(module("execution"), "LambdaClient")
        self.given: Any = self._injection(event, made) if self.entered else _as_json(event)

    def enter(self) -> Any:
        """The decorator asks for its client."""
        self.entered = True
        return module("lambda_service").LambdaClient(client=self._client)

    def _injection(self, event: Mapping[str, Any], made: Callable[[dict[str, Any]], Any]) -> Any:
        """With datetimes instead of milliseconds."""
        execution, state = module("execution"), event["InitialExecutionState"]
        cls: Any = execution.DurableExecutionInvocationInputWithClient
        arguments = {
            "durable_execution_arn": event["DurableExecutionArn"],
            "checkpoint_token": event["CheckpointToken"],
            "initial_execution_state": execution.InitialExecutionState(
                operations=[made(one) for one in state["Operations"]], next_marker=state["NextMarker"]
            ),
            "service_client": self.enter(),
        }
        if "updated_operation_ids" in cls.__dataclass_fields__:
            arguments["updated_operation_ids"] = event["UpdatedOperationIds"]
        return cls(**arguments)


def _as_json(event: Mapping[str, Any]) -> dict[str, Any]:
    """The members that the service sends; its timestamps are milliseconds."""
    members = ("DurableExecutionArn", "CheckpointToken", "InitialExecutionState", "UpdatedOperationIds")
    return {name: _json_value(event[name]) for name in members}


def _json_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _json_value(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    return round(value.timestamp() * 1000) if isinstance(value, datetime) else value


class ClientHook:
    """While installed, ``@durable_execution`` gets the Lambda client that ``client`` gives to the calling thread.

    Where that gives None, the decorator makes its own, as it does where it is deployed.
    """

    def __init__(self, client: Callable[[], Any | None]) -> None:
        self._given = client
        self._original: Any = None

    def install(self) -> None:
        """Take the place of the class that the decorator makes its clients of."""
        execution = module("execution")
        self._original = getattr(execution, "LambdaClient", None)
        if self._original is not None:
            execution.LambdaClient = self  # type: ignore[attr-defined]

    def remove(self) -> None:
        """Put the SDK back as it was."""
        if self._original is not None:
            module("execution").LambdaClient = self._original  # type: ignore[attr-defined]

    def __call__(self, client: object) -> Any:
        """The decorator has a client of its own."""
        return self._given() or self._original(client=client)

    def initialize_client(self) -> Any:
        """The decorator has none."""
        return self._given() or self._original.initialize_client()


# --- while handlers run ----------------------------------------------------------------------------------------------


def can_wake_up() -> bool:
    """Whether this SDK lets its checkpoint thread be woken when it is told to stop.

    Without the wake-up the thread notices within its poll interval, a tenth of a second for each invocation: slow, but
    right (SDK 2.0).
    """
    state = module("state")
    signal = getattr(state, "_Signal", None)
    return hasattr(signal, "REFRESH_WAKE") and hasattr(state.ExecutionState, "stop_checkpointing")


def can_stub_steps() -> bool:
    """Whether this SDK has a place at which the function of a step can be replaced (all of 2 and 3 have)."""
    wrap = getattr(module("state").ExecutionState, "wrap_user_function", None)
    return wrap is not None and list(inspect.signature(wrap).parameters)[1:3] == _WRAPPED_PARAMETERS


Replace: TypeAlias = Callable[[str, Callable[..., Any]], Callable[..., Any]]
"""Gives what to call for the step at a path (through the named contexts around it) that has this function."""


@functools.cache
def _collecting() -> CodeType | None:
    """Where the checkpoint thread waits for more updates; None in an SDK that waits there for the first one too."""
    state_class = module("state").ExecutionState
    collect = getattr(state_class, "_collect_checkpoint_batch", None)
    return collect.__code__ if collect is not None and hasattr(state_class, "_wait_for_first_operation") else None


def is_about_to_send(frame: FrameType) -> bool:
    """Whether a thread that waits in ``frame`` (in ``Condition.wait``) is the checkpoint thread with updates in hand.

    It waits, in real time and for a second at most, for more to send with them, and then goes on by itself.
    """
    in_get = frame.f_back
    caller = None if in_get is None else in_get.f_back
    return caller is not None and caller.f_code is _collecting()


class Hooks:
    """Changes to the SDK's execution state while handlers are run here, and the way back.

    Its checkpoint thread is woken as soon as an invocation has told it to stop. ``crashed`` is called when a
    ``SystemExit`` or ``KeyboardInterrupt`` leaves a step, a branch or the handler, before the SDK waits for branches
    that still run; an SDK without the places to hook into reports the crash once they have ended. ``replacing`` tells,
    by an execution's ARN, what replaces the functions of its steps; None if nothing does.
    """

    def __init__(self, crashed: Callable[[BaseException], None], replacing: Callable[[str], Replace | None]) -> None:
        self._crashed = crashed
        self._replacing = replacing
        self._originals: dict[str, Any] = {}
        self._state: Any = None

    def flush(self) -> None:
        """Send what the running invocation has begun and not yet told: the SDK lets the starts of steps wait a moment.

        Called by its own threads. An SDK without the place to note the invocation sends it when it sees fit.
        """
        if self._state is not None:
            self._state.create_checkpoint(None, is_sync=True)

    def install(self) -> None:
        """Install what this SDK has a place for."""
        state_class = module("state").ExecutionState
        if can_wake_up():
            self._replace(state_class, "stop_checkpointing", self._waking)
        if can_stub_steps():
            self._replace(state_class, "wrap_user_function", self._stubbing)
        if hasattr(state_class, "wrap_user_function"):
            self._replace(state_class, "wrap_user_function", self._watching)
        if hasattr(state_class, "close"):
            self._replace(state_class, "close", self._closing)
            self._replace(state_class, "checkpoint_batches_forever", self._noting)

    def remove(self) -> None:
        """Put the SDK back as it was."""
        for name, original in self._originals.items():
            setattr(module("state").ExecutionState, name, original)
        self._originals.clear()

    def _replace(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        original = getattr(owner, name)
        self._originals.setdefault(name, original)
        setattr(owner, name, make(original))

    def _waking(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        wake = module("state")._Signal.REFRESH_WAKE

        def stop_checkpointing(execution_state: Any) -> None:
            original(execution_state)
            queue = getattr(execution_state, "_checkpoint_queue", None)
            if queue is not None:
                queue.put(wake)

        return stop_checkpointing

    def _watching(self, original: Callable[..., Any]) -> Callable[..., Any]:
        crashed = self._crashed

        @functools.wraps(original)
        def wrap_user_function(*args: Any, **kwargs: Any) -> Callable[..., Any]:
            wrapped = original(*args, **kwargs)

            def watched(*args: Any, **kwargs: Any) -> Any:
                try:
                    return wrapped(*args, **kwargs)
                except (SystemExit, KeyboardInterrupt) as error:
                    crashed(error)
                    raise

            return watched

        return wrap_user_function

    def _closing(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        crashed = self._crashed

        def close(execution_state: Any) -> None:
            error = sys.exc_info()[1]
            if isinstance(error, (SystemExit, KeyboardInterrupt)):
                crashed(error)
            original(execution_state)
            if self._state is execution_state:
                self._state = None

        return close

    def _noting(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        def checkpoint_batches_forever(execution_state: Any) -> None:
            self._state = execution_state
            original(execution_state)

        return checkpoint_batches_forever

    def _stubbing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        replacing = self._replacing

        @functools.wraps(original)
        def wrap_user_function(
            state: Any, user_function: Callable[..., Any], operation_identifier: Any, *args: Any, **kwargs: Any
        ) -> Any:
            if operation_identifier.type.value == "CONTEXT":
                _contexts(state)[operation_identifier.operation_id] = operation_identifier
            elif operation_identifier.name and (replace := replacing(state.durable_execution_arn)) is not None:
                user_function = replace(_path(state, operation_identifier), user_function)
            return original(state, user_function, operation_identifier, *args, **kwargs)

        return wrap_user_function


def _contexts(state: Any) -> dict[str, Any]:
    """The contexts that this invocation has entered, by id; the SDK's own state hears of them a moment later."""
    contexts: dict[str, Any] = vars(state).setdefault("_durabletest_contexts", {})
    return contexts


def _path(state: Any, identifier: Any) -> str:
    contexts, names = _contexts(state), []
    while identifier is not None:
        names += [identifier.name] if identifier.name else []
        identifier = contexts.get(identifier.parent_id)
    return "/".join(reversed(names))


# --- values ----------------------------------------------------------------------------------------------------------


def decode_result(payload: str) -> Any:
    """The value behind a step's or context's payload, if the SDK's default serialiser wrote it.

    That serialiser writes JSON: plain for primitives and lists of them, else an envelope with type tags. Other JSON
    comes from a JSON serialiser of the user's and is parsed; text that is no JSON comes from another serialiser and is
    given as it is. The raw payload stays available beside the value.
    """
    try:
        value = json.loads(payload)
    except ValueError:
        return payload
    if not isinstance(value, Mapping):
        return value
    serdes = module("serdes")
    try:
        return serdes.EXTENDED_TYPES_SERDES.deserialize(payload, None)
    except (module("exceptions").SerDesError, module("exceptions").DurableExecutionsError):
        return value


def deserialise(serialiser: Any, payload: str, operation_id: str, arn: str) -> Any:
    """The value that an operation's own serialiser reads from its payload."""
    return serialiser.deserialize(payload, module("serdes").SerDesContext(operation_id, arn))


def is_decorated(handler: object) -> bool:
    """Whether this is the wrapper that ``@durable_execution`` makes, with nothing around it."""
    return getattr(handler, "__globals__", {}).get("__name__") == f"{PACKAGE}.execution"


def is_durable(handler: object) -> bool:
    """Whether the wrapper that ``@durable_execution`` makes is found in a handler or in what that is wrapped around.

    It is looked for where decorators keep what they decorate; one that finds it in another way is not seen through.
    """
    seen, waiting = set[int](), [handler]
    while waiting and len(seen) < _DEEPEST:
        one = waiting.pop(0)
        if is_decorated(one):
            return True
        if id(one) not in seen:
            seen.add(id(one))
            waiting += [inner for inner in _inside(one) if callable(inner)]
    return False


def _inside(handler: object) -> Iterator[object]:
    """What a function, a partial, a bound method or a callable object holds."""
    for name in ("__wrapped__", "func", "__func__", "__self__"):
        yield getattr(handler, name, None)
    for cell in getattr(handler, "__closure__", None) or ():
        with suppress(ValueError):  # an empty cell
            yield cell.cell_contents
    if hasattr(handler, "__dict__") and not isinstance(handler, type):
        yield from list(vars(handler).values())


def decorated(handler: Any) -> Any:
    """The function that ``@durable_execution`` was put on, if this is its wrapper; else the handler itself.

    The wrapper of version 2 does not bear the function's name.
    """
    if not is_decorated(handler):
        return handler
    inside = dict(zip(handler.__code__.co_freevars, handler.__closure__ or (), strict=True))
    return inside["func"].cell_contents if "func" in inside else handler
