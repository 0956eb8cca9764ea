"""Runs suites in processes of their own, as users do."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

_ROOT = str(Path(__file__).parent.parent)


def run_suite(*command: str, suite: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """``python -m command`` in a directory with this text as ``test_suite.py``; warnings are errors.

    Its empty first line is used to set the guard of all tests there too; the numbers of the lines stay what they are.
    """
    assert suite.startswith("\n"), "the first line must be empty"
    suite = f"import tests{suite}"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_suite.py").write_text(suite, encoding="utf-8")
        return subprocess.run(
            [sys.executable, "-W", "error", "-m", *command],
            check=False,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": _ROOT, **variables},
            text=True,
            capture_output=True,
            timeout=60,
        )
