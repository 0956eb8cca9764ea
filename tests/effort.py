"""How much the tests try: ``DURABLETEST_LONG_TESTS=1`` is for a run that may take its time."""

from __future__ import annotations

import os

LONG = os.environ.get("DURABLETEST_LONG_TESTS", "") not in ("", "0")


def examples(usual: int, long: int) -> int:
    """The number of generated examples, or of repetitions, that a test makes."""
    return long if LONG else usual
