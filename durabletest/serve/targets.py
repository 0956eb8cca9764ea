"""The functions to serve, as the command line names them: ``app.py:handler``, ``name=package.module:handler``."""

from __future__ import annotations

import importlib
import re
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from durabletest import sdk
from durabletest.errors import ConfigurationError
from durabletest.model.lookup import nearest

_DRIVE = r"(?:[A-Za-z]:(?=[\\/]))?"
_TARGET = re.compile(rf"(?:(?P<name>[^=:/]+)=)?(?P<module>{_DRIVE}[^=:]+?)(?::(?P<attribute>\w+))?")


def joined(
    functions: Mapping[str, Callable[..., Any]], others: Mapping[str, Callable[..., Any]]
) -> dict[str, Callable[..., Any]]:
    """All these functions, by the names with which they are invoked."""
    twice = [name for name in others if name in functions]
    if twice:
        raise ConfigurationError(f"{twice[0]!r} is served twice: give the function, or its runtime, another name")
    if not (functions or others):
        raise ConfigurationError("there is nothing to serve: name a FILE.py, or a --runtime")
    return {**functions, **others}


def load(targets: Sequence[str]) -> dict[str, Callable[..., Any]]:
    """The functions by the names with which they are invoked, in the order of the targets.

    ``app.py:handler`` is one function, by default invoked by its own name; ``app.py`` stands for all durable functions
    that the module defines.
    """
    functions: dict[str, Callable[..., Any]] = {}
    for target in targets:
        for name, function in _functions(target).items():
            if name in functions:
                raise ConfigurationError(f"{name!r} is served twice: give one of them another name, NAME={target}")
            functions[name] = function
    return functions


def _functions(target: str) -> dict[str, Callable[..., Any]]:
    parts = _TARGET.fullmatch(target)
    if parts is None:
        raise ConfigurationError(f"{target!r} is no function: write FILE.py:FUNCTION, or NAME=MODULE:FUNCTION")
    module, name, attribute = _module(parts["module"]), parts["name"], parts["attribute"]
    if attribute is None:
        found = _durable_functions(module)
        if name is not None or not found:
            problem = "a name needs a function" if found else "the module defines no durable function"
            raise ConfigurationError(f"{target!r}: {problem}; write {target}:FUNCTION")
        return found
    function = getattr(module, attribute, None)
    if not callable(function):
        hint = nearest(attribute, [key for key, value in vars(module).items() if callable(value)])
        raise ConfigurationError(f"{target!r}: {parts['module']} has no function {attribute!r}{hint}")
    return {name or attribute: function}


def _durable_functions(module: ModuleType) -> dict[str, Callable[..., Any]]:
    return {
        name: value
        for name, value in vars(module).items()
        if callable(value) and sdk.is_decorated(value) and sdk.decorated(value).__module__ == module.__name__
    }


def _module(name: str) -> ModuleType:
    """A module by its dotted name, or by its file, whose folder is then the first in which modules are searched."""
    path = Path(name)
    is_file = path.suffix == ".py"
    if is_file and not path.is_file():
        raise ConfigurationError(f"there is no file {name!r}, seen from {Path.cwd()}")
    folder, dotted = (str(path.resolve().parent), path.stem) if is_file else (str(Path.cwd()), name)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        module = importlib.import_module(dotted)
    except Exception as error:
        [*_, last] = traceback.format_exception_only(error)
        raise ConfigurationError(f"{name!r} cannot be imported: {last.rstrip()}") from error
    if is_file and Path(module.__file__ or "").resolve() != path.resolve():
        raise ConfigurationError(
            f"{name!r} cannot be imported as {dotted!r}, which is {module.__file__}: rename the file"
        )
    return module
