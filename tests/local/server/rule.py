"""What a row of the tables of rules holds, and what may have happened before the request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.local.server.harness import Started, retry, start

Update = dict[str, Any]
Given = Callable[[Started], None]


def nothing(execution: Started) -> None:
    """The execution has only begun."""


def after(*updates: Update) -> Given:
    """These updates were taken, each in a batch of its own."""

    def given(execution: Started) -> None:
        for one in updates:
            execution.checkpoint(one)

    return given


def a_ready_step(execution: Started) -> None:
    """The step ``s`` has failed once, and its next attempt is due."""
    after(start("STEP", "s"), retry("s"))(execution)
    execution.harness.fire_next(kind="step retry")


def an_ended_wait(execution: Started) -> None:
    """The wait ``w`` is over."""
    after(start("WAIT", "w"))(execution)
    execution.harness.fire_next(kind="wait")


@dataclass(frozen=True)
class Rule:
    """``refused`` breaks the rule and nothing else; ``allowed`` is as near to it as can be.

    ``invocation_type`` is the one with which the execution is started.
    """

    name: str
    refused: list[Update]
    says: str
    allowed: list[Update]
    given: Given = field(default=nothing)
    invocation_type: str = "Event"
