"""Runners whose threads go on in an order of chance, that of a seed."""

from __future__ import annotations

import functools
import unittest
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from durabletest import LocalDurableTestRunner
from durabletest.local.schedules import Policy, RandomPriorities, Schedule
from tests.conformance import recording
from tests.conformance.test_conformance import ConformanceTests
from tests.simulation import test_simulation

EXAMPLES = Path(__file__).parents[2] / "examples"
DEFAULT_ORDER_ONLY: dict[str, str] = {}
"""The tests whose requirement demands an order that only the default schedule gives, and which."""


class Uniform:
    """Every candidate is as likely as any other."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def among(self, candidates: Sequence[object]) -> int:
        return self._random.randrange(len(candidates))


def policy(seed: int) -> Policy:
    """Every other seed goes by priorities, which let one thread run far ahead of another."""
    return Uniform(seed) if seed % 2 else RandomPriorities(seed, length=60, changes=3)


@contextmanager
def by_chance(seed: int) -> Iterator[list[Schedule]]:
    """For the block each runner has a schedule of that seed; gives the schedules that were made."""
    made: list[Schedule] = []
    original: Callable[..., None] = LocalDurableTestRunner.__init__

    @functools.wraps(original)
    def initialise(runner: Any, *arguments: Any, **named: Any) -> None:
        made.append(Schedule(policy=policy(seed)))
        original(runner, *arguments, **{**named, "schedule": made[-1]})

    exactly = patch.object(test_simulation.SimulationTests, "exactly", False)
    with patch.object(LocalDurableTestRunner, "__init__", initialise), exactly:
        recording.record.cache_clear()
        try:
            yield made
        finally:
            recording.record.cache_clear()


def conformance() -> unittest.TestSuite:
    """What the service requires, but for what only the default schedule gives."""
    names = unittest.defaultTestLoader.getTestCaseNames(ConformanceTests)
    return unittest.TestSuite(ConformanceTests(name) for name in names if name not in DEFAULT_ORDER_ONLY)


def examples() -> unittest.TestSuite:
    """The suites that users are shown."""
    loader = unittest.TestLoader()
    suite = loader.discover(str(EXAMPLES), top_level_dir=str(EXAMPLES))
    if loader.errors:
        raise ImportError("\n".join(loader.errors))
    return suite


def simulation() -> unittest.TestSuite:
    """Workflows against the model."""
    return unittest.defaultTestLoader.loadTestsFromTestCase(test_simulation.SimulationTests)
