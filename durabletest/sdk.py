"""The adapter to the AWS SDK: how its handlers are called, and the places in it that are patched while they run.

No other module names the package. Whatever is private to the SDK is looked for, not presumed: where it is missing, the
slower or plainer way is taken. Each patch is explained where it is made, with the SDK version that first had its place
(checked with 2.0.0, 2.1.0 and 3.0.0); :mod:`durabletest.patches` says how they are undone.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from enum import Enum
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any, TypeAlias

from durabletest.errors import MissingSdkError
from durabletest.patches import PatchGroup

PACKAGE = "aws_durable_execution_sdk_python"
_SUPPORTED_MAJORS = ("2", "3")
_WRAPPED_PARAMETERS = ["user_function", "operation_identifier"]
_DEEPEST = 100
"""The number of objects that are searched for the decorated function."""


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
            "the AWS Durable Execution SDK is not installed: pip install 'aws-durable-execution-sdk-python>=2,<4'"
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
    return str(Path(module("__about__").__file__ or "").parent)


@functools.cache
def written_constants() -> frozenset[str]:
    """The values of the SDK's enumerations that it writes into results, as the statuses of the items of a map."""
    try:
        models = module("concurrency.models")  # since 2.0
    except MissingSdkError:
        return frozenset()
    enums = (value for value in vars(models).values() if isinstance(value, type) and issubclass(value, Enum))
    return frozenset(str(member.value) for enum in enums for member in enum)


# --- handlers ---------------------------------------------------------------------------------------------------------


def is_decorated(handler: object) -> bool:
    """Whether the handler is itself the wrapper that ``@durable_execution`` makes."""
    module = getattr(handler, "__globals__", {}).get("__name__")
    if module == f"{PACKAGE}.plugin":  # SDK 2.0 puts a wrapper for its plugins around that one
        return is_decorated(getattr(handler, "__wrapped__", None))
    return bool(module == f"{PACKAGE}.execution")


def is_durable(handler: object) -> bool:
    """Whether a handler is a function decorated with ``@durable_execution``, or wrapped around one.

    It is searched where decorators usually keep what they decorate; other ways of wrapping are not recognised.
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
    """The objects that a function, a partial, a bound method or a callable object refers to."""
    for name in ("__wrapped__", "func", "__func__", "__self__"):
        yield getattr(handler, name, None)
    for cell in getattr(handler, "__closure__", None) or ():
        with suppress(ValueError):  # an empty cell
            yield cell.cell_contents
    if hasattr(handler, "__dict__") and not isinstance(handler, type):
        yield from list(vars(handler).values())


def decorated(handler: Any) -> Any:
    """The function that ``@durable_execution`` decorates, if this is its wrapper; else the handler itself.

    It is needed for the function's name, which the wrapper of version 2 does not carry.
    """
    if getattr(handler, "__globals__", {}).get("__name__") == f"{PACKAGE}.plugin":
        handler = handler.__wrapped__  # version 2.0 puts a wrapper for plugins around its own
    if not is_decorated(handler):
        return handler
    inside = dict(zip(handler.__code__.co_freevars, handler.__closure__ or (), strict=True))
    return inside["func"].cell_contents if "func" in inside else handler


# --- the way in ------------------------------------------------------------------------------------------------------


def operation(operation: Mapping[str, Any]) -> Any:
    """The SDK's object for an operation of the service; nothing changes it, so invocations may share it."""
    return module("lambda_service").Operation.from_dict(operation)


class HandlerEvent:
    """The event of one invocation.

    ``given`` is the argument for the handler: for a decorated function the SDK's own object for tests, which carries
    our Lambda client; for anything wrapped around one the dictionary that Lambda invokes with, which it may copy and
    change (the client then comes by way of :class:`ClientHook`). ``entered`` is true once ``@durable_execution`` has
    the event. ``operations`` are the SDK's objects for the operations of the event, see :func:`operation`.
    """

    def __init__(self, event: Mapping[str, Any], client: object, handler: object, operations: Iterable[Any]) -> None:
        self._client = client
        self.entered = is_decorated(handler) or not hasattr(module("execution"), "LambdaClient")
        self.given: Any = self._injection(event, operations) if self.entered else _as_json(event)

    def enter(self) -> Any:
        """The client for the decorator, which has the event from now on."""
        self.entered = True
        return module("lambda_service").LambdaClient(client=self._client)

    def _injection(self, event: Mapping[str, Any], operations: Iterable[Any]) -> Any:
        """The SDK's object for tests; it has datetimes where Lambda's dictionary has milliseconds."""
        execution = module("execution")
        cls: Any = execution.DurableExecutionInvocationInputWithClient
        arguments = {
            "durable_execution_arn": event["DurableExecutionArn"],
            "checkpoint_token": event["CheckpointToken"],
            "initial_execution_state": execution.InitialExecutionState(
                operations=list(operations), next_marker=event["InitialExecutionState"]["NextMarker"]
            ),
            "service_client": self.enter(),
        }
        if "updated_operation_ids" in cls.__dataclass_fields__:
            arguments["updated_operation_ids"] = event["UpdatedOperationIds"]
        return cls(**arguments)


