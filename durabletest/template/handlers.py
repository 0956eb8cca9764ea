"""Imports the handlers that a template names, as Lambda does: from the folder of the function's code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from durabletest.errors import ConfigurationError
from durabletest.template.functions import TemplateFunction

_REMEDY = "write handler = my_function in the test class"


def import_handler(function: TemplateFunction) -> Callable[..., Any]:
    """The handler of a function; raises :class:`ConfigurationError` if it cannot be imported.

    A module of that name that is loaded or can be imported already is taken if it is that file, or a copy of it: what
    ``cdk synth`` and ``sam build`` leave are copies. Otherwise the folder of the code is added to the end of
    ``sys.path``.
    """
    named, runtime = function.handler, function.runtime
    if runtime is not None and not runtime.startswith("python"):
        raise ConfigurationError(f"{function} runs on {runtime}, and only Python can be run here")
    module_name, _, attribute = (named or "").rpartition(".")
    if named is None or not module_name:
        raise ConfigurationError(f"{function} has no Handler that could be imported, {named!r}: {_REMEDY}")
    module = _module(function, module_name.replace("/", "."))
    try:
        handler: Callable[..., Any] = getattr(module, attribute)
    except AttributeError:
        raise ConfigurationError(f"the Handler of {function} is {named!r}, and {module.__file__} has none") from None
    if not callable(handler):
        raise ConfigurationError(f"the Handler of {function} is {named!r}, which is {handler!r} and cannot be called")
    return handler


def _module(function: TemplateFunction, name: str) -> Any:
    code = function.code
    file = None if code is None else _file(code, name)
    if code is not None and file is not None:
        for loaded in list(sys.modules.values()):
            if _is_file(getattr(loaded, "__file__", None), file):
                return loaded
        if _importable(name) is None:
            sys.path.append(str(code.resolve()))
    found = _importable(name)
    if found is None:
        where = "sys.path" if code is None else f"{code} and sys.path"
        raise ConfigurationError(f"the module {name!r} of {function} is not in {where}: {_REMEDY}")
    if file is not None and not _same(found, file):
        raise ConfigurationError(
            f"the module {name!r} of {function} is {file}, and importing {name!r} gives {found}, which differs. Of "
            "several functions whose modules have one name, import them in the test from their folders, as in `from "
            f"orders import {name}`; after a change run cdk synth or sam build again; or {_REMEDY}"
        )
    try:
        return import_module(name)
    except Exception as error:
        raise ConfigurationError(f"the module {name!r} of {function} cannot be imported: {error!r}") from error


def _file(code: Path, name: str) -> Path | None:
    """The module's file in the folder of the code; None if it is not there."""
    places = (code.joinpath(*name.split(".")).with_suffix(".py"), code.joinpath(*name.split("."), "__init__.py"))
    return next((place.resolve() for place in places if place.is_file()), None)


def _importable(name: str) -> Path | None:
    """The file that importing that name gives; None if there is no such module."""
    if name in sys.modules:
        file = getattr(sys.modules[name], "__file__", None)
        return None if file is None else Path(file)
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return None
    return None if spec is None or spec.origin is None else Path(spec.origin)


def _same(found: Path, file: Path) -> bool:
    return _is_file(str(found), file) or (found.is_file() and found.read_bytes() == file.read_bytes())


def _is_file(name: str | None, file: Path) -> bool:
    return name is not None and name.endswith(file.name) and Path(name).resolve() == file
