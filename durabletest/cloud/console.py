"""Where a person can look at an execution: its page in the AWS console."""

from __future__ import annotations

from urllib.parse import quote

_DOMAINS = {"aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com"}


def console_link(arn: str) -> str | None:
    """The page of a durable execution, ``None`` for what is no execution's ARN."""
    function_arn, separator, execution = arn.partition("/durable-execution/")
    parts = function_arn.split(":")
    if not separator or len(parts) < 7:
        return None
    partition, region, name = parts[1], parts[3], parts[6]
    domain = _DOMAINS.get(partition, "console.aws.amazon.com")
    page = f"functions/{quote(name)}/durableExecutions/{quote(arn, safe='')}"
    return f"https://{region}.{domain}/lambda/home?region={region}#/{page}"


def whereabouts(arn: str) -> str:
    """The lines that tell where to find an execution."""
    link = console_link(arn)
    return f"Execution: {arn}" + (f"\nConsole:   {link}" if link else "")