def _as_json(event: Mapping[str, Any]) -> dict[str, Any]:
    """The dictionary that Lambda sends; its timestamps are in milliseconds."""
    members = ("DurableExecutionArn", "CheckpointToken", "InitialExecutionState", "UpdatedOperationIds")
    return {name: _json_value(event[name]) for name in members}


def _json_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _json_value(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    return round(value.timestamp() * 1000) if isinstance(value, datetime) else value


class ClientHook(PatchGroup):
    """While installed, ``@durable_execution`` gets the Lambda client that ``client`` returns for the calling thread.

    Where that is None, the decorator makes its own, as it does in a deployed function.
    """

    def __init__(self, client: Callable[[], Any | None]) -> None:
        self._given = client
        self._original: Any = None
        super().__init__()

    def install(self) -> None:
        """Stand in for the class of the decorator's clients.

        A handler that is wrapped around the decorated function is called with the event that Lambda sends, which holds
        no client. The decorator looks ``execution.LambdaClient`` up at each call (since 2.0).
        """
        execution = module("execution")
        self._original = getattr(execution, "LambdaClient", None)
        if self._original is not None:
            self._patches.replace(execution, "LambdaClient", self)

    def __call__(self, client: object) -> Any:
        """``LambdaClient(client=...)``: the decorator was given a client of boto3."""
        return self._given() or self._original(client=client)

    def initialize_client(self) -> Any:
        """``LambdaClient.initialize_client()``: the decorator makes a client of boto3."""
        return self._given() or self._original.initialize_client()


# --- while handlers run ----------------------------------------------------------------------------------------------


def can_wake_up() -> bool:
    """Whether this SDK's checkpoint thread can be woken when it is told to stop (since 2.1).

    Otherwise it notices within its poll interval, 0.1 seconds for each invocation: slow, but right.
    """
    state = module("state")
    signal = getattr(state, "_Signal", None)
    return hasattr(signal, "REFRESH_WAKE") and hasattr(state.ExecutionState, "stop_checkpointing")


def can_stub_steps() -> bool:
    """Whether this SDK has the place at which the function of a step can be replaced (since 2.0)."""
    wrap = getattr(module("state").ExecutionState, "wrap_user_function", None)
    return wrap is not None and list(inspect.signature(wrap).parameters)[1:3] == _WRAPPED_PARAMETERS


Replace: TypeAlias = Callable[[str, Callable[..., Any]], Callable[..., Any]]
"""Returns what to call instead of the function of the step at this path, which leads through the named contexts.

The path of a step without a name is empty."""


@functools.cache
def _collecting() -> CodeType | None:
    """The code in which the checkpoint thread waits for more updates; None if it waits there for the first one too."""
    state_class = module("state").ExecutionState
    collect = getattr(state_class, "_collect_checkpoint_batch", None)
    return collect.__code__ if collect is not None and hasattr(state_class, "_wait_for_first_operation") else None


def is_about_to_send(frame: FrameType) -> bool:
    """Whether the thread that waits in ``frame``, of ``Condition.wait``, is the checkpoint thread with updates in hand.

    It waits for more updates to send along, in real time and for a second at most, and then goes on by itself.
    """
    in_get = frame.f_back
    caller = None if in_get is None else in_get.f_back
    return caller is not None and caller.f_code is _collecting()


_TELLING = ("on_operation_action", "on_operation_replay", "on_user_function_start", "on_user_function_end")
"""What the SDK calls to tell plugins. What one of them returns is only passed on, to the call that tells of the end."""


class Hooks(PatchGroup):
    """Patches of the SDK's ``ExecutionState`` while handlers run here.

    ``crashed`` is called when a ``SystemExit`` or ``KeyboardInterrupt`` leaves a step, a branch or the handler, before
    the SDK waits for branches that still run; an SDK without the places to patch reports the crash once they have
    ended. ``replacement`` returns, for an execution's ARN, what replaces the functions of its steps; None if nothing
    does.
    """

    def __init__(self, crashed: Callable[[BaseException], None], replacement: Callable[[str], Replace | None]) -> None:
        self._crashed = crashed
        self._replacement = replacement
        super().__init__()
        self._state: Any = None

    def flush(self) -> None:
        """Send the checkpoints that the running invocation has begun to collect: the start of a step waits a moment.

        Called by the SDK's own threads. An SDK without the place to note the invocation sends them in its own time.
        """
        if self._state is not None:
            self._state.create_checkpoint(None, is_sync=True)

    def install(self) -> None:
        state_class = module("state").ExecutionState
        if can_wake_up():
            # The checkpoint thread looks at its stop flag every 0.1 seconds only; an item in its queue wakes it, which
            # saves that time in each invocation. Since 2.1.
            self._patches.wrap(state_class, "stop_checkpointing", self._patched_stop)
        if can_stub_steps():
            # The one place that all functions of steps and contexts pass, with the operation's name and id: stubs
            # replace them here. Since 2.0.
            self._patches.wrap(state_class, "wrap_user_function", self._patched_for_stubs)
        if hasattr(state_class, "wrap_user_function"):
            # A crash in a step or branch is seen here before the SDK joins the other branches. Since 2.0.
            self._patches.wrap(state_class, "wrap_user_function", self._patched_for_crashes)
        if hasattr(state_class, "close"):
            # A crash in the handler itself is seen when its execution state is closed, before that joins branches and
            # the checkpoint thread. Since 2.0.
            self._patches.wrap(state_class, "close", self._patched_close)
            # The loop of the checkpoint thread, which begins with each invocation: it notes the state for ``flush``.
            # Since 2.0.
            self._patches.wrap(state_class, "checkpoint_batches_forever", self._patched_checkpoint_loop)
        plugins = getattr(module("plugin"), "PluginExecutor", None)
        if hasattr(plugins, "has_plugins"):
            # What plugins are told is put together before the SDK looks whether there are any, which takes a tenth of
            # the time of a run. Since 3.0.
            for name in _TELLING:
                self._patches.wrap(plugins, name, _patched_to_tell)

    def _patched_stop(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        wake = module("state")._Signal.REFRESH_WAKE

        def stop_checkpointing(execution_state: Any) -> None:
            original(execution_state)
            queue = getattr(execution_state, "_checkpoint_queue", None)
            if queue is not None:
                queue.put(wake)

        return stop_checkpointing

    def _patched_for_crashes(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def wrap_user_function(*args: Any, **kwargs: Any) -> Callable[..., Any]:
            wrapped = original(*args, **kwargs)

            def watched(*args: Any, **kwargs: Any) -> Any:
                try:
                    return wrapped(*args, **kwargs)
                except (SystemExit, KeyboardInterrupt) as error:
                    self._crashed(error)
                    raise

            return watched

        return wrap_user_function

    def _patched_close(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        def close(execution_state: Any) -> None:
            error = sys.exc_info()[1]
            if isinstance(error, (SystemExit, KeyboardInterrupt)):
                self._crashed(error)
            try:
                original(execution_state)
            finally:
                if self._state is execution_state:
                    self._state = None

        return close

    def _patched_checkpoint_loop(self, original: Callable[[Any], None]) -> Callable[[Any], None]:
        def checkpoint_batches_forever(execution_state: Any) -> None:
            # Its thread may begin when the invocation has ended already: nothing would ever answer a flush.
            stopped = getattr(execution_state, "_checkpointing_stopped", None)
            if stopped is None or not stopped.is_set():
                self._state = execution_state
            original(execution_state)
            if self._state is execution_state:
                self._state = None

        return checkpoint_batches_forever

    def _patched_for_stubs(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def wrap_user_function(
            state: Any, user_function: Callable[..., Any], operation_identifier: Any, *args: Any, **kwargs: Any
        ) -> Any:
            if operation_identifier.type.value == "CONTEXT":
                _contexts(state)[operation_identifier.operation_id] = operation_identifier
            elif (replace := self._replacement(state.durable_execution_arn)) is not None:
                path = _path(state, operation_identifier) if operation_identifier.name else ""
                user_function = replace(path, user_function)
            return original(state, user_function, operation_identifier, *args, **kwargs)

        return wrap_user_function


def _patched_to_tell(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def tell(plugins: Any, *args: Any, **kwargs: Any) -> Any:
        return original(plugins, *args, **kwargs) if plugins.has_plugins else None

    return tell


def _contexts(state: Any) -> dict[str, Any]:
    """The contexts that this invocation has entered, by id; the SDK's own state learns of them a moment later."""
    contexts: dict[str, Any] = vars(state).setdefault("_durabletest_contexts", {})
    return contexts


def _path(state: Any, identifier: Any) -> str:
    contexts, names = _contexts(state), []
    while identifier is not None:
        names += [identifier.name] if identifier.name else []
        identifier = contexts.get(identifier.parent_id)
    return "/".join(reversed(names))
