"""Modules that are imported from the folders of a test, and forgotten after it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock


@contextmanager
def forgotten(folder: Path) -> Iterator[None]:
    """At the end of the block, the modules of a folder are no longer loaded, and ``sys.path`` is as it was."""
    with mock.patch.object(sys, "path", [*sys.path]):
        try:
            yield
        finally:
            for name, module in list(sys.modules.items()):
                file = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
                if file is not None and Path(file).is_relative_to(folder):
                    del sys.modules[name]
