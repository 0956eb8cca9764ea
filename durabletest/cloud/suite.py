"""The cloud configuration of a test case class: its deployed function, and the runner of each of its tests."""

from __future__ import annotations

import json
import os
import sys
import unittest
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from durabletest.cloud.aws import arn_and_link, client_of, error_code, explained, lambda_client
from durabletest.cloud.runner import CloudDurableTestRunner, cloud_watch_logs, seconds_of
from durabletest.errors import CloudPermissionError, ConfigurationError, NotAvailableError
from durabletest.template.functions import TemplateFunction
from durabletest.template.selection import function_of

FUNCTION_NAMES_VARIABLE = "DURABLETEST_FUNCTION_NAMES"
POLL_INTERVAL_VARIABLE = "DURABLETEST_POLL_INTERVAL"
STACK_VARIABLE = "DURABLETEST_STACK"
_LATEST = "$LATEST"

__unittest = True


class SkippedInCloudError(NotAvailableError, unittest.SkipTest):
    """Skips a test that does something the cloud does not offer, unless the class is strict."""


_UNAVAILABLE: dict[object, type[NotAvailableError]] = {"skip": SkippedInCloudError, "strict": NotAvailableError}


class CloudSuite:
    """The validated cloud settings of one test case class, whose tests share one client."""

    def __init__(self, cls: type[Any]) -> None:
        function = _deployed_name(cls)
        timeout = seconds_of(cls.cloud_timeout, f"{cls.__qualname__}.cloud_timeout")
        poll_interval = _poll_interval(cls)
        self._logs = cloud_watch_logs(cls.cloud_logs)
        self._client = lambda_client()
        self._new_runner = partial(
            CloudDurableTestRunner,
            function,
            self._client,
            poll_interval,
            timeout,
            cls.invocation_type,
            unavailable=_UNAVAILABLE[cls.cloud],
            cloud_logs=self._logs,
        )

    def runner(self, test_id: str, workflow: str | None = None) -> CloudDurableTestRunner:
        """The runner for one test; its executions carry the test's id. ``workflow`` is its name in reports."""
        return self._new_runner(execution_prefix=test_id, workflow=workflow)

    def close(self) -> None:
        self._client.close()
        if self._logs is not None:
            self._logs.close()


@contextmanager
def execution_noted(last_arn: Callable[[], str | None]) -> Iterator[None]:
    """Add the ARN and the console page of the last execution to failures, unless they name it."""
    try:
        yield
    except unittest.SkipTest:
        raise
    except Exception as error:
        arn = last_arn()
        if arn is not None and not any(arn in text for text in (str(error), *getattr(error, "__notes__", ()))):
            error.add_note(arn_and_link(arn))
        raise


def _deployed_name(cls: type[Any]) -> str:
    """The name or ARN that the environment variables give for ``function_name``, or else for the handler's names.

    The function of a template is known by its own names. A ``function_name`` that none of the variables knows is itself
    the deployed name.
    """
    deployed, function = _deployed_names(), function_of(cls)
    names = handler_names(cls) if cls.function_name is None else [str(cls.function_name)]
    if function is not None and cls.function_name is None:
        names += function.names
    for name in names:
        if name in deployed:
            return deployed[name]
    stacks = DeployedStacks.from_environment()
    if cls.function_name is not None:
        return (stacks and stacks.value(names[0])) or names[0]
    if function is not None and stacks is not None:
        return stacks.name_of(function)
    key = next(iter(names), "name")
    stack = "" if function is None else f", or {STACK_VARIABLE} to the name of the stack, 'orders-dev'"
    raise ConfigurationError(
        f"{cls.__qualname__} has no function_name, so nothing can be invoked in the cloud: write "
        f'function_name = \'orders:live\', or set {FUNCTION_NAMES_VARIABLE}={{"{key}": "orders:live"}}{stack}'
    )


def _deployed_names() -> dict[str, str]:
    """The environment variable: deployed names or ARNs by names in test classes."""
    text = os.environ.get(FUNCTION_NAMES_VARIABLE)
    if not text:
        return {}
    where = f"the environment variable {FUNCTION_NAMES_VARIABLE}"
    try:
        names = json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f'{where} is no JSON ({error}): write {{"orders": "orders-staging:live"}}') from None
    if not isinstance(names, dict) or not all(isinstance(value, str) for value in names.values()):
        raise ConfigurationError(f'{where} is {text}: write an object of strings, {{"orders": "orders-staging:live"}}')
    return names


def handler_names(cls: type[Any]) -> list[str]:
    """The handler's names in the module of the class, then its ``__name__`` (which version 2 of the SDK hides)."""
    if cls.handler is None:
        return []
    module = getattr(sys.modules.get(cls.__module__), "__dict__", {})
    names = [name for name, value in module.items() if value is cls.handler]
    own = getattr(cls.handler, "__name__", None)
    return list(dict.fromkeys([*names, *([] if own is None else [str(own)])]))


