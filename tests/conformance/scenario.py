"""What a requirement is run with beside its file: the handler, the functions it invokes, and the world around it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Any, TypeVar

from durabletest import Execution

Handler = TypeVar("Handler", bound=Callable[..., Any])

PATIENCE = 20.0
"""Real seconds after which something that should have happened has not."""


class World:
    """What outlives the invocations of a handler: a table of what was done, as a database would hold it."""

    def __init__(self) -> None:
        self.effects: Counter[str] = Counter()
        self.checkpointed = Event()

    def note(self, effect: str) -> int:
        """Something was done; tells how often it has been done by now."""
        self.effects[effect] += 1
        return self.effects[effect]

    def begin_anew(self) -> None:
        """Forget everything; before each execution."""
        self.effects = Counter()
        self.checkpointed = Event()


WORLD = World()


def go_on(execution: Execution) -> None:
    """Leave the execution to itself."""


@dataclass(frozen=True)
class Scenario:
    """``meanwhile`` is called when the execution has been started.

    ``effects`` is what the handler notes, and how often; the variables of the requirement may be named there.
    """

    handler: Callable[..., Any]
    durable_functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    effects: Mapping[str, int] = field(default_factory=dict)
    meanwhile: Callable[[Execution], None] = go_on


class Scenarios(dict[str, Scenario]):
    """The scenarios of one suite, by the number of their requirement."""

    def requirement(self, number: str, **details: Any) -> Callable[[Handler], Handler]:
        """Decorate the handler that is written from the text of a requirement."""
        if number in self:
            raise ValueError(f"requirement {number} has two handlers")

        def register(handler: Handler) -> Handler:
            self[number] = Scenario(handler, **details)
            return handler

        return register
