"""The functions of a template: how each is configured, and which others it may invoke."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from durabletest.errors import ConfigurationError
from durabletest.template.documents import Document
from durabletest.template.intrinsics import ACCOUNT, REGION, UnknownValueError, Values
from durabletest.template.permissions import Permissions
from durabletest.value_checks import DEFAULT_MEMORY_SIZE, DEFAULT_RETENTION_DAYS

SAM, LAMBDA = "AWS::Serverless::Function", "AWS::Lambda::Function"
_ALIAS, _VERSION = "AWS::Lambda::Alias", "AWS::Lambda::Version"
DEFAULT_TIMEOUT = 3
"""The seconds of a function whose template does not say."""
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@dataclass(slots=True, eq=False)
class TemplateFunction:
    """One function of a template; ``name`` is what it is called locally: its ``FunctionName``, or its logical id.

    ``handler`` is as in the template, ``app.handler``, and ``code`` the folder that it is in; both are None for code
    that is not there. ``execution_timeout`` (seconds) is None if it is not durable.
    """

    template: Template
    logical_id: str
    properties: Mapping[str, Any]
    metadata: Mapping[str, Any]
    name: str
    aliases: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.logical_id} of {self.template.file.name}"

    @property
    def arn(self) -> str:
        """Its unqualified ARN in local runs."""
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.name}"

    @property
    def durable(self) -> bool:
        """Whether it is deployed as a durable function."""
        return self.properties.get("DurableConfig") is not None

    @property
    def timeout(self) -> int:
        """The seconds that one invocation may take."""
        return self._number("Timeout", self.properties.get("Timeout"), DEFAULT_TIMEOUT, "function_timeout")

    @property
    def memory_size(self) -> int:
        """Its memory in MB."""
        return self._number("MemorySize", self.properties.get("MemorySize"), DEFAULT_MEMORY_SIZE, "memory_size")

    @property
    def execution_timeout(self) -> int | None:
        """The seconds that an execution may take; None without such a limit."""
        node = self._durable_config("ExecutionTimeout")
        return None if node is None else self._number("ExecutionTimeout", node, 0, "execution_timeout")

    @property
    def retention_days(self) -> int:
        """The days that an execution is kept after its end."""
        node = self._durable_config("RetentionPeriodInDays")
        return self._number("RetentionPeriodInDays", node, DEFAULT_RETENTION_DAYS, "retention_days")

    @property
    def runtime(self) -> str | None:
        """The runtime, ``python3.13`` for example; None if the template does not say, as for an image."""
        return self._known(self.properties.get("Runtime"))

    @property
    def handler(self) -> str | None:
        """The handler as it stands in the template; None if there is none, as for an image."""
        return self._known(self.properties.get("Handler"))

    @property
    def code(self) -> Path | None:
        """The folder of its code; None if that is not on this machine, as it is in S3, an image or the template."""
        folder = self.template.file.parent
        asset = self.metadata.get("aws:asset:path")
        if asset is not None:
            return folder / str(asset)
        where = self._known(self.properties.get("CodeUri", self.properties.get("Code")))
        return None if where is None or where.startswith(("s3:", "https:")) else folder / where

    @property
    def names(self) -> tuple[str, ...]:
        """The names by which a test may choose it; CDK's logical ids are those of constructs, with a hash."""
        construct = str(self.metadata.get("aws:cdk:path", "")).removesuffix("/Resource")
        return tuple(dict.fromkeys(filter(None, (self.logical_id, self.name, construct, construct.rpartition("/")[2]))))

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """Its environment variables, with those that are ``given`` in place of the template's."""
        environment = self.properties.get("Environment") or {}
        variables = environment.get("Variables", environment) or {}
        if "Fn::If" in variables:
            return dict(given) or self._conditional(variables)
        found = {name: self._variable(name, node) for name, node in variables.items() if name not in given}
        return {**{name: text for name, text in found.items() if text is not None}, **given}

    def targets(self) -> dict[str, TemplateFunction]:
        """The other functions of the template, by their logical ids, that it may invoke."""
        return {one.logical_id: one for one in self.template.functions if self.template.permissions.may(self, one)}

    def _variable(self, name: str, node: Any) -> str | None:
        try:
            value = self.template.values.of(node)
        except UnknownValueError as error:
            raise ConfigurationError(
                f"the environment variable {name} of {self} is not known before it is deployed, as {error}: write "
                f"environment = {{{name!r}: '...'}} in the test class"
            ) from None
        return str(value).lower() if isinstance(value, bool) else None if value is None else str(value)

    def _conditional(self, variables: Any) -> dict[str, str]:
        """Raise the error for environment variables under a condition that depends on the deployment."""
        try:
            return dict(self.template.values.of(variables))
        except UnknownValueError as error:
            raise ConfigurationError(
                f"the environment variables of {self} are not known before it is deployed, as {error}: write "
                "environment = {...} in the test class"
            ) from None

    def _number(self, name: str, node: Any, default: int, setting: str) -> int:
        value = None
        try:
            value = self.template.values.of(node)
            return default if value is None else int(value)
        except UnknownValueError as error:
            reason = f"is not known before it is deployed, as {error}"
        except (TypeError, ValueError):
            reason = f"is {value!r}, which is no number"
        raise ConfigurationError(f"{name} of {self} {reason}: write {setting} = ... in the test class")

    def _durable_config(self, name: str) -> Any:
        config = self.properties.get("DurableConfig")
        if not isinstance(config, dict):
            return None
        return config if "Fn::If" in config else config.get(name)

    def _known(self, node: Any) -> str | None:
        try:
            value = self.template.values.of(node)
        except UnknownValueError:
            return None
        return value if isinstance(value, str) else None


