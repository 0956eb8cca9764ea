"""What durabletest must not leave behind; the whole suite is asked for it when its process ends."""

from __future__ import annotations

import atexit
import os
import sys
import threading

import freezegun.api
import time_machine

_REAL_EXIT = os._exit


def leftovers() -> list[str]:
    """Threads of ours that are alive, a clock that is not real, and a process exit that is not real.

    The thread that asks is none of them: in a child that a handler has forked it is the handler's.
    """
    others = [thread for thread in threading.enumerate() if thread is not threading.current_thread()]
    threads = [f"the thread {thread.name}" for thread in others if thread.name.startswith("durabletest")]
    clock = ["a frozen clock"] if freezegun.api.freeze_factories or time_machine.traveller_stack else []
    return threads + clock + ([] if os._exit is _REAL_EXIT else ["a replacement for os._exit"])


def watch() -> None:
    """End the process with a failure if anything is left."""
    atexit.register(_last_look)


def _last_look() -> None:
    left = leftovers()
    if left:
        sys.stderr.write(f"left behind by the tests: {', '.join(left)}\n")
        sys.stderr.flush()
        _REAL_EXIT(1)
