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
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any, Protocol, TypeAlias

from durabletest.errors import MissingSdkError

LOGGER = "aws_durable_execution_sdk_python"
PACKAGE = "aws_durable_execution_sdk_python"
_SUPPORTED_MAJORS = ("2", "3")
_WRAPPED_PARAMETERS = ["user_function", "operation_identifier"]


def module(name: str) -> ModuleType:
    """One of the SDK's modules."""
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


class InvocationEvent(Protocol):
    """The event of one invocation; ``entered`` tells whether the SDK's decorator has taken it."""

    @property
    def entered(self) -> bool:
        """Whether ``@durable_execution`` was reached."""
        ...


@functools.cache
def _event_class() -> type[Any]:
    """The SDK's own injection class, which also notes that the decorator reads the client from it.

    Whatever is wrapped around the decorated function reads it as the dictionary that Lambda invokes with.
    """
    base: Any = module("execution").DurableExecutionInvocationInputWithClient

    class WatchedInvocationInput(base, Mapping[str, Any]):  # type: ignore[misc]
        entered = False

        def __getattribute__(self, name: str) -> Any:
            if name == "service_client":
                object.__setattr__(self, "entered", True)
            return super().__getattribute__(name)

        def __getitem__(self, key: str) -> Any:
            return self.to_json_dict()[key]

        def __iter__(self) -> Iterator[str]:
            return iter(self.to_json_dict())

        def __len__(self) -> int:
            return len(self.to_json_dict())

    return WatchedInvocationInput


def operation(operation: Mapping[str, Any]) -> Any:
    """An operation as the SDK takes it; it is never changed, so that invocations may share it."""
    return module("lambda_service").Operation.from_dict(operation)


def invocation_event(
    event: Mapping[str, Any], client: object, made: Callable[[dict[str, Any]], Any] = operation
) -> InvocationEvent:
    """The event as the SDK takes it in tests: with a Lambda client of ours, and datetimes instead of milliseconds.

    ``made`` gives the SDK's :func:`operation` for each of the event's operations.
    """
    execution, state = module("execution"), event["InitialExecutionState"]
    cls = _event_class()
    arguments = {
        "durable_execution_arn": event["DurableExecutionArn"],
        "checkpoint_token": event["CheckpointToken"],
        "initial_execution_state": execution.InitialExecutionState(
            operations=[made(one) for one in state["Operations"]], next_marker=state["NextMarker"]
        ),
        "service_client": module("lambda_service").LambdaClient(client=client),
    }
    if "updated_operation_ids" in cls.__dataclass_fields__:
        arguments["updated_operation_ids"] = event["UpdatedOperationIds"]
    watched: InvocationEvent = cls(**arguments)
    return watched


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

            @functools.wraps(wrapped)
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


def decorated(handler: Any) -> Any:
    """The function that ``@durable_execution`` was put on, if this is its wrapper; else the handler itself.

    The wrapper of version 2 does not bear the function's name.
    """
    if getattr(handler, "__globals__", {}).get("__name__") != f"{PACKAGE}.execution":
        return handler
    inside = dict(zip(handler.__code__.co_freevars, handler.__closure__ or (), strict=True))
    return inside["func"].cell_contents if "func" in inside else handler