class Template:
    """The functions of one template, in the order in which they stand there."""

    def __init__(self, document: Document) -> None:
        self.file = document.file
        self.stack = document.stack
        self.outputs = _without_loops(document.body.get("Outputs"))
        self._resources: Mapping[str, Any] = {}
        self._by_id: dict[str, TemplateFunction] = {}
        self.values = Values(document.body, self._reference)
        self._resources = {
            name: {**one, "Properties": self.values.chosen(one.get("Properties") or {})}
            for name, one in _without_loops(document.body.get("Resources")).items()
        }
        defaults = self.values.chosen(((document.body.get("Globals") or {}).get("Function")) or {})
        for logical_id, resource in self._resources.items():
            if resource.get("Type") in (SAM, LAMBDA):
                own = resource.get("Properties") or {}
                properties = _merged(defaults, own) if resource["Type"] == SAM else own
                metadata = resource.get("Metadata") or {}
                self._by_id[logical_id] = TemplateFunction(self, logical_id, properties, metadata, logical_id)
        for function in self.functions:
            function.name = self._name(function)
        for function in self.functions:
            function.aliases.extend(self._aliases(function))
        self.permissions = Permissions(self._resources, self.values)

    @property
    def functions(self) -> list[TemplateFunction]:
        """All its functions."""
        return list(self._by_id.values())

    def outputs_of(self, function: TemplateFunction) -> Iterator[tuple[str, bool]]:
        """The outputs whose values name a function, and whether with a version or an alias."""
        for name, output in self.outputs.items():
            try:
                value = str(self.values.of(output.get("Value")))
            except UnknownValueError:
                continue
            if value in (function.arn, function.name):
                yield name, False
            elif value.startswith((f"{function.arn}:", f"{function.name}:")):
                yield name, True

    def _name(self, function: TemplateFunction) -> str:
        name = function._known(function.properties.get("FunctionName"))
        return name if name is not None and _NAME.fullmatch(name) else function.logical_id

    def _aliases(self, function: TemplateFunction) -> Iterator[str]:
        published = function._known(function.properties.get("AutoPublishAlias"))
        if published is not None:
            yield published
        for resource in self._resources.values():
            properties = resource.get("Properties") or {}
            if resource.get("Type") == _ALIAS and self._function_of(properties) is function:
                name = function._known(properties.get("Name"))
                if name is not None:
                    yield name

    def _function_of(self, properties: Mapping[str, Any]) -> TemplateFunction | None:
        """The function that an alias or a version belongs to."""
        try:
            named = self.values.of(properties.get("FunctionName"))
        except UnknownValueError:
            return None
        return next((one for one in self.functions if named in (one.name, one.arn)), None)

    def _reference(self, logical_id: str, attribute: str) -> str | None:
        """What a reference to a function, its version or its alias stands for; None for any other resource."""
        function = self._by_id.get(logical_id)
        if function is not None:
            return {"": function.name, "Arn": function.arn}.get(attribute)
        generated, _, kind = logical_id.rpartition(".")
        if generated in self._by_id and kind in ("Alias", "Version"):  # made by SAM for AutoPublishAlias
            qualifier = next(iter(self._by_id[generated].aliases), "$LATEST") if kind == "Alias" else "$LATEST"
            return f"{self._by_id[generated].arn}:{qualifier}"
        resource = self._resources.get(logical_id, {})
        properties = resource.get("Properties") or {}
        if resource.get("Type") not in (_ALIAS, _VERSION):
            return None
        owner = self._function_of(properties)
        if owner is None:
            return None
        qualifier = str(self.values.of(properties.get("Name"))) if resource["Type"] == _ALIAS else "$LATEST"
        return {"": f"{owner.arn}:{qualifier}", "Version": "$LATEST"}.get(attribute)


def _without_loops(section: Any) -> dict[str, Any]:
    """A section of a template without ``Fn::ForEach``, lists that CloudFormation alone evaluates."""
    return {name: one for name, one in (section or {}).items() if isinstance(one, Mapping)}


def _merged(defaults: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """A function's properties with those of ``Globals``: dictionaries and lists are merged, other values replaced."""
    both = {**defaults, **own}
    for name in set(defaults) & set(own):
        if isinstance(defaults[name], dict) and isinstance(own[name], dict):
            both[name] = _merged(defaults[name], own[name])
        elif isinstance(defaults[name], list) and isinstance(own[name], list):
            both[name] = [*defaults[name], *own[name]]
    return both
