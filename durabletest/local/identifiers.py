"""Identifiers that are made of the time: ``uuid1`` and its kin are never older than the one before."""

from __future__ import annotations

import uuid

_LAST = ("_last_timestamp", "_last_timestamp_v6", "_last_timestamp_v7")


def begin_time_based_identifiers_again() -> None:
    """Time has gone back: the next identifier is of that time, not of a moment after the last one."""
    for name in _LAST:
        if hasattr(uuid, name):
            setattr(uuid, name, None)
