"""Copies of exceptions: one instance that several threads raise would collect the tracebacks of all of them."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

ErrorT = TypeVar("ErrorT", bound=BaseException)


def fresh(error: ErrorT) -> ErrorT:
    """A copy without a traceback; the exception itself, if no copy says the same."""
    for make in (copy.copy, _without_init):
        try:
            made = make(error)
        except Exception:  # its class does not let itself be copied in this way
            continue
        if made is not error and _is_same(made, error):
            return _with_causes(made, error)
    return error.with_traceback(None)


def _without_init(error: ErrorT) -> ErrorT:
    """Made past the class's own ``__init__``, which takes other arguments than it hands on to that of its base."""
    cls = type(error)
    made: ErrorT = cls.__new__(cls, *error.args)
    builtin: Any = next(base for base in cls.__mro__ if base.__module__ == "builtins")
    builtin.__init__(made, *error.args)
    vars(made).update(vars(error))
    return made


def _is_same(made: BaseException, error: BaseException) -> bool:
    """Type, arguments and attributes are the same; attributes in slots are not looked at, and so are not presumed."""
    if type(made) is not type(error) or any(vars(cls).get("__slots__") for cls in type(error).__mro__):
        return False
    ours, theirs = vars(made), vars(error)
    return (
        len(made.args) == len(error.args)
        and all(one is other for one, other in zip(made.args, error.args, strict=True))
        and ours.keys() == theirs.keys()
        and all(ours[name] is theirs[name] for name in ours)
    )


def _with_causes(made: ErrorT, error: ErrorT) -> ErrorT:
    made.__cause__, made.__context__ = error.__cause__, error.__context__
    made.__suppress_context__ = error.__suppress_context__
    if hasattr(error, "__notes__"):
        made.__notes__ = list(error.__notes__)
    return made
