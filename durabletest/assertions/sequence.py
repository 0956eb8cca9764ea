"""Whether things came in an order, where that of some, at one instant, may be open."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Broken(Generic[T]):
    """Where a sequence breaks: ``name`` does not follow ``last``, of the name ``after``.

    ``instead`` are those of that name, if any.

    ``by_chance``: one of them came at the same instant in a parallel branch, where any order may come.
    """

    name: str
    after: str | None
    last: T | None
    instead: Sequence[T]
    by_chance: bool


def broken(
    names: Iterable[str], candidates: Callable[[str], Sequence[T]], precedes: Callable[[T, T], bool | None]
) -> Broken[T] | None:
    """Where the first thing is missing that should follow the one before; others may come in between."""
    last: T | None = None
    after: str | None = None
    for name in names:
        found, chances = candidates(name), []
        for thing in found:
            follows = last is None or precedes(last, thing)
            if follows:
                break
            chances.append(follows is None)
        else:
            return Broken(name, after, last, found, any(chances))
        last, after = thing, name
    return None
