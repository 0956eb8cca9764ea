"""Recorders of side effects: how often something has happened in the world outside, from where, and by which key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, NoReturn, Self

from durabletest.errors import UsageError
from durabletest.sdk_operations import RunningStep, running_step
from durabletest.value_checks import is_count

__unittest = True
__tracebackhide__ = True

_NO_KEY: Any = object()
_CURE = "make it of the input, or in a step of its own before"


@dataclass(frozen=True, slots=True)
class EffectCall:
    """One call of a recorder: its arguments, and the step that runs in the calling thread; None outside of any step."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    step: RunningStep | None

    @property
    def place(self) -> str:
        """Where it was called, in words."""
        return "outside of any step" if self.step is None else f"in {self.step}"


@dataclass(slots=True, eq=False)
class SideEffect:
    """Records how often one thing happens: call it from a stub, a fake, or the code under test.

    ``calls`` are the calls of the last run. Rules, ``at_most_once`` and ``with_key``, are stated before the run, and
    checked at the end of the test and after each run of ``assertSurvivesCrashes``; ``happened`` is checked at once.
    """

    name: str
    fail: Callable[[str], NoReturn] = field(repr=False)
    calls: list[EffectCall] = field(default_factory=list, init=False)
    _key: str | Callable[..., Any] | None = field(default=None, init=False)
    _once: bool = field(default=False, init=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """It happens; the arguments may hold its idempotency key."""
        call = EffectCall(args, kwargs, running_step())
        self._key_of(call)
        with self._lock:
            self.calls.append(call)

    def with_key(self, key: str | Callable[..., Any]) -> Self:
        """The idempotency key: the name of a keyword argument, or a function of the arguments.

        What happens again by the same key has happened once. A step that runs again has to use the same keys.
        """
        if not isinstance(key, str) and not callable(key):
            raise UsageError(f"{self}.with_key({key!r}): give the name of a keyword argument, or a function")
        self._key = key
        return self

    def at_most_once(self) -> Self:
        """It may happen once in each step, however often the step runs."""
        self._once = True
        return self

    def happened(self, times: int) -> Self:
        """Assert how often it has happened; by the same key counts once."""
        if not is_count(times, 0):
            raise UsageError(f"{self}.happened({times!r}): give a number from 0 on")
        if self.count != times:
            where = "".join(f"\n  - {place}" for place in self._places())
            self.fail(
                f"side effect {self.name!r}\nExpected: happened {_times(times)}\n     but: happened "
                f"{_times(self.count)}{where}"
            )
        return self

    @property
    def count(self) -> int:
        """How often it has happened."""
        return len(set(map(self._identity, enumerate(self.calls))))

    @property
    def outside(self) -> int:
        """How often it has happened outside of any step."""
        return len({self._identity(one) for one in enumerate(self.calls) if one[1].step is None})

    def complaints(self) -> Iterator[str]:
        """The rules that were broken, in words."""
        by_step: dict[str | None, list[EffectCall]] = {}
        for call in self.calls:
            by_step.setdefault(None if call.step is None else call.step.operation_id, []).append(call)
        for operation_id, calls in by_step.items():
            if self._once and self._key is None and len(calls) > 1:
                count = _times(len(calls))
                yield f"side effect {self.name!r} may happen at most once {calls[0].place}, and happened {count}"
            elif self._key is not None and operation_id is not None:
                yield from self._changed_keys(calls)

    def _changed_keys(self, calls: list[EffectCall]) -> Iterator[str]:
        """A step that ran again and used other keys; of a run that failed in the middle, keys may be missing."""
        runs: dict[object, list[str]] = {}
        for call in calls:
            assert call.step is not None
            runs.setdefault(call.step.run, []).append(repr(self._key_of(call)))
        first, *others = runs.values()
        for other in others:
            if not set(first) <= set(other) and not set(other) <= set(first):
                new = next(key for key in other if key not in first)
                yield (
                    f"the key of side effect {self.name!r} {calls[0].place} was {first[0]}, and {new} when the step "
                    f"ran again: {_CURE}"
                )
                return

    def _identity(self, numbered: tuple[int, EffectCall]) -> object:
        number, call = numbered
        return number if self._key is None else repr(self._key_of(call))

    def _key_of(self, call: EffectCall) -> Any:
        if self._key is None:
            return _NO_KEY
        if callable(self._key):
            return self._key(*call.args, **call.kwargs)
        if self._key not in call.kwargs:
            raise UsageError(
                f"{self}.with_key({self._key!r}): it was called without {self._key}=; pass the key by name, or give a "
                "function of the arguments"
            )
        return call.kwargs[self._key]

    def _places(self) -> list[str]:
        counts = Counter(call.place for call in self.calls)
        return [f"{place}, {_times(count)}" for place, count in counts.items()]

    def __str__(self) -> str:
        return f"side_effect({self.name!r})"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


class SideEffects:
    """The recorders of one test, by name."""

    def __init__(self, fail: Callable[[str], NoReturn]) -> None:
        self._fail = fail
        self._by_name: dict[str, SideEffect] = {}

    def named(self, name: str) -> SideEffect:
        """The recorder of that name; a new one if there is none."""
        if not isinstance(name, str) or not name:
            raise UsageError(f"side_effect({name!r}): give a name for what happens")
        return self._by_name.setdefault(name, SideEffect(name, self._fail))

    def clear(self) -> None:
        """Forget the calls; the rules stay."""
        for effect in self._by_name.values():
            effect.calls.clear()

    def counts(self) -> dict[str, tuple[int, int]]:
        """By name, how often each has happened, and how often outside of any step."""
        return {name: (effect.count, effect.outside) for name, effect in self._by_name.items()}

    def complaints(self) -> list[str]:
        """The rules that were broken, in words."""
        return [text for effect in self._by_name.values() for text in effect.complaints()]