def _poll_interval(cls: type[Any]) -> float:
    text = os.environ.get(POLL_INTERVAL_VARIABLE)
    if not text:
        return seconds_of(cls.poll_interval, f"{cls.__qualname__}.poll_interval")
    where = f"the environment variable {POLL_INTERVAL_VARIABLE}"
    try:
        return seconds_of(float(text), where)
    except ValueError:
        raise ConfigurationError(f"{where} is {text!r}: give a positive number of seconds") from None


# --- the names of deployed functions, as the outputs of a stack tell them ---


@dataclass(frozen=True, slots=True)
class DeployedStacks:
    """The stack of CloudFormation, or the file of ``cdk deploy --outputs-file``, that the environment variable names.

    ``outputs`` are those of each stack, by their keys.
    """

    source: str
    outputs: Mapping[str, Mapping[str, str]]

    @classmethod
    def from_environment(cls) -> DeployedStacks | None:
        """The stacks that the variable names, read now; None if it is not set."""
        source = os.environ.get(STACK_VARIABLE)
        if not source:
            return None
        return cls(source, _of_file(Path(source)) if source.endswith(".json") else {source: _of_stack(source)})

    def value(self, key: str) -> str | None:
        """The output of that key; None if no stack has one."""
        found = {stack: outputs[key] for stack, outputs in self.outputs.items() if key in outputs}
        if len(found) > 1:
            raise ConfigurationError(
                f"{key!r} is an output of the stacks {', '.join(found)} in {self.source}, and only one can be meant: "
                f"set {STACK_VARIABLE} to the name of a stack"
            )
        return next(iter(found.values()), None)

    def name_of(self, function: TemplateFunction) -> str:
        """The deployed name or ARN of a template's function, with a version or an alias."""
        qualifier = next(iter(function.aliases), _LATEST)
        stack = function.template.stack
        stacks = self._only(stack) if stack is not None and stack in self.outputs else self
        outputs = [(stacks.value(key), qualified) for key, qualified in function.template.outputs_of(function)]
        deployed = [(value, qualified) for value, qualified in outputs if value is not None]
        for value, qualified in deployed:
            if qualified and value.endswith(f":{qualifier}"):
                return value
        for value, qualified in deployed:
            if not qualified:
                return f"{value}:{qualifier}"
        if deployed:
            return deployed[0][0]
        if self.source.endswith(".json"):
            raise ConfigurationError(
                f"{self.source} has no output with the name or ARN of {function}: add one to the stack, "
                f"CfnOutput(self, 'FunctionArn', value=function.function_arn), or set {STACK_VARIABLE} to the name of "
                "the stack"
            )
        return f"{_resource(self.source, function)}:{qualifier}"

    def _only(self, stack: str) -> DeployedStacks:
        return DeployedStacks(self.source, {stack: self.outputs[stack]})


def _of_file(file: Path) -> Mapping[str, Mapping[str, str]]:
    where = f"the environment variable {STACK_VARIABLE} names {file}, which"
    try:
        outputs = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{where} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigurationError(f"{where} is no JSON: {error}") from None
    if not isinstance(outputs, dict) or not all(isinstance(stack, dict) for stack in outputs.values()):
        raise ConfigurationError(f"{where} is no file of outputs: write it with cdk deploy --outputs-file")
    return outputs


def _of_stack(stack: str) -> dict[str, str]:
    [found] = _ask("DescribeStacks", stack, StackName=stack)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", ())}


def _resource(stack: str, function: TemplateFunction) -> str:
    """The physical name of a function, which the stack's outputs do not tell."""
    answer = _ask("DescribeStackResource", stack, StackName=stack, LogicalResourceId=function.logical_id)
    return str(answer["StackResourceDetail"]["PhysicalResourceId"])


def _ask(operation: str, stack: str, **request: str) -> Any:
    client = client_of("cloudformation")
    method = client.describe_stacks if operation == "DescribeStacks" else client.describe_stack_resource
    try:
        return method(**request)
    except ClientError as error:
        if error_code(error) == "ValidationError":
            what = request.get("LogicalResourceId")
            raise ConfigurationError(
                f"the environment variable {STACK_VARIABLE} is {stack!r}, and there is no "
                f"{'such stack' if what is None else f'resource {what!r} in that stack'} in that account and region: "
                f"{error}"
            ) from error
        if error_code(error) == "AccessDenied":
            raise CloudPermissionError(
                f"the credentials do not permit cloudformation:{operation}, which {STACK_VARIABLE} needs: allow it in "
                f"their IAM policy, or set {STACK_VARIABLE} to a file of cdk deploy --outputs-file\n{error}"
            ) from error
        raise explained(error, service="CloudFormation") from error
    except BotoCoreError as error:
        raise explained(error, service="CloudFormation") from error
    finally:
        client.close()
