"""The boto3 clients of cloud runs: their retries, and the fields of histories that botocore does not know yet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

from durabletest.cloud.aws_errors import explained

MAX_ATTEMPTS = 8
"""Attempts for each request, unless the environment or the AWS configuration file sets another number."""
_HISTORY_PARSED = "after-call.lambda.GetDurableExecutionHistory"
_HANDLER_ID = "durabletest-unknown-fields"


def lambda_client() -> Any:
    """A client configured by boto3's own variables: region, profile, endpoint, credentials and retries.

    botocore retries throttled requests and transient failures, with backoff and jitter.
    """
    return _client("lambda")


def logs_client() -> Any:
    """A client of CloudWatch Logs, configured alike."""
    return _client("logs")


def cloudformation_client() -> Any:
    """A client of CloudFormation, configured alike."""
    return _client("cloudformation")


def _client(service: str) -> Any:
    session = botocore.session.get_session()
    try:
        retries: Any = {"mode": session.get_config_variable("retry_mode") or "standard"}
        if session.get_config_variable("max_attempts") is None:
            retries["total_max_attempts"] = MAX_ATTEMPTS
        return boto3.Session(botocore_session=session).client(service, config=Config(retries=retries))
    except (BotoCoreError, NoRegionError, ClientError) as error:
        raise explained(error) from error


def keep_unknown_fields(client: Any) -> None:
    """Let the client's histories keep fields that botocore's service model does not know, as the service wrote them."""
    if hasattr(client, "meta"):
        client.meta.events.register(_HISTORY_PARSED, _add_unknown_fields, _HANDLER_ID, unique_id_uses_count=True)


def drop_unknown_fields(client: Any) -> None:
    """Undo ``keep_unknown_fields``."""
    if hasattr(client, "meta"):
        client.meta.events.unregister(_HISTORY_PARSED, _add_unknown_fields, _HANDLER_ID, unique_id_uses_count=True)


def _add_unknown_fields(http_response: Any, parsed: dict[str, Any], **_: Any) -> None:
    if "Events" in parsed:
        raw = json.loads(http_response.content)
        for event, original in zip(parsed["Events"], raw["Events"], strict=True):
            _merge(event, original)


def _merge(parsed: dict[str, Any], original: Mapping[str, Any]) -> None:
    for key, value in original.items():
        if isinstance(value, dict) and isinstance(parsed.get(key), dict):
            _merge(parsed[key], value)
        elif value is not None:
            parsed.setdefault(key, value)
