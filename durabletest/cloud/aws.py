"""AWS as cloud runs use it: the clients of boto3, names and ARNs, and errors that advise what to set."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from functools import cache, partial
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import boto3
from botocore import __version__ as botocore_version
from botocore import exceptions as botocore
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import create_loader
from botocore.session import get_session

from durabletest import errors

_CREDENTIALS_MISSING = (
    botocore.NoCredentialsError,
    botocore.PartialCredentialsError,
    botocore.CredentialRetrievalError,
    botocore.ProfileNotFound,
    botocore.SSOError,
    botocore.TokenRetrievalError,
)
_UNREACHABLE = (botocore.ConnectionError, botocore.HTTPClientError)
_CREDENTIALS_REFUSED = frozenset({
    "ExpiredTokenException",
    "ExpiredToken",
    "IncompleteSignatureException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
})  # fmt: skip
_WRONG_CLOCK = ("RequestTimeTooSkewed", "RequestInTheFuture", "Signature expired", "Signature not yet current")
"""Codes and beginnings of messages; the codes of the messages stand for bad credentials too."""
_SET_CREDENTIALS = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN for temporary ones), or AWS_PROFILE to a "
    "profile of your AWS configuration, logged in"
)


def is_not_found(error: BaseException) -> bool:
    """Whether the service does not know the resource (yet)."""
    return isinstance(error, ClientError) and error_code(error) == "ResourceNotFoundException"


def is_outage(error: Exception) -> bool:
    """Whether the request may succeed later: the service is unreachable, fails or throttles."""
    if isinstance(error, ClientError):
        status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or status == 429 or error_code(error).startswith("Throttl")
    return isinstance(error, _UNREACHABLE)


def error_code(error: ClientError) -> str:
    """The name of the error in the service model."""
    return str(error.response.get("Error", {}).get("Code", ""))


def explained(error: Exception, function: str | None = None, service: str = "Lambda") -> errors.DurableTestError:
    """The durabletest error to raise from one of botocore's; ``function`` is the name that was invoked, if any."""
    if isinstance(error, botocore.NoRegionError):
        region = os.environ.get("AWS_REGION")
        ignored = f" (AWS_REGION is {region!r}, which boto3 does not read)" if region else ""
        return errors.CloudRegionError(
            f"no AWS region is set: set AWS_DEFAULT_REGION, or AWS_PROFILE to a profile with one{ignored}"
        )
    if isinstance(error, _CREDENTIALS_MISSING):
        return errors.CloudCredentialsError(f"there are no AWS credentials ({error}): {_SET_CREDENTIALS}")
    if isinstance(error, _UNREACHABLE):
        return errors.CloudServiceError(f"the {service} service cannot be reached, after all retries: {error}")
    if not isinstance(error, ClientError):
        return errors.CloudServiceError(f"botocore {botocore_version} cannot send the request: {error}")
    retries = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
    retried = f", after {retries} retries" if retries else ""
    return _setup_error(error, function) or errors.CloudServiceError(
        f"the {service} service refuses {error.operation_name}{retried}: {error}"
    )


def _setup_error(error: ClientError, function: str | None) -> errors.CloudSetupError | None:
    code, operation = error_code(error), error.operation_name
    if code == "RequestExpired":
        return errors.CloudCredentialsError(
            "the service takes the request for expired: get new credentials if they are temporary, or set the clock of "
            f"this machine\n{error}"
        )
    if code in _WRONG_CLOCK or str(error.response.get("Error", {}).get("Message")).startswith(_WRONG_CLOCK):
        return errors.CloudSetupError(
            f"the service does not take the time of the request: set the clock of this machine\n{error}"
        )
    if code in _CREDENTIALS_REFUSED:
        return errors.CloudCredentialsError(
            f"the service does not take the AWS credentials ({error}): {_SET_CREDENTIALS}"
        )
    if code == "AccessDeniedException":
        action = "lambda:InvokeFunction" if operation == "Invoke" else f"lambda:{operation}"
        return errors.CloudPermissionError(
            f"the credentials do not permit {action}: allow it in their IAM policy\n{error}"
        )
    if function is None:
        return None
    if code == "ResourceNotFoundException":
        return errors.CloudFunctionNotFoundError(
            f"there is no function {function!r} in that account and region: deploy it, or set function_name (or "
            f"DURABLETEST_FUNCTION_NAMES) to the deployed name or ARN, and AWS_DEFAULT_REGION to its region\n{error}"
        )
    return _about_durability(error, function) if code == "InvalidParameterValueException" else None


