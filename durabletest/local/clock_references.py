"""References to the real clock that freezegun cannot replace, in the modules of a handler's author.

``field(default_factory=datetime.now)`` and the like hold what was there before time was frozen, and would show the real
time in silence. freezegun replaces the globals of modules, and nothing that is deeper: these are searched for.
"""

from __future__ import annotations

import ast
import gc
import linecache
import sys
import sysconfig
import warnings
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePath
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any
from weakref import WeakSet

import freezegun.api
import freezegun.config

from durabletest.errors import ClockWarning

_READERS = {"now", "utcnow", "today"}
_CLASSES: tuple[Any, ...] = (freezegun.api.real_datetime, freezegun.api.real_date)
_FUNCTIONS = {id(getattr(freezegun.api, f"real_{name}")) for name in ("time", "time_ns")}
_FIELDS = ("__dataclass_fields__", "__pydantic_fields__", "model_fields")
_LIMIT = 5_000
"""Objects that are looked at for one module, the nearest first: tables of data need not be read to their end."""
_TRANSPARENT = ("builtins", "functools", "dataclasses", "collections")
"""Modules whose objects are looked into, for what they hold is their owner's; those of others hold what is theirs."""
_ELSEWHERE = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_SITES = frozenset({"site-packages", "dist-packages"})

_searched: WeakSet[ModuleType] = WeakSet()
_asked: set[str] = set()
"""All names in those functions, of all modules that were searched, in which something is asked for the time."""
_told: dict[int, Any] = {}
"""Bound methods, of which there is one for each reference, by their ids; alive, so that no other gets its id."""


@dataclass(frozen=True, slots=True)
class Found:
    """The readers of the real clock in ``module``: names, each with a description of what it holds."""

    module: ModuleType
    readers: Mapping[str, str]


def search(names: Iterable[str], packages: Collection[str] = ()) -> list[Found]:
    """Look at those of the modules that are the author's, and at all of the author's that they use, each one once.

    The author's are all modules in ``packages``, and all that belong neither to the standard library nor to installed
    packages.
    """
    found = []
    seen: dict[int, Any] = {}
    todo = [module for name in names if (module := sys.modules.get(name)) is not None]
    while todo:
        module = todo.pop()
        if _is(module, ModuleType) and module not in _searched and _is_authors(module, packages):
            _searched.add(module)
            todo.extend(_used_by(module))
            found.append(Found(module, _find(module, seen)))
    return [each for each in found if each.readers]


def tell(found: Iterable[Found]) -> None:
    """Warn of each module, at the line where its first reference is."""
    for each in found:
        name = each.module.__name__
        where = "".join(f"\n  {name}.{attribute} {reader}" for attribute, reader in each.readers.items())
        file = getattr(each.module, "__file__", None) or name
        warnings.warn_explicit(
            f"these were taken before time was frozen, and read the real clock:{where}\n"
            "Look the time up when it is needed, as `lambda: datetime.now(UTC)` does, or set clock = 'time-machine' on "
            "the test class or runner, which reaches them",
            ClockWarning,
            file,
            _line_of(file, next(iter(each.readers))),
            name,
        )


def _find(module: ModuleType, seen: dict[int, Any]) -> dict[str, str]:
    """The names in the module that hold a reader of the real clock, each with a description of it."""
    found: dict[str, str] = {}
    waiting = deque(_roots(module))
    limit = len(seen) + _LIMIT
    while waiting and len(seen) < limit:
        name, item, in_class = waiting.popleft()
        if id(item) in _FUNCTIONS:
            found.setdefault(name, f"holds time.{item.__name__}")
        elif id(item) not in seen:
            seen[id(item)] = item
            reader = _reader(item)
            if reader is None:
                waiting.extend((name, inner, in_class) for inner in _inside(item, module, in_class))
            elif id(item) not in _told:
                _told[id(item)] = item
                found.setdefault(name, f"holds {reader}")
    return found | _subclasses_in_use(module)


def _is(item: Any, kind: type | tuple[type, ...]) -> bool:
    """Its real class decides: proxies have another ``__class__``, and may fail when they are asked for it."""
    return issubclass(type(item), kind)


def _reader(item: Any) -> str | None:
    """The name of the class method of a real class that asks for the time; None if the item is none."""
    if _is(item, BuiltinFunctionType) and item.__name__ in _READERS:
        owner = item.__self__
        if _is(owner, type) and issubclass(owner, _CLASSES):
            return f"{owner.__name__}.{item.__name__}"
    return None


def _roots(module: ModuleType) -> Iterator[tuple[str, Any, bool]]:
    """The objects that the module defines itself: name, object, and whether it is in a class; fields first."""
    for name, value in list(vars(module).items()):
        if name.startswith("__"):
            continue
        if _is(value, type):
            yield from _roots_of_class(name, value, module)
        elif not _is(value, FunctionType) or not _is_imported(value, module):
            yield name, value, False


def _is_imported(function: FunctionType, module: ModuleType) -> bool:
    """Whether it is at home in another module; what a decorator has made is not."""
    home = sys.modules.get(function.__module__)
    return home is not None and home is not module and vars(home).get(function.__name__) is function


