"""``durabletest serve`` in a process of its own, as users start it."""

from __future__ import annotations

import os
import re
import signal
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from botocore.config import Config
from botocore.session import Session

from tests.forks import started

ROOT = Path(__file__).parents[2]
BOUND = 60.0
"""Real seconds that a process has to end; it takes a fraction of one."""


class Served:
    """The process, from its first line on standard output to its end, which a SIGINT brings about."""

    def __init__(self, *arguments: str, cwd: Path = ROOT) -> None:
        reading, writing = os.pipe()
        self.output = os.fdopen(reading)
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed at the end of the process
        command = ("durabletest", "serve", *arguments, "--port", "0")
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with os.fdopen(writing, "w") as output:
            self.process = started(command, cwd, environment, output, self._errors)
        self._ended: tuple[int, str] | None = None
        self.greeting = self.output.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", self.greeting)
        if found is None:
            raise AssertionError(f"it did not begin: {self.greeting}{self.end()}")
        self.url = found[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()

    def end(self, by: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """End the process if it still runs; returns its exit status and what it wrote to standard error."""
        if self._ended is None:
            with self.output, self._errors:
                self.process.send_signal(by)
                try:
                    code = self.process.wait(BOUND)
                finally:
                    self.process.kill()
                self._errors.seek(0)
                self._ended = code, self._errors.read()
        return self._ended


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
