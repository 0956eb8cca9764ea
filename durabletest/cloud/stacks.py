"""The names of deployed functions, as the outputs of a stack tell them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from durabletest.cloud.aws import client_of, error_code, explained
from durabletest.errors import CloudPermissionError, ConfigurationError
from durabletest.template.functions import TemplateFunction

STACK_VARIABLE = "DURABLETEST_STACK"
_LATEST = "$LATEST"


@dataclass(frozen=True, slots=True)
class DeployedStacks:
    """What the environment variable names: a stack of CloudFormation, or a file of ``cdk deploy --outputs-file``.

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
