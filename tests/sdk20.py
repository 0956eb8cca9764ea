"""SDK 2.0 waits a tenth of a second for more updates before each checkpoint: in the tests it waits less."""

from __future__ import annotations

from importlib import import_module

_TOO_LONG, _SECONDS = 0.1, 0.002


def poll_quickly() -> None:
    """Change that interval, a constant in the code of a method; later versions wake up, and stay as they are."""
    try:
        state = import_module("aws_durable_execution_sdk_python.state")
    except ImportError:
        return
    collect = state.ExecutionState._collect_checkpoint_batch
    if not hasattr(state, "_Signal"):
        constants = (_SECONDS if value == _TOO_LONG else value for value in collect.__code__.co_consts)
        collect.__code__ = collect.__code__.replace(co_consts=tuple(constants))
