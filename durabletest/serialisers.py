"""The SDK's serialisers while handlers run: which of them an operation has, and what they refuse to write."""

from __future__ import annotations

import functools
import inspect
import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Protocol

from durabletest import sdk
from durabletest.model.payloads import refused_place, with_real_names

_NAMES = {"serialize": True, "deserialize": False}
"""The SDK's two functions, and whether they write."""
_PARAMETERS = {"serdes", "operation_id", "durable_execution_arn"}


class Listener(Protocol):
    """Is told of values in the threads of handlers."""

    def serialised(self, arn: str, operation_id: str, serialiser: object, *, wrote: bool) -> None:
        """An operation has written or read a value with this serialiser, not with the SDK's default."""

    def refused(self, said: str, place: str) -> None:
        """A serialiser of the SDK has refused a value, in these words, because of what is at that place inside it."""


class SerialiserHooks:
    """While installed, tells a listener of serialisers that are not the default, and of values that are refused.

    The SDK says only which type it has met, ``Object of type Money is not JSON serializable``, and so do the errors
    that the handler and its history get; where it was met, ``result['items'][0] is a Money``, is for people.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._undo = ExitStack()

    def install(self) -> None:
        """Wrap what writes the results of handlers, the two serialisers of operations, and what calls any."""
        serdes, execution = sdk.module("serdes"), sdk.module("execution")
        for name in ("JsonSerDes", "ExtendedTypeSerDes"):
            if hasattr(serdes, name):
                serialiser = getattr(serdes, name)
                self._replace(serialiser, "serialize", self._telling(serialiser.serialize))
        if getattr(execution, "json", None) is json:
            self._replace(execution, "json", _TellingJson(self._tell))
        for name, wrote in _NAMES.items():
            self._replace_everywhere(getattr(serdes, name, None), name, wrote)

    def remove(self) -> None:
        """Put the SDK back as it was."""
        self._undo.close()

    def _replace(self, owner: Any, name: str, replacement: Any) -> None:
        self._undo.callback(setattr, owner, name, getattr(owner, name))
        setattr(owner, name, replacement)

    def _replace_everywhere(self, function: Any, name: str, wrote: bool) -> None:
        """The SDK's modules have the function under its own name."""
        if function is None or not _PARAMETERS.issubset(inspect.signature(function).parameters):
            return
        noting = self._noting(function, wrote)
        for module in list(sys.modules.values()):
            if getattr(module, "__name__", "").startswith(f"{sdk.PACKAGE}.") and vars(module).get(name) is function:
                self._replace(module, name, noting)

    def _noting(self, original: Callable[..., Any], wrote: bool) -> Callable[..., Any]:
        parameters = list(inspect.signature(original).parameters)

        @functools.wraps(original)
        def noting(*args: Any, **kwargs: Any) -> Any:
            given = {**dict(zip(parameters, args, strict=False)), **kwargs}
            serialiser = given["serdes"]
            if serialiser is not None:
                arn, operation_id = given["durable_execution_arn"], given["operation_id"]
                self._listener.serialised(arn, operation_id, serialiser, wrote=wrote)
            return original(*args, **kwargs)

        return noting

    def _telling(self, original: Callable[..., str]) -> Callable[..., str]:
        @functools.wraps(original)
        def serialize(serialiser: Any, value: Any, context: Any = None) -> str:
            try:
                return original(serialiser, value, context)
            except Exception as error:
                self._tell(error, value, "value", lambda item: original(serialiser, item, context))
                raise

        return serialize

    def _tell(self, error: Exception, value: Any, what: str, writes: Callable[[Any], object]) -> None:
        self._listener.refused(_renamed(error), refused_place(value, what, writes))


class _TellingJson:
    """The module ``json``, but for the errors of ``dumps``."""

    def __init__(self, tell: Callable[..., None]) -> None:
        self._tell = tell

    def __getattr__(self, name: str) -> Any:
        return getattr(json, name)

    def dumps(self, value: Any, **options: Any) -> str:
        try:
            return json.dumps(value, **options)
        except (TypeError, ValueError) as error:
            self._tell(error, value, "result", json.dumps)
            raise


def _renamed(error: Any) -> str:
    """What the error says, to the handler too, with the real names of types."""
    said = with_real_names(str(error))
    if said != str(error):
        error.args = (said, *error.args[1:])
        if hasattr(error, "message"):
            error.message = said
    return said
