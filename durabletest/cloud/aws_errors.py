"""Turns the errors of AWS and botocore into errors that advise what to set."""

from __future__ import annotations

import os

from botocore import __version__ as botocore_version
from botocore import exceptions as botocore
from botocore.exceptions import ClientError

from durabletest.errors import (
    CloudCredentialsError,
    CloudFunctionNotDurableError,
    CloudFunctionNotFoundError,
    CloudFunctionNotQualifiedError,
    CloudPermissionError,
    CloudRegionError,
    CloudServiceError,
    CloudSetupError,
    DurableTestError,
)

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
_ACTION_OF_OPERATION = {"Invoke": "lambda:InvokeFunction"}


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


def explained(error: Exception, function: str | None = None, service: str = "Lambda") -> DurableTestError:
    """The durabletest error to raise from one of botocore's; ``function`` is the name that was invoked, if any."""
    if isinstance(error, botocore.NoRegionError):
        return CloudRegionError(
            f"no AWS region is set: set AWS_DEFAULT_REGION, or AWS_PROFILE to a profile with one{_ignored_region()}"
        )
    if isinstance(error, _CREDENTIALS_MISSING):
        return CloudCredentialsError(f"there are no AWS credentials ({error}): {_SET_CREDENTIALS}")
    if isinstance(error, _UNREACHABLE):
        return CloudServiceError(f"the {service} service cannot be reached, after all retries: {error}")
    if not isinstance(error, ClientError):
        return CloudServiceError(f"botocore {botocore_version} cannot send the request: {error}")
    return _setup_error(error, function) or CloudServiceError(
        f"the {service} service refuses {error.operation_name}{_retried(error)}: {error}"
    )


def _setup_error(error: ClientError, function: str | None) -> CloudSetupError | None:
    code, operation = error_code(error), error.operation_name
    if code == "RequestExpired":
        return CloudCredentialsError(
            "the service takes the request for expired: get new credentials if they are temporary, or set the clock of "
            f"this machine\n{error}"
        )
    if code in _WRONG_CLOCK or str(error.response.get("Error", {}).get("Message")).startswith(_WRONG_CLOCK):
        return CloudSetupError(
            f"the service does not take the time of the request: set the clock of this machine\n{error}"
        )
    if code in _CREDENTIALS_REFUSED:
        return CloudCredentialsError(f"the service does not take the AWS credentials ({error}): {_SET_CREDENTIALS}")
    if code == "AccessDeniedException":
        action = _ACTION_OF_OPERATION.get(operation, f"lambda:{operation}")
        return CloudPermissionError(f"the credentials do not permit {action}: allow it in their IAM policy\n{error}")
    if function is None:
        return None
    if code == "ResourceNotFoundException":
        return CloudFunctionNotFoundError(
            f"there is no function {function!r} in that account and region: deploy it, or set function_name (or "
            f"DURABLETEST_FUNCTION_NAMES) to the deployed name or ARN, and AWS_DEFAULT_REGION to its region\n{error}"
        )
    return _about_durability(error, function) if code == "InvalidParameterValueException" else None


def _about_durability(error: ClientError, function: str) -> CloudSetupError | None:
    """Tell by the message, since the service has one code for all invalid parameters."""
    message = str(error).lower()
    if "synchronously" in message:
        return CloudSetupError(
            f"{function!r} may run for more than 15 minutes, so it cannot be invoked synchronously: use "
            f"invocation_type 'Event', or deploy it with a shorter ExecutionTimeout\n{error}"
        )
    if "qualif" in message:
        return CloudFunctionNotQualifiedError(
            f"durable functions need a version or an alias, and {function!r} has none: write "
            f"'{function}:$LATEST', or a version or alias of yours\n{error}"
        )
    about_function = "durable" in message.replace("durableexecutionname", "")
    return not_durable(function, str(error)) if about_function else None


def not_durable(function: str, service_message: str = "") -> CloudFunctionNotDurableError:
    """The error for an Invoke that started no durable execution."""
    return CloudFunctionNotDurableError(
        f"{function!r} is no durable function: deploy it with a DurableConfig (ExecutionTimeout), which only a new "
        f"function can be given, and name the new version\n{service_message}".rstrip()
    )


def _ignored_region() -> str:
    region = os.environ.get("AWS_REGION")
    return f" (AWS_REGION is {region!r}, which boto3 does not read)" if region else ""


def _retried(error: ClientError) -> str:
    attempts = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
    return f", after {attempts} retries" if attempts else ""
