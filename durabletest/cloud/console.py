"""Where a person can look at an execution: in the AWS console."""

from __future__ import annotations

from urllib.parse import quote

_DOMAINS = {"aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com"}
_PARTS = 7
"""``arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME``, and maybe more."""


def console_link(arn: str) -> str | None:
    """The page with the function's durable executions, ``None`` for what is no execution's ARN."""
    function_arn, separator, _ = arn.partition("/durable-execution/")
    parts = function_arn.split(":")
    if not separator or len(parts) < _PARTS:
        return None
    partition, region, name = parts[1], parts[3], parts[6]
    domain = _DOMAINS.get(partition, "console.aws.amazon.com")
    page = f"functions/{quote(name)}?tab=durableExecutions"
    return f"https://{region}.{domain}/lambda/home?region={region}#/{page}"


def whereabouts(arn: str) -> str:
    """The lines that tell where to find an execution."""
    link = console_link(arn)
    return f"Execution: {arn}" + (f"\nConsole:   {link}" if link else "")
