"""The futures of those who wait for operations of one execution in the cloud."""

from __future__ import annotations

from threading import Lock

from durabletest.errors import DurableTestError
from durabletest.model.history import History
from durabletest.model.wait_for_data import Watch, resolve


class Watches:
    """Watches are added by the threads of the test, and settled by the thread that follows the execution."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._open: list[Watch] = []

    def add(self, watch: Watch) -> None:
        """Somebody begins to wait."""
        with self._lock:
            self._open.append(watch)

    def settle(self, history: History) -> None:
        """Settle those whose operation has got there."""
        still_open = resolve(self._take(), history, ended=False)
        with self._lock:
            self._open += still_open

    def settle_all(self, history: History, error: DurableTestError | None) -> None:
        """The execution has ended, or with an error it is followed no longer: settle every watch."""
        watches = self._take()
        if error is None:
            resolve(watches, history, ended=True)
            return
        for watch in watches:
            if watch.future.set_running_or_notify_cancel():
                watch.future.set_exception(error)

    def _take(self) -> list[Watch]:
        with self._lock:
            taken, self._open = self._open, []
        return taken
