"""How a test case class runs in the cloud: its configuration, and the runner that each of its tests gets."""

from __future__ import annotations

import os
import sys
import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from durabletest.cloud.client import lambda_client
from durabletest.cloud.console import whereabouts
from durabletest.cloud.names import FUNCTION_NAMES_VARIABLE, deployed_name, deployed_names
from durabletest.cloud.runner import CloudDurableTestRunner, seconds_of
from durabletest.errors import ConfigurationError, NotAvailableError

POLL_INTERVAL_VARIABLE = "DURABLETEST_POLL_INTERVAL"

__unittest = True


class SkippedInCloudError(NotAvailableError, unittest.SkipTest):
    """What cannot work in the cloud skips the test that does it, unless the class is strict."""


_STRICTNESS: dict[object, type[NotAvailableError]] = {"skip": SkippedInCloudError, "strict": NotAvailableError}


class CloudSuite:
    """One test case class in the cloud, its settings validated; its tests share one client."""

    def __init__(self, cls: type[Any]) -> None:
        self._function = deployed_name(_function_name(cls))
        self._timeout = seconds_of(cls.cloud_timeout, f"{cls.__qualname__}.cloud_timeout")
        self._poll_interval = _poll_interval(cls)
        self._unavailable = _STRICTNESS[cls.cloud]
        self._client = lambda_client()

    def runner(self, test_id: str) -> CloudDurableTestRunner:
        """The runner for one test; its executions carry the test's id."""
        return CloudDurableTestRunner(
            self._function,
            client=self._client,
            poll_interval=self._poll_interval,
            timeout=self._timeout,
            execution_prefix=test_id,
            unavailable=self._unavailable,
        )

    def close(self) -> None:
        """The tests of the class are over."""
        self._client.close()


@contextmanager
def telling_where(last_arn: Callable[[], str | None]) -> Iterator[None]:
    """Failures tell where to look at the execution."""
    try:
        yield
    except unittest.SkipTest:
        raise
    except Exception as error:
        arn = last_arn()
        if arn is not None and not any(arn in text for text in (str(error), *getattr(error, "__notes__", ()))):
            error.add_note(whereabouts(arn))
        raise


def _function_name(cls: type[Any]) -> str:
    """The name in the class; without one a name of its handler, if the environment variable knows it."""
    if cls.function_name is not None:
        return str(cls.function_name)
    names = handler_names(cls)
    known = next((name for name in names if name in deployed_names()), None)
    if known is not None:
        return known
    key = next(iter(names), "name")
    raise ConfigurationError(
        f"{cls.__qualname__} has no function_name, so nothing can be invoked in the cloud: write "
        f'function_name = \'orders:live\', or set {FUNCTION_NAMES_VARIABLE}={{"{key}": "orders:live"}}'
    )


def handler_names(cls: type[Any]) -> list[str]:
    """What the handler is called in the class's module, and what it calls itself (version 2 of the SDK hides that)."""
    if cls.handler is None:
        return []
    module = getattr(sys.modules.get(cls.__module__), "__dict__", {})
    names = [name for name, value in module.items() if value is cls.handler]
    own = getattr(cls.handler, "__name__", None)
    return list(dict.fromkeys([*names, *([] if own is None else [str(own)])]))


def _poll_interval(cls: type[Any]) -> float:
    text = os.environ.get(POLL_INTERVAL_VARIABLE)
    if not text:
        return seconds_of(cls.poll_interval, f"{cls.__qualname__}.poll_interval")
    where = f"the environment variable {POLL_INTERVAL_VARIABLE}"
    try:
        return seconds_of(float(text), where)
    except ValueError:
        raise ConfigurationError(f"{where} is {text!r}: give a positive number of seconds") from None
