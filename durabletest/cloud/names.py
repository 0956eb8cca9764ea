"""What functions and executions are called in the cloud."""

from __future__ import annotations

import json
import os
import re
from uuid import uuid4

from durabletest.errors import ConfigurationError

FUNCTION_NAMES_VARIABLE = "DURABLETEST_FUNCTION_NAMES"
_LONGEST = 64
_REFUSED = re.compile(r"[^a-zA-Z0-9_-]+")


def deployed_name(name: str) -> str:
    """The deployed name or ARN for a name in a test class: what the environment variable maps it to, else itself."""
    return deployed_names().get(name, name)


def deployed_names() -> dict[str, str]:
    """The mapping in the environment variable."""
    text = os.environ.get(FUNCTION_NAMES_VARIABLE)
    if not text:
        return {}
    where = f"the environment variable {FUNCTION_NAMES_VARIABLE}"
    try:
        names = json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f'{where} is no JSON ({error}): write {{"orders": "orders-staging:live"}}') from None
    if not isinstance(names, dict) or not all(isinstance(value, str) for value in names.values()):
        raise ConfigurationError(f'{where} is {text}: write an object of strings, {{"orders": "orders-staging:live"}}')
    return names


def unqualified(function: str) -> str:
    """A function's name or ARN without its version or alias."""
    prefix, separator, rest = function.rpartition("function:")
    return prefix + separator + rest.split(":")[0]


def execution_name(prefix: str | None) -> str:
    """A name that the service takes, that nobody else has, and that begins with ``prefix`` (its end, if it is long).

    Of a test's id the end says most: class and method.
    """
    unique = uuid4().hex[:12]
    readable = _REFUSED.sub("-", prefix or "durabletest").strip("-")
    return f"{readable[-(_LONGEST - len(unique) - 1) :].lstrip('-')}-{unique}"
