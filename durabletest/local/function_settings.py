"""The settings with which a function is deployed: its timeout, its memory and its environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Self, TypedDict

from durabletest.model.times import Duration, duration
from durabletest.value_checks import (
    DEFAULT_MEMORY_SIZE,
    MAX_FUNCTION_TIMEOUT,
    check_environment,
    check_function_timeout,
    check_memory_size,
)


class SettingsOfTarget(TypedDict, total=False):
    """The settings that the target of a chained invoke can be given."""

    function_timeout: Duration
    memory_size: int
    environment: Mapping[str, str]


class FunctionSettings:
    """The timeout of one invocation, the memory in MB, and the environment variables while the function runs.

    The environment is the whole process's. So what a test sets itself wins: a variable that has changed since these
    settings were made is left alone.
    """

    def __init__(
        self,
        timeout: timedelta = MAX_FUNCTION_TIMEOUT,
        memory_size: int = DEFAULT_MEMORY_SIZE,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.timeout = timeout
        self.memory_size = memory_size
        self._environment = dict(environment)
        self._before = {name: os.environ.get(name) for name in self._environment}
        self._replaced: dict[str, str | None] = {}

    @classmethod
    def checked(
        cls,
        function_timeout: Duration = MAX_FUNCTION_TIMEOUT,
        memory_size: int = DEFAULT_MEMORY_SIZE,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> Self:
        """These settings; raises :class:`ConfigurationError` for values that Lambda does not take."""
        check_function_timeout(function_timeout, "function_timeout")
        check_memory_size(memory_size, "memory_size")
        check_environment(environment, "environment")
        return cls(duration(function_timeout, ""), memory_size, environment)

    def __enter__(self) -> None:
        """Set the environment variables."""
        for name, value in self._environment.items():
            if os.environ.get(name) == self._before[name]:
                self._replaced[name] = self._before[name]
                os.environ[name] = value

    def __exit__(self, *_: object) -> None:
        """Put back what was there before."""
        while self._replaced:
            name, value = self._replaced.popitem()
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
