"""Where threads are, in words: the part of their stacks that the author of the handler wrote."""

from __future__ import annotations

import sys
import sysconfig
import traceback
from collections.abc import Iterable
from itertools import dropwhile
from os import sep
from pathlib import Path
from threading import Thread
from traceback import FrameSummary, StackSummary

from durabletest import sdk

_THIRD_PARTY = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
_STANDARD_LIBRARY = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
_OURS = str(Path(sdk.__file__).parent)


def stacks_of(threads: Iterable[Thread]) -> str:
    """The stacks of those threads that are in code of the author's, from there on, without the frames in between.

    If none is, the handler is stuck in the SDK, and all stacks are given as they are.
    """
    frames = sys._current_frames()
    stacks = {t.name: traceback.extract_stack(frames[t.ident]) for t in threads if t.ident in frames}
    authored = {name: authored_part(stack) for name, stack in stacks.items()}
    chosen = {name: stack for name, stack in authored.items() if stack} or stacks
    return "\n\n".join(f"Thread {name!r}:\n{_text(stack)}" for name, stack in chosen.items())


def authored_part(stack: StackSummary) -> list[FrameSummary]:
    """The frames from the first one that the author wrote; empty if there is none."""
    machinery = (f"{_OURS}{sep}", f"{sdk.folder()}{sep}", "<frozen ")
    own = (frame for frame in stack if not frame.filename.startswith(machinery))
    return list(dropwhile(_is_standard_library, own))


def _is_standard_library(frame: FrameSummary) -> bool:
    return frame.filename.startswith(_STANDARD_LIBRARY) and not frame.filename.startswith(_THIRD_PARTY)


def _text(stack: Iterable[FrameSummary]) -> str:
    return "".join(traceback.format_list(list(stack))).rstrip()
