"""Names and ARNs of functions and executions, and the console page of each execution."""

from __future__ import annotations

import re
from urllib.parse import quote
from uuid import uuid4

_MAX_NAME_LENGTH = 64
_INVALID_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]+")
_CONSOLE_DOMAINS = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-eusc": "console.amazonaws-eusc.eu",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
"""The consoles of isolated partitions are not public."""
_ARN_PARTS = 7
"""``arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME``, possibly followed by a qualifier."""


def unqualified(function: str) -> str:
    """A function's name or ARN without its version or alias."""
    prefix, separator, name = function.partition(":function:")
    return prefix + separator + name.split(":")[0] if separator else function.split(":")[0]


def unique_execution_name(prefix: str | None) -> str:
    """A valid, unique execution name that starts with ``prefix``.

    Of a long prefix only the end is kept: in a test's id, class and method say most.
    """
    unique = uuid4().hex[:12]
    readable = _INVALID_IN_NAMES.sub("-", prefix or "durabletest").strip("-")
    return f"{readable[-(_MAX_NAME_LENGTH - len(unique) - 1) :].lstrip('-')}-{unique}"


def console_link(arn: str) -> str | None:
    """The console page with the durable executions of the function.

    None if ``arn`` is not an execution's ARN, or its partition has no known console.
    """
    function_arn, separator, _ = arn.partition("/durable-execution/")
    parts = function_arn.split(":")
    if not separator or len(parts) < _ARN_PARTS:
        return None
    partition, region, name = parts[1], parts[3], parts[6]
    domain = _CONSOLE_DOMAINS.get(partition)
    if domain is None:
        return None
    page = f"functions/{quote(name)}?tab=durableExecutions"
    return f"https://{region}.{domain}/lambda/home?region={region}#/{page}"


def arn_and_link(arn: str) -> str:
    """The lines of a message that give an execution's ARN and its console page."""
    link = console_link(arn)
    return f"Execution: {arn}" + (f"\nConsole:   {link}" if link else "")
