"""Takes the turn from threads that wait elsewhere than in the SDK, which only a look from outside can tell."""

from __future__ import annotations

from collections.abc import Callable

from durabletest.local.blocking import Sight, another_runs, sight_of
from durabletest.local.tasks import Task
from durabletest.local.turns import Turns

LOOK_SECONDS = 0.002
"""Real seconds between two looks at a task that has the turn while others could go on."""
LOOKS = 3
"""The looks in a row at which it has to be seen waiting for another thread, at one place, before it loses the turn."""
IO_LOOKS = 25
"""The looks if it waits for something else, which may come by itself: short real waits then keep their order."""
BUSY_LOOKS = 50
"""The looks while any other thread of the process runs: it may hold a lock for a moment, on a busy machine."""
HELPER_LOOKS = 500
"""The looks while another thread computes that may work for it, one of a pool for example."""


def watch_until(turns: Turns, done: Callable[[float], bool]) -> None:
    """Wait in the calling thread, which takes no turns; tasks that wait elsewhere lose their turn meanwhile.

    ``done`` waits for at most so many real seconds, and returns whether the wait is over.
    """
    onlooker = Onlooker(turns)
    while not done(LOOK_SECONDS):
        onlooker.look()


class Onlooker:
    """Looks at the task that has the turn; one that is seen waiting elsewhere for a while loses it.

    While no task has the turn, it looks at tasks outside that seem about to get in line, for which the turns wait.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._stint: object = None
        self._sight: object = None
        self._times = 0
        self._helping: list[Sight | None] = []

    def look(self) -> None:
        """Look once."""
        turns, holder = self._turns, self._turns.holder
        if holder is None:
            self._look_outside()
        elif not holder.busy and turns.wanted():
            self._look_at(holder)
        else:
            self._sight = None

    def _look_at(self, holder: Task) -> None:
        stint = self._turns.stint_of(holder)
        sight = sight_of(holder.thread)
        self._count(stint, sight)
        if sight is not None and self._times >= self._enough(holder, sight):
            self._sight = None
            self._turns.take_turn_from(holder, stint, sight)

    def _count(self, stint: object, sight: object) -> None:
        """Count how often in a row the task was seen like this."""
        if sight is None or (stint, sight) != (self._stint, self._sight):
            self._stint, self._sight, self._times = stint, sight, 0
        self._times += 1

    def _enough(self, holder: Task, sight: Sight) -> int:
        """The looks at which the task has to be seen there: more if another thread seems to work for it."""
        if self._times < LOOKS - 1:
            return LOOKS
        before, self._helping = self._helping, [sight_of(thread) for thread in self._turns.helpers()]
        if self._times < LOOKS:
            return LOOKS
        if None in self._helping or before != self._helping:
            return HELPER_LOOKS
        if another_runs(holder.thread):
            return BUSY_LOOKS
        threads_only = sight.for_thread and all(helper is not None and helper.for_thread for helper in self._helping)
        return LOOKS if threads_only else IO_LOOKS

    def _look_outside(self) -> None:
        sights = self._turns.sights_outside()
        if sights is None:
            self._sight = None
            return
        self._count("outside", sights)
        if self._times >= LOOKS:
            self._sight = None
            self._turns.leave_outside(sights)
