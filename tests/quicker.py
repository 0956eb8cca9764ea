"""Slow things that the tests are not about, done quicker."""

from __future__ import annotations

from functools import cache
from importlib import import_module

import botocore.session

_TOO_LONG, _SECONDS = 0.1, 0.002


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
