"""``durabletest serve`` in a process of its own, as users start it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from botocore.config import Config
from botocore.session import Session

ROOT = Path(__file__).parents[2]
BOUND = 60.0
"""Real seconds that a process has to end; it takes a fraction of one."""


class Served:
    """The process, from its first line on standard output to its end, which a SIGINT brings about."""

    def __init__(self, *arguments: str, cwd: Path = ROOT) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "durabletest", "serve", *arguments, "--port", "0"],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.greeting = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", self.greeting)
        if found is None:
            raise AssertionError(f"it did not begin: {self.greeting}{self.end()}")
        self.url = found[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.process.returncode is None:
            self.end()

    def end(self, by: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """End the process; returns its exit status and what it wrote to standard error."""
        self.process.send_signal(by)
        try:
            _, errors = self.process.communicate(timeout=BOUND)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        return self.process.returncode, errors


def client_of(url: str, **config: Any) -> Any:
    """A client of boto3 for an endpoint; it looks at no file and no variable, and repeats nothing."""
    return Session().create_client(
        "lambda",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
        config=Config(retries={"total_max_attempts": 1}, **config),
    )
