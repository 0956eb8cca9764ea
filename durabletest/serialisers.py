"""The SDK's serialisers: payloads decoded to values, and what serialisers do while handlers run.

Local and deployed executions are decoded alike.
"""

from __future__ import annotations

import functools
import inspect
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from types import ModuleType
from typing import Any

from durabletest import sdk
from durabletest.errors import PayloadError
from durabletest.model.payloads import TruncatedPayload, json_or_text, refused_place, with_real_names
from durabletest.model.records import ErrorDetails, OperationRecord, OperationType
from durabletest.patches import PatchGroup

_NAMES = {"serialize": True, "deserialize": False}
"""The SDK's two functions that call serialisers, and whether they write."""
_PARAMETERS = {"serdes", "operation_id", "durable_execution_arn"}
_MEMBERS_OF_ENVELOPE = 2
"""The tag of a type, and the value."""


# --- payloads ---------------------------------------------------------------------------------------------------------


def decode(payload: str | None, record: OperationRecord | None) -> Any:
    """The value of an operation's payload: a callback's is its text, an invoke's is JSON.

    Without a record it is the payload of the execution itself, which is JSON.
    """
    if payload is None:
        return None
    if isinstance(payload, TruncatedPayload):
        what = "result of the execution" if record is None else f"payload of {record.type} {record.name!r}"
        rest = f": {str(payload)!r}..." if payload else ""
        raise PayloadError(f"the service has truncated the {what} in its history{rest}")
    if record is None or record.type is OperationType.CHAINED_INVOKE:
        return json_or_text(payload)
    if record.type is OperationType.CALLBACK:
        return payload
    return decode_result(payload)


def decode_result(payload: str) -> Any:
    """The value of a step's or context's payload.

    The SDK's default serialiser writes JSON: plain for primitives and lists of them, else an envelope with type tags,
    which it decodes. Other JSON comes from a serialiser of the user's and is parsed; text that is no JSON is returned
    as it is.
    """
    try:
        value = json.loads(payload)
    except ValueError:
        return payload
    if not isinstance(value, Mapping) or len(value) != _MEMBERS_OF_ENVELOPE:
        return value
    serdes = sdk.module("serdes")
    try:
        return serdes.EXTENDED_TYPES_SERDES.deserialize(payload, None)
    except Exception:  # whatever the SDK's codecs raise for an object of the user's that looks like an envelope
        return value


# --- while handlers run -----------------------------------------------------------------------------------------------


class ValueNotes:
    """Notes on values that the service does not record: their serialisers, and the reasons for refusing them.

    Written by threads of handlers, read by those of tests. ``current_arn`` returns the ARN of the execution for which
    the calling thread works, or None.

    A chained invoke writes its payload with one serialiser and reads its result with another; all other operations read
    what they have written.
    """

    def __init__(self, current_arn: Callable[[], str | None]) -> None:
        self._current_arn = current_arn
        self._lock = Lock()
        self._serialisers: defaultdict[str, dict[tuple[str, bool], object]] = defaultdict(dict)
        self._refusals: defaultdict[str, dict[str, str]] = defaultdict(dict)

    def serialised(self, arn: str, operation_id: str, serialiser: object, *, wrote: bool) -> None:
        """An operation has written or read a value with this serialiser, not with the SDK's default."""
        with self._lock:
            self._serialisers[arn][operation_id, wrote] = serialiser

    def refused(self, said: str, place: str) -> None:
        """A value was refused with this message because of the item at that place inside it."""
        arn = self._current_arn()
        if arn is not None:
            with self._lock:
                self._refusals[arn][said] = place

    def forget(self, arn: str) -> None:
        with self._lock:
            self._serialisers.pop(arn, None)
            self._refusals.pop(arn, None)

    def decode(self, arn: str, payload: str | None, record: OperationRecord | None) -> Any:
        """The value of a payload, read by the operation's own serialiser if it has one.

        A payload that it cannot read here, the summary of a large result for example, is read as any other.
        """
        serialiser: Any = None if record is None else self._serialiser(arn, record, payload)
        if serialiser is None or payload is None or record is None:
            return decode(payload, record)
        try:
            return serialiser.deserialize(payload, sdk.module("serdes").SerDesContext(record.id, arn))
        except Exception:
            return decode(payload, record)

    def place(self, arn: str, error: ErrorDetails) -> str | None:
        """The place inside a refused value that an error is about."""
        with self._lock:
            refusals = list(self._refusals.get(arn, {}).items())
        return next((place for said, place in refusals if said in (error.message or "")), None)

    def _serialiser(self, arn: str, record: OperationRecord, payload: str | None) -> object | None:
        wrote = payload is record.input or record.type not in (OperationType.CHAINED_INVOKE, OperationType.CALLBACK)
        with self._lock:
            return self._serialisers.get(arn, {}).get((record.id, wrote))


