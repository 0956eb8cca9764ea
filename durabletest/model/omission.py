"""Leaving operations and facts out of snapshots: the arguments ``without`` and ``ignore`` of a comparison."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from durabletest.errors import UsageError
from durabletest.model.comparison import Canonical
from durabletest.model.lookup import unknown

Key: TypeAlias = str | int | None
"""A key or index in a value; ``None`` stands for all of them, as ``[*]`` does in the argument."""

FACTS = ("input", "result", "error", "attempts", "seconds", "timeout", "heartbeat_timeout", "function")
"""The facts that can be left out; see :func:`durabletest.model.comparison.canonical`."""
_EXECUTION = "execution"
_KEY = r"""\[(?:'([^']*)'|"([^"]*)"|(\d+)|\*)\]"""
_FACT = re.compile(rf"(?:(?P<of>.+): )?(?P<name>\w+)(?P<place>(?:{_KEY})*)", re.DOTALL)


@dataclass(frozen=True)
class Fact:
    """One ``ignore`` argument, ``"charge: result['at']"``.

    ``text`` is the argument itself; ``of`` the name or path of an operation, ``None`` for all; ``place`` the keys that
    lead to the part of the fact that is left out.
    """

    text: str
    of: str | None
    name: str
    place: tuple[Key, ...]

    @classmethod
    def parse(cls, text: str) -> Fact:
        found = _FACT.fullmatch(text)
        if found is None:
            raise UsageError(
                f"ignore={text!r}: write a fact, 'attempts', a place in it, \"result['at']\" or \"result[*]['id']\", "
                "or one of an operation, \"charge: result['at']\""
            )
        if found["name"] not in FACTS:
            raise unknown(found["name"], FACTS, "fact of a snapshot that can be left out")
        return cls(text, found["of"], found["name"], tuple(map(_key, re.finditer(_KEY, found["place"]))))


@dataclass
class Omission:
    """Leaves operations and facts out of snapshots, and records which arguments matched something."""

    operations: tuple[str, ...]
    facts: tuple[Fact, ...]
    _used: set[str] = field(default_factory=set)

    @classmethod
    def given(cls, without: str | Iterable[str], ignore: str | Iterable[str]) -> Omission:
        """Parse the two arguments of a check, each a string or several; raises ``UsageError``."""
        return cls(_texts("without", without), tuple(map(Fact.parse, _texts("ignore", ignore))))

    @property
    def unused(self) -> list[tuple[str, str]]:
        """Each argument that matched nothing so far, as it was written, and the name in it."""
        given = [(f"without={name!r}", name) for name in self.operations]
        given += [(f"ignore={fact.text!r}", fact.of or fact.name) for fact in self.facts]
        return [(argument, name) for argument, name in given if argument not in self._used]

    def left(self, snapshot: Canonical) -> Canonical:
        """A copy of a snapshot without what is left out."""
        return self._rest(snapshot, _EXECUTION, "")

    def _rest(self, snapshot: Canonical, own_path: str | None, prefix: str) -> Canonical:
        """The rest of the execution or one operation; ``prefix`` is the path of the contexts around its operations."""
        rest = dict(snapshot)
        for fact in self.facts:
            matches = fact.of is None or _is_at(own_path, fact.of)
            if matches and _remove(rest, (fact.name, *fact.place)):
                self._used.add(f"ignore={fact.text!r}")
        if "operations" in rest:
            rest["operations"] = list(self._operations(rest["operations"], prefix))
        return {key: value for key, value in rest.items() if key != "operations" or value}

    def _operations(self, operations: Iterable[Canonical], prefix: str) -> Iterator[Canonical]:
        for operation in operations:
            name = operation.get("name")
            path = f"{prefix}{name}" if name else None  # paths skip unnamed contexts
            left_out = [wanted for wanted in self.operations if _is_at(path, wanted)]
            self._used.update(f"without={wanted!r}" for wanted in left_out)
            if not left_out:
                yield self._rest(operation, path, prefix if path is None else f"{path}/")


def _texts(argument: str, given: str | Iterable[str]) -> tuple[str, ...]:
    texts = (given,) if isinstance(given, str) else tuple(given)
    for text in texts:
        if not isinstance(text, str):
            raise UsageError(f"{argument}={text!r}: give a string, or several")
    return texts


def _is_at(path: str | None, wanted: str) -> bool:
    return path is not None and f"/{path}".endswith(f"/{wanted}")


def _key(found: re.Match[str]) -> Key:
    one, other, index = found.groups()
    return int(index) if index else other if one is None else one


def _remove(container: Any, place: tuple[Key, ...]) -> bool:
    """Remove the value at a place, and return whether there was one; an item of a list becomes ``None``.

    The containers on the way there are replaced by copies, because they belong to the original snapshot.
    """
    key, *further = place
    if isinstance(container, dict):
        keys: list[Any] = list(container) if key is None else [key] if key in container else []
    else:
        indexes = range(len(container)) if isinstance(container, list) else ()
        keys = list(indexes) if key is None else [key] if key in indexes else []
    removed = False
    for at in keys:
        if further:
            inner = container[at]
            container[at] = inner.copy() if isinstance(inner, dict | list) else inner
            removed |= _remove(container[at], tuple(further))
            continue
        removed = True
        if isinstance(container, dict):
            del container[at]
        else:
            container[at] = None
    return removed