def _about_durability(error: ClientError, function: str) -> errors.CloudSetupError | None:
    """Tell by the message, since the service has one code for all invalid parameters."""
    message = str(error).lower()
    if "synchronously" in message:
        return errors.CloudSetupError(
            f"{function!r} may run for more than 15 minutes, so it cannot be invoked synchronously: use "
            f"invocation_type 'Event', or deploy it with a shorter ExecutionTimeout\n{error}"
        )
    if "qualif" in message:
        return errors.CloudFunctionNotQualifiedError(
            f"durable functions need a version or an alias, and {function!r} has none: write "
            f"'{function}:$LATEST', or a version or alias of yours\n{error}"
        )
    about_function = "durable" in message.replace("durableexecutionname", "")
    return not_durable(function, str(error)) if about_function else None


def not_durable(function: str, service_message: str = "") -> errors.CloudFunctionNotDurableError:
    """The error for an Invoke that started no durable execution."""
    return errors.CloudFunctionNotDurableError(
        f"{function!r} is no durable function: deploy it with a DurableConfig (ExecutionTimeout), which only a new "
        f"function can be given, and name the new version\n{service_message}".rstrip()
    )


MAX_ATTEMPTS = 8
"""Attempts for each request, unless the environment or the AWS configuration file sets another number."""
_HISTORY_PARSED = "after-call.lambda.GetDurableExecutionHistory"
_HANDLER_ID = "durabletest-unknown-fields"


def client_of(service: str) -> Any:
    """A client configured by boto3's own variables: region, profile, endpoint, credentials and retries.

    botocore retries throttled requests and transient failures, with backoff and jitter.
    """
    session = get_session()
    try:
        session.register_component("data_loader", _models(session.get_config_variable("data_path")))
        retries: Any = {"mode": session.get_config_variable("retry_mode") or "standard"}
        if session.get_config_variable("max_attempts") is None:
            retries["total_max_attempts"] = MAX_ATTEMPTS
        return boto3.Session(botocore_session=session).client(service, config=Config(retries=retries))
    except (BotoCoreError, ClientError) as error:
        raise explained(error) from error
    except ValueError as error:  # botocore's own conversions, and an endpoint of which it can make no URL
        if session.get_config_variable("region") == "":
            raise explained(botocore.NoRegionError()) from error
        raise errors.CloudSetupError(
            f"boto3 cannot read its settings ({error}): set AWS_MAX_ATTEMPTS to a number, and AWS_ENDPOINT_URL_LAMBDA "
            "to a URL with its scheme, like http://127.0.0.1:9014; or leave them out"
        ) from error


lambda_client = partial(client_of, "lambda")
logs_client = partial(client_of, "logs")


@cache
def _models(data_path: str | None) -> Any:
    """The service models that botocore has read: two thirds of the time in which it makes a client."""
    return create_loader(data_path)


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
    if partition not in _CONSOLE_DOMAINS:
        return None
    page = f"functions/{quote(name)}?tab=durableExecutions"
    return f"https://{region}.{_CONSOLE_DOMAINS[partition]}/lambda/home?region={region}#/{page}"


def arn_and_link(arn: str) -> str:
    """The lines of a message that give an execution's ARN and its console page."""
    link = console_link(arn)
    return f"Execution: {arn}" + (f"\nConsole:   {link}" if link else "")
