"""What botocore's service model of Lambda says: shapes, and the exception classes that boto3 raises."""

from __future__ import annotations

from functools import cache
from typing import Any

import botocore.session
from botocore.errorfactory import ClientExceptionsFactory
from botocore.exceptions import ClientError
from botocore.model import ServiceModel

_DEFAULT_HTTP_STATUS = 400


@cache
def service_model() -> ServiceModel:
    """The model of the Lambda API."""
    model: ServiceModel = botocore.session.get_session().get_service_model("lambda")
    return model


@cache
def exceptions() -> Any:
    """The modelled exception classes, as a client's ``exceptions`` holds them."""
    return ClientExceptionsFactory().create_client_exceptions(service_model())


def modelled_error(code: str, message: str, api_operation: str) -> ClientError:
    """The error that boto3 raises when the service refuses with ``code``; the HTTP status is the model's own.

    Its ``response`` holds what boto3 parses: ``Error``, ``ResponseMetadata``, and the error's own modelled members.
    """
    shape: Any = _error_shapes()[code]
    status = _http_status(shape)
    texts = {"Type": "User" if status < 500 else "Service", "message": message, "Message": message}
    response = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {}, "RetryAttempts": 0},
        **{name: texts[name] for name in shape.members if name in texts},
    }
    error: ClientError = exceptions().from_code(code)(response, api_operation)
    return error


@cache
def _error_shapes() -> dict[str, Any]:
    model: Any = service_model()
    return {shape.error_code: shape for shape in model.error_shapes}


def _http_status(shape: Any) -> int:
    unstated = 500 if shape.metadata.get("fault") else _DEFAULT_HTTP_STATUS
    status: int = shape.metadata.get("error", {}).get("httpStatusCode", unstated)
    return status
