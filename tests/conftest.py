"""How pytest runs the tests."""

from __future__ import annotations

import os

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: some tests wait, for processes, for limits of time and for a browser."""
    return (os.cpu_count() or 1) + 1
