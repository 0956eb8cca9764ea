"""Where threads are, in words: the part of their stacks that the author of the handler wrote."""

from __future__ import annotations

import gc
import sys
import sysconfig
import traceback
from collections.abc import Iterable
from itertools import dropwhile
from os import sep
from pathlib import Path
from threading import Thread
from traceback import FrameSummary, StackSummary
from types import FrameType

from durabletest import sdk
from durabletest.local.foreign import TOOLS

_THIRD_PARTY = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
_STANDARD_LIBRARY = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
_OURS = str(Path(sdk.__file__).parent)
_CLOCKS = (_OURS, *TOOLS)
"""Between a handler that asks for the time and this module there are only frames of these."""


def current_frames() -> dict[int, FrameType]:
    """The innermost frame of each thread, by its ident.

    A garbage collection meanwhile would end in a deadlock in Python 3.11 (https://github.com/python/cpython/issues/106883).
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        return sys._current_frames()
    finally:
        if enabled:
            gc.enable()


def stacks_of(threads: Iterable[Thread]) -> str:
    """The stacks of those threads that are in code of the author's, from there on, without the frames in between.

    If none is, the handler is stuck in the SDK, and all stacks are given as they are.
    """
    frames = current_frames()
    stacks = {t.name: traceback.extract_stack(frames[t.ident]) for t in threads if t.ident in frames}
    authored = {name: authored_part(stack) for name, stack in stacks.items()}
    chosen = {name: stack for name, stack in authored.items() if stack} or stacks
    return "\n\n".join(f"Thread {name!r}:\n{_text(stack)}" for name, stack in chosen.items())


def authored_part(stack: StackSummary) -> list[FrameSummary]:
    """The frames from the first one that the author wrote; empty if there is none."""
    own = (frame for frame in stack if not _is_machinery(frame.filename))
    return list(dropwhile(lambda frame: _is_standard_library(frame.filename), own))


def clock_read_by_author() -> bool:
    """Whether it is code of the author's that reads the clock now: neither Python's nor the SDK's own.

    To be called in the thread that reads it.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_CLOCKS):
        frame = frame.f_back
    file = "" if frame is None else frame.f_code.co_filename
    return is_authored(file)


def is_authored(file: str) -> bool:
    """Whether a user's project, or a package it uses, has the file: neither Python, nor the SDK, nor this package."""
    return bool(file) and not _is_machinery(file) and not _is_standard_library(file)


def _is_machinery(file: str) -> bool:
    return file.startswith((f"{_OURS}{sep}", f"{sdk.folder()}{sep}", "<frozen "))


def _is_standard_library(file: str) -> bool:
    return file.startswith(_STANDARD_LIBRARY) and not file.startswith(_THIRD_PARTY)


def _text(stack: Iterable[FrameSummary]) -> str:
    return "".join(traceback.format_list(list(stack))).rstrip()
