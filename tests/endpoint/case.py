"""Test cases in front of an endpoint."""

from __future__ import annotations

import gc
import os
import time
import unittest
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

from durabletest.cloud.aws import lambda_client
from durabletest.cloud.runner import CloudDurableTestRunner
from tests.endpoint.server import Endpoint

POLL_INTERVAL = 0.005
"""Real seconds between polls in these tests."""


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Replace all variables of AWS and durabletest by these; others stay."""
    foreign = {name for name in os.environ if name.startswith(("AWS_", "DURABLETEST_"))}
    with mock.patch.dict(os.environ, variables):
        for name in foreign - set(variables):
            del os.environ[name]
        yield


class Backoffs:
    """Stands for the ``time`` module in botocore's retry loop: keeps the pauses that it asks for, and makes none."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


@contextmanager
def dropped_sockets_ignored() -> Iterator[None]:
    """Say nothing of sockets that urllib3 leaves to the garbage collector after a connection was dropped.

    The exception that tells it is part of a reference cycle there, with the closed connection's last file object.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            yield
        finally:
            gc.collect()


class EndpointTestCase(unittest.TestCase):
    """Each class has an endpoint, and an environment in which boto3 finds it; no test may leave an execution running.

    ``backoffs`` are the pauses that botocore made between its attempts: asked for, and not waited for.
    """

    endpoint: Endpoint
    client: Any
    """One client for the whole class: it takes longer to make than most tests take."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.endpoint = cls.enterClassContext(Endpoint())
        cls.enterClassContext(environment(cls.endpoint.environment))
        cls.client = lambda_client()
        cls.addClassCleanup(cls.client.close)

    def setUp(self) -> None:
        self.endpoint.reset()
        self.backoffs = Backoffs()
        self.enterContext(mock.patch("botocore.endpoint.time", self.backoffs))
        self.addCleanup(self._check_nothing_is_left)

    def runner(self, function: str, **settings: Any) -> CloudDurableTestRunner:
        """A runner that polls quickly, with the client of the class unless another one is given."""
        return self.enterContext(self.new_runner(function, **settings))

    def new_runner(self, function: str, **settings: Any) -> CloudDurableTestRunner:
        """Such a runner, which is to be closed."""
        settings = {"client": self.client, "poll_interval": POLL_INTERVAL, "timeout": 20.0, **settings}
        return CloudDurableTestRunner(function, **settings)

    def _check_nothing_is_left(self) -> None:
        self.assertEqual(self.endpoint.running(), [], "executions were left running")
        self.assertEqual(self.endpoint.faults.left(), 0, "faults were in store that nobody met")
