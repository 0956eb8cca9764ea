"""Slow things that the tests are not about, done quicker."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from importlib import import_module
from pathlib import Path

import botocore.session

_TOO_LONG, _SECONDS = 0.1, 0.002
_BYTE_CODE = ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")
BYTE_CODE_AS_INSTALLED = {name: os.environ.get(name, "") for name in _BYTE_CODE}
"""For a process that imports large packages which no other one does."""


def share_byte_code() -> None:
    """Where byte code is not kept, processes that tests start keep theirs for each other, until the tests have ended.

    Compiling what it imports is a third of the time of most. Workers of xdist share one folder.
    """
    if not BYTE_CODE_AS_INSTALLED["PYTHONDONTWRITEBYTECODE"]:
        return
    process = os.getpid()
    folder = Path(tempfile.gettempdir(), f"durabletest-{os.environ.get('PYTEST_XDIST_TESTRUNUID', process)}")
    os.environ |= zip(_BYTE_CODE, ("", str(folder)), strict=True)

    def remove() -> None:
        if os.getpid() == process:  # not in a child that a test has forked
            shutil.rmtree(folder, ignore_errors=True)  # another worker may be removing it

    atexit.register(remove)


def share_service_models() -> None:
    """All sessions of botocore share the files that they have read: nine tenths of the time that a client takes."""
    session = botocore.session
    session.create_loader = cache(session.create_loader)  # type: ignore[attr-defined]


def poll_sdk_quickly() -> None:
    """SDK 2.0 waits for more updates before each checkpoint, for a tenth of a second: here it waits less.

    That is a constant in the code of a method; later versions wake up, and stay as they are.
    """
    try:
        state = import_module("aws_durable_execution_sdk_python.state")
    except ImportError:
        return
    collect = state.ExecutionState._collect_checkpoint_batch
    if not hasattr(state, "_Signal"):
        constants = (_SECONDS if value == _TOO_LONG else value for value in collect.__code__.co_consts)
        collect.__code__ = collect.__code__.replace(co_consts=tuple(constants))
