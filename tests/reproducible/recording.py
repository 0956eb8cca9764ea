"""Runs the workflows, and writes down everything that is to be equal between two runs."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.reproducible.workflows import RUNS

ROOT = Path(__file__).parents[2]


def recorded(name: str) -> str:
    """One run of a workflow: its history and its logs, the SDK's own too, with everything that is in them, in order."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)
    try:
        result = RUNS[name]()
    finally:
        root.setLevel(level)
    logs = [_log(entry) for entry in result.logs]
    return json.dumps([str(result.get_status()), result.history, logs], default=_moment)


def recorded_elsewhere(hash_seed: str) -> dict[str, str]:
    """One run of each workflow in an interpreter of its own, whose sets and dictionaries have other orders."""
    module = "from tests.reproducible.recording import RUNS, recorded"
    program = f"import json; {module}; print(json.dumps({{name: recorded(name) for name in RUNS}}))"
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        stdout=subprocess.PIPE,
        timeout=120,
    )
    answer: dict[str, str] = json.loads(process.stdout.splitlines()[-1])
    return answer


def difference(first: str, second: str) -> str:
    """Where two records part: the first events or log entries that are not equal."""
    parts = zip(json.loads(first), json.loads(second), strict=True)
    for one, other in ((list(one), list(other)) for one, other in parts):
        for number, pair in enumerate(zip(one, other, strict=False)):
            if pair[0] != pair[1]:
                return f"number {number}:\n  {pair[0]}\n  {pair[1]}"
        if len(one) != len(other):
            return f"{len(one)} and {len(other)} of them"
    return "none"


def _log(entry: Any) -> list[Any]:
    extra = {key: str(value) for key, value in entry.extra.items()}
    return [entry.invocation, entry.level, entry.logger, entry.message, entry.time, entry.traceback, extra]


def _moment(value: Any) -> str:
    if not isinstance(value, datetime) or type(value).__name__ != "datetime":
        raise TypeError(f"{value!r} in a history")
    return value.isoformat()
