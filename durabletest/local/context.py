"""The Lambda context object that handlers and plain functions get."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from durabletest.local.server.naming import ACCOUNT, REGION

INVOCATION_TIMEOUT = timedelta(minutes=15)
"""What Lambda allows one invocation at most."""


@dataclass(frozen=True)
class CognitoIdentity:
    """Who called through Amazon Cognito: nobody does so here, nor when the service invokes a durable function."""

    cognito_identity_id: str | None = None
    cognito_identity_pool_id: str | None = None


@dataclass(frozen=True)
class LambdaContext:
    """One invocation's context, with the attributes that Lambda's own has; ``tenant_id`` is None without a tenant."""

    aws_request_id: str
    function_name: str
    function_version: str
    now: Callable[[], datetime]
    deadline: datetime
    tenant_id: str | None = None
    memory_limit_in_mb: str = "128"
    client_context: Any = None
    identity: CognitoIdentity = CognitoIdentity()

    @property
    def invoked_function_arn(self) -> str:
        """The function's ARN with its version."""
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.function_name}:{self.function_version}"

    @property
    def log_group_name(self) -> str:
        """The log group that Lambda makes for the function."""
        return f"/aws/lambda/{self.function_name}"

    @property
    def log_stream_name(self) -> str:
        """A log stream name in Lambda's form: date, version and the execution environment's id."""
        started = self.deadline - INVOCATION_TIMEOUT
        return f"{started:%Y/%m/%d}/[{self.function_version}]{self.aws_request_id.replace('-', '')}"

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation's deadline."""
        return max(0, round((self.deadline - self.now()).total_seconds() * 1000))

    def log(self, message: object) -> None:
        """Write to standard output, as Lambda's context does."""
        print(message)  # noqa: T201