class SerialiserHooks(PatchGroup):
    """Patches that note serialisers other than the default one, and values that are refused.

    The SDK's errors name the type of the refused value only, ``Object of type Money is not JSON serializable``, and so
    do those that the handler and its history get; the notes also have the place, ``result['items'][0] is a Money``.
    """

    def __init__(self, notes: ValueNotes) -> None:
        self._notes = notes
        super().__init__()

    def install(self) -> None:
        serdes, execution = sdk.module("serdes"), sdk.module("execution")
        # The two serialisers of the SDK itself: the value that they refuse is searched for the place. Since 2.0.
        for name in ("JsonSerDes", "ExtendedTypeSerDes"):
            if hasattr(serdes, name):
                self._patches.wrap(getattr(serdes, name), "serialize", self._patched_serialize)
        # The result of a handler is written by ``json.dumps``, not by a serialiser. Since 2.0.
        if getattr(execution, "json", None) is json:
            self._patches.replace(execution, "json", self._telling_json())
        # All operations call their serialiser through these two functions, which so tell which one it is; the
        # history does not. Since 2.0.
        inside = f"{sdk.PACKAGE}."
        within = [module for key, module in list(sys.modules.items()) if key.startswith(inside)]
        for name, wrote in _NAMES.items():
            self._replace_everywhere(getattr(serdes, name, None), name, wrote, within)

    def _replace_everywhere(self, function: Any, name: str, wrote: bool, within: Iterable[ModuleType]) -> None:
        """In those of the SDK's modules that have imported the function, under its own name."""
        if function is None or not _PARAMETERS.issubset(inspect.signature(function).parameters):
            return
        noting = self._noting(function, wrote)
        for module in within:
            if vars(module).get(name) is function:
                self._patches.replace(module, name, noting)

    def _noting(self, original: Callable[..., Any], wrote: bool) -> Callable[..., Any]:
        parameters = list(inspect.signature(original).parameters)

        @functools.wraps(original)
        def noting(*args: Any, **kwargs: Any) -> Any:
            given = {**dict(zip(parameters, args, strict=False)), **kwargs}
            serialiser = given["serdes"]
            if serialiser is not None:
                arn, operation_id = given["durable_execution_arn"], given["operation_id"]
                self._notes.serialised(arn, operation_id, serialiser, wrote=wrote)
            return original(*args, **kwargs)

        return noting

    def _patched_serialize(self, original: Callable[..., str]) -> Callable[..., str]:
        @functools.wraps(original)
        def serialize(serialiser: Any, value: Any, context: Any = None) -> str:
            try:
                return original(serialiser, value, context)
            except Exception as error:
                self._tell(error, value, "value", lambda item: original(serialiser, item, context))
                raise

        return serialize

    def _telling_json(self) -> ModuleType:
        """The module ``json``, except that ``dumps`` reports the values it refuses."""

        def dumps(value: Any, **options: Any) -> str:
            try:
                return json.dumps(value, **options)
            except (TypeError, ValueError) as error:
                self._tell(error, value, "result", json.dumps)
                raise

        telling = ModuleType("json")
        vars(telling).update(vars(json), dumps=dumps)
        return telling

    def _tell(self, error: Exception, value: Any, what: str, writes: Callable[[Any], object]) -> None:
        self._notes.refused(_renamed(error), refused_place(value, what, writes))


def _renamed(error: Any) -> str:
    """The error's message, with the real names of types, as the handler will see it too."""
    said = with_real_names(str(error))
    if said != str(error):
        error.args = (said, *error.args[1:])
        if hasattr(error, "message"):
            error.message = said
    return said