def _roots_of_class(name: str, cls: type, module: ModuleType) -> Iterator[tuple[str, Any, bool]]:
    if cls.__module__ != module.__name__:
        return
    attributes = dict(vars(cls))
    for fields in _FIELDS:
        found = dict(attributes.pop(fields, None) or {})
        yield from ((f"{name}.{field}", value, True) for field, value in found.items())
    for attribute, value in attributes.items():
        if _is(value, type) and value.__qualname__ == f"{cls.__qualname__}.{attribute}":
            yield from _roots_of_class(f"{name}.{attribute}", value, module)
        else:
            yield f"{name}.{attribute}", value, True


def _inside(item: Any, module: ModuleType, in_class: bool) -> Iterable[Any]:
    """The data of its own that an object refers to: no modules, no classes, no globals of functions."""
    if _is(item, (ModuleType, type, CodeType)):
        return ()
    if not _is(item, FunctionType):
        return gc.get_referents(item) if _is_entered(type(item), module, in_class) else ()
    if is_in(str(item.__module__), left_out()):
        return ()
    _asked.update(*(code.co_names for code in _codes(item.__code__) if not _READERS.isdisjoint(code.co_names)))
    inner = [*(item.__defaults__ or ()), *(item.__kwdefaults__ or {}).values()]
    inner += [value for cell in item.__closure__ or () for value in gc.get_referents(cell)]
    if _READERS.isdisjoint(item.__code__.co_names):
        return inner
    return [*inner, *(value.today for value in inner if any(value is cls for cls in _CLASSES))]


def _is_entered(cls: type, module: ModuleType, in_class: bool) -> bool:
    """The author's objects are; those of other packages only in a class, whose fields they may describe.

    A logger or a client of AWS holds clocks, too, which are not the author's.
    """
    home = str(cls.__module__)
    package = home.partition(".")[0]
    if package in _TRANSPARENT:
        return True
    if package in sys.stdlib_module_names or is_in(home, left_out()):
        return False
    owner = sys.modules.get(home)
    return in_class or (owner is not None and _is_authors(owner, {module.__name__.partition(".")[0]}))


def _subclasses_in_use(module: ModuleType) -> dict[str, str]:
    """Classes of the module's own that derive from ``datetime``, if code of the author's asks one for the time."""
    values = list(vars(module).values())
    classes = [value for value in values if _is(value, type) and value.__module__ == module.__name__]
    asked = [cls for cls in classes if issubclass(cls, _CLASSES) and cls.__name__ in _asked]
    base = {cls: next(base.__name__ for base in cls.__mro__ if base in _CLASSES) for cls in asked}
    return {cls.__name__: f"inherits from {base[cls]}" for cls in asked}


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _codes(inner)


def _used_by(module: ModuleType) -> Iterator[ModuleType]:
    """The modules that its globals are or come from."""
    for value in list(vars(module).values()):
        if _is(value, ModuleType):
            yield value
        elif _is(value, (type, FunctionType)) and value.__module__ in sys.modules:
            yield sys.modules[value.__module__]


def _is_authors(module: ModuleType, packages: Collection[str]) -> bool:
    if is_in(module.__name__, left_out()):
        return False
    file = getattr(module, "__file__", None)
    return is_in(module.__name__, tuple(packages)) or (file is not None and not _is_installed(file))


def _is_installed(file: str) -> bool:
    """Whether it belongs to Python or to an installed package, of whichever site directory."""
    return file.startswith(_ELSEWHERE) or not _SITES.isdisjoint(PurePath(file).parts)


def _line_of(file: str, name: str) -> int:
    """The line that defines the name, or the first one."""
    line = 1
    body: list[ast.stmt] = ast.parse("".join(linecache.getlines(file))).body
    for part in name.split("."):
        statement = next((one for one in body if part in _defines(one)), None)
        if statement is None:
            break
        line, body = statement.lineno, getattr(statement, "body", [])
    return line


def _defines(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return [statement.name]
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


# --- modules that keep the real clock ---

_KEEP_REAL = (
    "durabletest",
    "_pytest",
    "pytest_timeout",
    "unittest",
    "hypothesis",
    "coverage",
    "concurrent.futures",
    "multiprocessing",
    "asyncio",
    "freezegun",
)
"""Packages that are left out of the scan, with the modules in them, and beside those that freezegun leaves out."""
_NOT_LEFT_OUT = ("threading", "queue")
"""freezegun leaves them out for their timeouts, which need no more than a real monotonic clock."""


def left_out() -> tuple[str, ...]:
    configured = freezegun.config.settings.default_ignore_list
    return tuple({*_KEEP_REAL, *(name.rstrip(".") for name in configured if name not in _NOT_LEFT_OUT)})


def configured() -> list[str]:
    """The prefixes of modules that the user has added to freezegun's ignore list."""
    known = {*freezegun.config.DEFAULT_IGNORE_LIST}
    return [name for name in freezegun.config.settings.default_ignore_list if name not in known]


def is_in(module: str, packages: tuple[str, ...]) -> bool:
    return module in packages or module.startswith(_prefixes(packages))


@lru_cache
def _prefixes(packages: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{package}." for package in packages)
