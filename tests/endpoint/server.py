"""A small Lambda on the loopback interface, which serves the API from the local checkpoint server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event
from types import TracebackType
from typing import Any, Self

from botocore import xform_name
from botocore.exceptions import ClientError

from durabletest import Execution, ExecutionStatus, LocalDurableTestRunner
from durabletest.serve import rest_json
from durabletest.serve.rest_json import ApiCall, HttpAnswer, HttpRequest, RequestRefusedError, refusal
from tests.endpoint.faults import Answering, Faults
from tests.endpoint.http import HttpServer
from tests.endpoint.log import REQUEST_TIMEOUT, RequestLog
from tests.endpoint.stacks import Stack, asked, described
from tests.endpoint.timekeeper import Timekeeper

ACCOUNT, REGION = "123456789012", "us-east-1"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIDTEST",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
}
"""An environment in which boto3 finds these credentials and no others."""
_SYNCHRONOUS_LIMIT = 60.0
_ANSWERS_AND_STOPS = frozenset({
    "SendDurableExecutionCallbackSuccess",
    "SendDurableExecutionCallbackFailure",
    "SendDurableExecutionCallbackHeartbeat",
    "PauseDurableExecution",
    "ResumeDurableExecution",
    "StopDurableExecution",
})  # fmt: skip


@dataclass(frozen=True)
class Deployed:
    """A function that can be invoked; a plain one has no runner."""

    runner: LocalDurableTestRunner | None
    plain: Callable[..., Any] | None = None


class Endpoint:
    """Functions are deployed into it, and any boto3 client can be pointed at its ``url``.

    Handlers run in virtual time, which its timekeeper moves on while nobody has anything else to do.
    """

    def __init__(self) -> None:
        self.faults = Faults()
        self.log = RequestLog()
        self.page_size: int | None = None
        """The most items of a page, whatever ``MaxItems`` a client sends; unlimited if None."""
        self.intercept: Callable[[ApiCall, HttpRequest, Answering], HttpAnswer] | None = None
        """Serves all requests that meet no fault, given what the service would do; None if the service serves them."""
        self.closing = Event()
        self.stacks: dict[str, Stack] = {}
        """The stacks of CloudFormation by their names."""
        self._deployed: dict[str, Deployed] = {}
        self._time = Timekeeper()
        self._http = HttpServer(self._answer)

    def __enter__(self) -> Self:
        LocalDurableTestRunner.setup_test_environment()
        self._time.start()
        self._http.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.closing.set()
        self._http.close()
        self._time.close()
        for deployed in self._deployed.values():
            if deployed.runner is not None:
                deployed.runner.close()
        LocalDurableTestRunner.teardown_test_environment()
        if exc is None:
            self._time.raise_problem()

    # --- for tests ---

    @property
    def url(self) -> str:
        return self._http.url

    @property
    def environment(self) -> dict[str, str]:
        """What makes any boto3 client of a process talk to this endpoint."""
        return {**CREDENTIALS, "AWS_ENDPOINT_URL_LAMBDA": self.url, "AWS_ENDPOINT_URL_CLOUDFORMATION": self.url}

    def deploy(
        self,
        name: str,
        handler: Callable[..., Any],
        *,
        durable_functions: Mapping[str, Callable[..., Any]] | None = None,
        functions: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        runner = LocalDurableTestRunner(
            handler, function_name=name, durable_functions=durable_functions, functions=functions
        )
        self._replace(name, Deployed(runner))

    def deploy_plain(self, name: str, function: Callable[..., Any]) -> None:
        """A function that is not durable."""
        self._replace(name, Deployed(None, function))

    def running(self) -> list[str]:
        """The ARNs of the executions that run: what a test has left running is a leak."""
        started = self.all()
        both = [*started, *(child for execution in started for child in self.descendants(execution))]
        return [execution.arn for execution in both if execution.status is ExecutionStatus.RUNNING]

    def all(self) -> list[Execution]:
        """The executions that clients have started."""
        return self._time.all()

    def descendants(self, execution: Execution) -> list[Execution]:
        """What an execution has invoked, and what those have."""
        view = execution.snapshot().view
        arns = [record.child_arn for record in view.history().operations if record.child_arn is not None]
        children = [Execution(view.sibling(arn)) for arn in arns]
        return [*children, *(below for child in children for below in self.descendants(child))]

    def wait_until_all_have_ended(self) -> None:
        """Return when no execution runs any more."""
        self._time.wait_for(lambda: not self._time.running(), REQUEST_TIMEOUT)

    def reset(self) -> None:
        """End what runs, and forget faults and requests; what is deployed stays."""
        self.faults.clear()
        self.page_size = None
        self.stacks.clear()
        for started in self.all():
            for execution in (started, *self.descendants(started)):
                if execution.status is ExecutionStatus.RUNNING:
                    execution.stop()
        self._time.forget()
        self.log.clear()
        self._time.raise_problem()

    def _replace(self, name: str, deployed: Deployed) -> None:
        old = self._deployed.pop(name, None)
        if old is not None and old.runner is not None:
            old.runner.close()
        self._deployed[name] = deployed

    # --- for the threads that answer ---

    def _answer(self, request: HttpRequest) -> HttpAnswer:
        if "AWS4-HMAC-SHA256" not in request.headers.get("authorization", ""):
            return refusal(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
        try:
            call = asked(request) or rest_json.decode(request)
        except RequestRefusedError as refused:
            return refusal(refused.status, refused.code, refused.message)
        self.log.add(call, request)
        fault = self.faults.take(call.operation)
        if fault is not None:
            answer = fault(lambda: self._serve(call), self.closing)
        elif self.intercept is not None:
            answer = self.intercept(call, request, lambda: self._serve(call))
        else:
            answer = self._serve(call)
        self.log.add_sent(call.operation, len(answer.body))
        return answer

    def _serve(self, call: ApiCall) -> HttpAnswer:
        if call.operation.startswith("DescribeStack"):
            return described(call, self.stacks)
        try:
            return self._invoke(call.members) if call.operation == "Invoke" else self._durable(call)
        except ClientError as error:
            return rest_json.refusal_of(error)

    def _durable(self, call: ApiCall) -> HttpAnswer:
        runner = next((d.runner for d in self._deployed.values() if d.runner is not None), None)
        if runner is None:
            return refusal(404, "ResourceNotFoundException", "Nothing is deployed")
        output = getattr(runner.client, xform_name(call.operation))(**self._in_small_pages(call.members))
        if call.operation == "GetDurableExecutionHistory":
            self._time.polled(call.members["DurableExecutionArn"])
        if call.operation in _ANSWERS_AND_STOPS:
            self._time.touched()
        return rest_json.encode(call.operation, output)

    def _in_small_pages(self, members: dict[str, Any]) -> dict[str, Any]:
        if self.page_size is None or "MaxItems" not in members:
            return members
        return {**members, "MaxItems": min(self.page_size, members["MaxItems"])}

    def _invoke(self, members: dict[str, Any]) -> HttpAnswer:
        name, qualifier = _split(members["FunctionName"])
        deployed = self._deployed.get(name)
        if deployed is None:
            arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
            return refusal(404, "ResourceNotFoundException", f"Function not found: {arn}")
        payload = json.loads(members.get("Payload") or b"null")
        if deployed.runner is None:
            return _plain(deployed, payload)
        if members.get("Qualifier", qualifier) is None:
            message = "You cannot invoke a durable function using an unqualified ARN."
            return refusal(400, "InvalidParameterValueException", message)
        execution = deployed.runner.start(
            payload, name=members.get("DurableExecutionName"), tenant_id=members.get("TenantId")
        )
        self._time.started(execution)
        if members.get("InvocationType") == "Event":
            return rest_json.encode("Invoke", {"StatusCode": 202, "DurableExecutionArn": execution.arn, "Payload": b""})
        return self._synchronous(execution)

    def _synchronous(self, execution: Execution) -> HttpAnswer:
        self._time.wait_for(lambda: execution.status is not ExecutionStatus.RUNNING, _SYNCHRONOUS_LIMIT)
        result = execution.snapshot()
        output = {"StatusCode": 200, "DurableExecutionArn": execution.arn, "ExecutedVersion": "$LATEST"}
        if result.get_status() is ExecutionStatus.SUCCEEDED:
            return rest_json.encode("Invoke", {**output, "Payload": json.dumps(result.get_result()).encode()})
        error = result.get_error()
        details = {"errorType": error and error.type, "errorMessage": error and error.message}
        failed = {"FunctionError": "Unhandled", "Payload": json.dumps(details).encode()}
        return rest_json.encode("Invoke", {**output, **failed})


def _plain(deployed: Deployed, payload: Any) -> HttpAnswer:
    assert deployed.plain is not None
    result = deployed.plain(payload, None)
    return rest_json.encode("Invoke", {"StatusCode": 202, "Payload": json.dumps(result).encode()})


def _split(function: str) -> tuple[str, str | None]:
    """Name and qualifier of a function's name or ARN."""
    parts = function.split(":")
    if parts[0] == "arn":
        parts = parts[6:]
    return parts[0], parts[1] if len(parts) > 1 else None
