"""What is left out of a snapshot: operations by name or path, and facts about them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from durabletest.errors import UsageError
from durabletest.model.canonical import Canonical
from durabletest.model.suggest import unknown

Step: TypeAlias = str | int | None
"""One step into a value: a key, an index, or None for each of them."""

FACTS = ("input", "result", "error", "attempts", "seconds", "timeout", "heartbeat_timeout", "function")
"""The facts that can be left out; see :func:`durabletest.model.canonical.canonical`."""
_EXECUTION = "execution"
_STEP = r"""\[(?:'([^']*)'|"([^"]*)"|(\d+)|\*)\]"""
_FACT = re.compile(rf"(?:(?P<of>.+): )?(?P<name>\w+)(?P<place>(?:{_STEP})*)", re.DOTALL)


@dataclass(frozen=True)
class Fact:
    """``text`` is as the test's author wrote it; ``of`` is a name or path, None for everything there is."""

    text: str
    of: str | None
    name: str
    place: tuple[Step, ...]

    @classmethod
    def written(cls, text: str) -> Fact:
        found = _FACT.fullmatch(text)
        if found is None:
            raise UsageError(
                f"ignore={text!r}: write a fact, 'attempts', a place in it, \"result['at']\" or \"result[*]['id']\", "
                "or one of an operation, \"charge: result['at']\""
            )
        if found["name"] not in FACTS:
            raise unknown(found["name"], FACTS, "fact of a snapshot that can be left out")
        return cls(text, found["of"], found["name"], tuple(map(_step, re.finditer(_STEP, found["place"]))))


@dataclass
class Omission:
    """Leaves operations and facts out of snapshots, and knows which of them there were."""

    operations: tuple[str, ...]
    facts: tuple[Fact, ...]
    _used: set[str] = field(default_factory=set)

    @classmethod
    def given(cls, without: str | Iterable[str], ignore: str | Iterable[str]) -> Omission:
        """As the arguments of a check: one text or several."""
        return cls(_texts("without", without), tuple(map(Fact.written, _texts("ignore", ignore))))

    @property
    def unused(self) -> list[tuple[str, str]]:
        """What was to be left out and never was there: as an argument of the check, and the name in it."""
        given = [(f"without={name!r}", name) for name in self.operations]
        given += [(f"ignore={fact.text!r}", fact.of or fact.name) for fact in self.facts]
        return [(argument, name) for argument, name in given if argument not in self._used]

    def left(self, snapshot: Canonical) -> Canonical:
        """What is left of a snapshot; the snapshot stays as it is."""
        return self._rest(snapshot, _EXECUTION, "")

    def _rest(self, snapshot: Canonical, called: str | None, path: str) -> Canonical:
        """What is left of the execution or an operation that is ``called`` so; ``path`` is for what is inside."""
        rest = dict(snapshot)
        for fact in self.facts:
            about_it = fact.of is None or _is_meant(called, fact.of)
            if about_it and _remove(rest, (fact.name, *fact.place)):
                self._used.add(f"ignore={fact.text!r}")
        if "operations" in rest:
            rest["operations"] = list(self._operations(rest["operations"], path))
        return {key: value for key, value in rest.items() if key != "operations" or value}

    def _operations(self, operations: Iterable[Canonical], path: str) -> Iterator[Canonical]:
        for operation in operations:
            name = operation.get("name")
            called = f"{path}{name}" if name else None  # unnamed ones are in no path, as everywhere
            left_out = [wanted for wanted in self.operations if _is_meant(called, wanted)]
            self._used.update(f"without={wanted!r}" for wanted in left_out)
            if not left_out:
                yield self._rest(operation, called, path if called is None else f"{called}/")


def _texts(argument: str, given: str | Iterable[str]) -> tuple[str, ...]:
    texts = (given,) if isinstance(given, str) else tuple(given)
    for text in texts:
        if not isinstance(text, str):
            raise UsageError(f"{argument}={text!r}: give a string, or several")
    return texts


def _is_meant(called: str | None, wanted: str) -> bool:
    """By a name, or the end of a path."""
    return called is not None and f"/{called}".endswith(f"/{wanted}")


def _step(found: re.Match[str]) -> Step:
    one, other, index = found.groups()
    return int(index) if index else other if one is None else one


def _remove(container: Any, place: tuple[Step, ...]) -> bool:
    """Replace what is on the way by copies, and take the value at the end out; an item of a list becomes None."""
    step, *further = place
    found = []
    for key in _keys(container, step):
        if further:
            container[key] = _copied(container[key])
            found.append(_remove(container[key], tuple(further)))
            continue
        found.append(True)
        if isinstance(container, dict):
            del container[key]
        else:
            container[key] = None
    return any(found)


def _keys(container: Any, step: Step) -> list[Any]:
    if isinstance(container, dict):
        return list(container) if step is None else [step] if step in container else []
    if isinstance(container, list):
        indexes = range(len(container))
        return list(indexes) if step is None else [step] if step in indexes else []
    return []


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, dict | list) else value
