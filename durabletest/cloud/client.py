"""The boto3 client for Lambda that runs in the cloud use, if the test gives none of its own."""

from __future__ import annotations

from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

from durabletest.cloud.refusals import explained

ATTEMPTS = 8
"""How often a request is sent at most, where neither the environment nor the AWS configuration file says otherwise."""


def lambda_client() -> Any:
    """A client by boto3's own variables: region, profile, endpoint, credentials, retry mode and number of attempts.

    Throttling and transient failures are retried by botocore, with backoff and jitter.
    """
    session = botocore.session.get_session()
    try:
        return boto3.Session(botocore_session=session).client("lambda", config=_config(session))
    except (BotoCoreError, NoRegionError, ClientError) as error:
        raise explained(error) from error


def _config(session: Any) -> Config:
    """The standard retry mode with more attempts than usual, unless somebody has chosen."""
    retries: Any = {"mode": session.get_config_variable("retry_mode") or "standard"}
    if session.get_config_variable("max_attempts") is None:
        retries["total_max_attempts"] = ATTEMPTS
    return Config(retries=retries)
