"""What belongs to one runner: its handler, the functions it registered, its scripts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from durabletest.scripts import ScriptBook


@dataclass(slots=True, eq=False)
class RunnerScope:
    """``number`` tells the server whose executions and functions are meant; ``watchdog`` is in real seconds."""

    number: int
    handler: Callable[..., Any]
    watchdog: float
    durable_functions: dict[str, Callable[..., Any]] = field(default_factory=dict)
    functions: dict[str, Callable[..., Any]] = field(default_factory=dict)
    scripts: ScriptBook = field(default_factory=ScriptBook)

    def handler_of(self, target: str | None) -> Callable[..., Any]:
        """The runner's own handler, or the durable function that was registered by that name."""
        return self.handler if target is None else self.durable_functions[target]


def name_of(handler: object) -> str:
    """How messages speak of a handler."""
    name = getattr(handler, "__qualname__", None)
    if name is not None:
        return str(name)
    inner = getattr(handler, "func", None)
    return name_of(inner) if inner is not None else type(handler).__qualname__
