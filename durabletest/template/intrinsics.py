"""CloudFormation's intrinsic functions, as far as their values are known before anything is deployed."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

REGION, ACCOUNT = "us-east-1", "123456789012"
"""Where local functions are, by their ARNs."""
_PSEUDO_PARAMETERS = {
    "AWS::AccountId": ACCOUNT,
    "AWS::NotificationARNs": [],
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackName": "local",
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/local/1",
    "AWS::URLSuffix": "amazonaws.com",
}
_PLACEHOLDER = re.compile(r"\$\{(!?)([^}]*)\}")
_NOTHING: Any = object()
"""The value of ``AWS::NoValue``, which takes a property away."""


class UnknownValueError(Exception):
    """A value is known after the deployment only; the message says what it depends on."""


class Values:
    """Evaluates the values of one template.

    Parameters have their defaults. What a resource is called and which attributes it has is known only if
    ``reference(logical_id, attribute)`` tells; the attribute of a ``Ref`` is empty. For other resources their logical
    id stands, and ``Id.Attribute`` for an attribute.
    """

    def __init__(self, body: Mapping[str, Any], reference: Callable[[str, str], str | None]) -> None:
        self._body = body
        self._reference = reference

    def of(self, node: Any) -> Any:
        """The value of a node; raises :class:`UnknownValueError` if it depends on the deployment."""
        value = self._of(node)
        return None if value is _NOTHING else value

    def chosen(self, node: Any) -> Any:
        """The node with the chosen branch in place of each ``Fn::If``; what ``AWS::NoValue`` takes away is gone.

        Nothing else is evaluated. An ``Fn::If`` whose condition depends on the deployment stays.
        """
        if isinstance(node, list):
            return [value for item in node if (value := self.chosen(item)) is not _NOTHING]
        if not isinstance(node, dict):
            return node
        if node == {"Ref": "AWS::NoValue"}:
            return _NOTHING
        if list(node) == ["Fn::If"]:
            condition, then, otherwise = node["Fn::If"]
            try:
                return self.chosen(then if self._condition(condition) else otherwise)
            except UnknownValueError:
                return node
        values = {key: self.chosen(value) for key, value in node.items()}
        return {key: value for key, value in values.items() if value is not _NOTHING}

    def _of(self, node: Any) -> Any:
        if isinstance(node, list):
            return [value for item in node if (value := self._of(item)) is not _NOTHING]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            [(name, argument)] = node.items()
            function = None if name == "Condition" and not isinstance(argument, str) else _FUNCTIONS.get(name)
            if function is not None:
                return function(self, argument)
            if name.startswith("Fn::"):
                raise UnknownValueError(f"{name} is evaluated by CloudFormation only")
        values = {key: self._of(value) for key, value in node.items()}
        return {key: value for key, value in values.items() if value is not _NOTHING}

    # --- references ---

    def _ref(self, name: Any) -> Any:
        if name == "AWS::NoValue":
            return _NOTHING
        if name in _PSEUDO_PARAMETERS:
            return _PSEUDO_PARAMETERS[name]
        parameter = self._body.get("Parameters", {}).get(name)
        if parameter is None:
            return self._attribute(name, "")
        if "Default" not in parameter:
            raise UnknownValueError(f"the parameter {name!r} has no default")
        if str(parameter.get("Type", "")).startswith("AWS::SSM::"):
            raise UnknownValueError(f"the parameter {name!r} is kept in the parameter store")
        default = parameter["Default"]
        is_list = str(parameter.get("Type", "")).startswith(("CommaDelimitedList", "List<"))
        return [part.strip() for part in str(default).split(",")] if is_list else default

    def _get_att(self, argument: Any) -> str:
        logical_id, attribute = argument if isinstance(argument, list) else str(argument).split(".", 1)
        return self._attribute(logical_id, str(self._of(attribute)))

    def _attribute(self, logical_id: str, attribute: str) -> str:
        known = self._reference(logical_id, attribute)
        return (f"{logical_id}.{attribute}" if attribute else logical_id) if known is None else known

    # --- texts ---

    def _sub(self, argument: Any) -> str:
        text, given = argument if isinstance(argument, list) else (argument, {})

        def replaced(match: re.Match[str]) -> str:
            literal, name = match[1], match[2].strip()
            if literal:
                return f"${{{name}}}"
            if name in given:
                return _text(self._of(given[name]))
            if "." in name and self._reference(name, "") is None:
                return self._get_att(name)
            return _text(self._ref(name))

        return _PLACEHOLDER.sub(replaced, text)

    def _join(self, argument: Any) -> str:
        delimiter, parts = argument
        return str(delimiter).join(map(_text, self._of(parts)))

    def _split(self, argument: Any) -> list[str]:
        delimiter, text = argument
        return _text(self._of(text)).split(delimiter)

    def _select(self, argument: Any) -> Any:
        index, values = self._of(argument)
        try:
            return values[int(index)]
        except IndexError:
            raise UnknownValueError(f"Fn::Select finds no item {index} in {values}") from None

    def _base64(self, argument: Any) -> str:
        return base64.b64encode(_text(self._of(argument)).encode()).decode()

    def _json_string(self, argument: Any) -> str:
        return json.dumps(self._of(argument))

    def _find_in_map(self, argument: Any) -> Any:
        name, first, second = (self._of(part) for part in argument[:3])
        try:
            return self._body.get("Mappings", {})[name][first][second]
        except KeyError:
            raise UnknownValueError(f"the mapping {name!r} has nothing for {first!r} and {second!r}") from None

    def _import_value(self, argument: Any) -> Any:
        raise UnknownValueError(f"{_text(self._of(argument))!r} is exported by another stack")

    # --- conditions ---

    def _if(self, argument: Any) -> Any:
        condition, then, otherwise = argument
        return self._of(then if self._condition(condition) else otherwise)

    def _condition(self, name: Any) -> bool:
        conditions = self._body.get("Conditions", {})
        if name not in conditions:
            raise UnknownValueError(f"there is no condition {name!r}")
        return bool(self._of(conditions[name]))

    def _equals(self, argument: Any) -> bool:
        one, other = (self._of(part) for part in argument)
        return _text(one) == _text(other)

    def _and(self, argument: Any) -> bool:
        return all(self._of(part) for part in argument)

    def _or(self, argument: Any) -> bool:
        return any(self._of(part) for part in argument)

    def _not(self, argument: Any) -> bool:
        return not self._of(argument[0])


_FUNCTIONS: Mapping[str, Callable[[Values, Any], Any]] = {
    "Ref": Values._ref,
    "Condition": Values._condition,
    "Fn::GetAtt": Values._get_att,
    "Fn::Sub": Values._sub,
    "Fn::Join": Values._join,
    "Fn::Split": Values._split,
    "Fn::Select": Values._select,
    "Fn::Base64": Values._base64,
    "Fn::ToJsonString": Values._json_string,
    "Fn::FindInMap": Values._find_in_map,
    "Fn::ImportValue": Values._import_value,
    "Fn::If": Values._if,
    "Fn::Equals": Values._equals,
    "Fn::And": Values._and,
    "Fn::Or": Values._or,
    "Fn::Not": Values._not,
}


def _text(value: Any) -> str:
    """A value as CloudFormation writes it into a text."""
    return str(value).lower() if isinstance(value, bool) else str(value)
