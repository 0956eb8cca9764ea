"""Who may invoke whom: the policies of a template's functions, of their roles, and SAM's connectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, Protocol

from durabletest.template.intrinsics import UnknownValueError, Values

_INVOKE = "lambda:invokefunction"
_ROLE = "AWS::IAM::Role"
_ATTACHED = ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy")
_CONNECTOR = "AWS::Serverless::Connector"
_INVOKES_ANYTHING = ("AWSLambdaRole", "AWSLambda_FullAccess", "AdministratorAccess", "PowerUserAccess")
"""AWS's own policies that allow ``lambda:InvokeFunction`` on all functions."""
_ANY_QUALIFIER = "0"


class Principal(Protocol):
    """A function, as far as policies know it."""

    logical_id: str
    properties: Mapping[str, Any]
    name: str

    @property
    def arn(self) -> str:
        """Its unqualified ARN."""
        ...


class Permissions:
    """The permissions to invoke that a template grants; a role from elsewhere may do anything."""

    def __init__(self, resources: Mapping[str, Any], values: Values) -> None:
        self._resources = resources
        self._values = values

    def may(self, caller: Principal, target: Principal) -> bool:
        """Whether one function may invoke another one, or itself."""
        own, role = caller.properties.get("Policies"), caller.properties.get("Role")
        if any(self._allows(policy, target) for policy in _listed(own)):
            return True
        if self._connects(caller, target):
            return True
        if role is None:
            return False
        role_id = self._role_of(role)
        return role_id is None or any(self._allows(policy, target) for policy in self._policies_of(role_id))

    def _role_of(self, node: Any) -> str | None:
        """The role's logical id; None if it is no resource of this template."""
        reference = node.get("Fn::GetAtt", node.get("Ref")) if isinstance(node, dict) else None
        name = reference[0] if isinstance(reference, list) else reference
        return name if isinstance(name, str) and self._resources.get(name, {}).get("Type") == _ROLE else None

    def _policies_of(self, role_id: str) -> Iterator[Any]:
        role = self._resources[role_id].get("Properties") or {}
        yield from _listed(role.get("ManagedPolicyArns"))
        yield from _listed(role.get("Policies"))
        for resource in self._resources.values():
            properties = resource.get("Properties") or {}
            attached = [*_listed(properties.get("Roles")), properties.get("RoleName")]
            if resource.get("Type") in _ATTACHED and any(self._role_of(one) == role_id for one in attached):
                yield properties

    def _allows(self, policy: Any, target: Principal) -> bool:
        """Whether a policy allows it: a name or ARN, a document, or one of SAM's policy templates."""
        name = self._known(policy)
        if isinstance(name, str):
            return name.rpartition("/")[2] in _INVOKES_ANYTHING
        if not isinstance(policy, dict):
            return False
        if "LambdaInvokePolicy" in policy:
            return self._known(policy["LambdaInvokePolicy"].get("FunctionName")) in (target.name, target.arn)
        document = policy.get("PolicyDocument", policy)
        return any(self._states(statement, target) for statement in _listed(document.get("Statement")))

    def _states(self, statement: Any, target: Principal) -> bool:
        if statement.get("Effect") != "Allow":
            return False
        actions = (str(action).lower() for action in _listed(statement.get("Action")))
        if not any(fnmatchcase(_INVOKE, action) for action in actions):
            return False
        resources = (self._known(resource) for resource in _listed(statement.get("Resource")))
        meant = (target.arn, f"{target.arn}:{_ANY_QUALIFIER}")
        return any(
            isinstance(resource, str) and (fnmatchcase(arn, resource) or resource.startswith(f"{target.arn}:"))
            for resource in resources
            for arn in meant
        )

    def _connects(self, caller: Principal, target: Principal) -> bool:
        own = self._resources[caller.logical_id].get("Connectors") or {}
        ends: list[tuple[Any, Any]] = [
            (caller.logical_id, connector.get("Properties") or {}) for connector in own.values()
        ]
        for resource in self._resources.values():
            if resource.get("Type") == _CONNECTOR:
                properties = resource.get("Properties") or {}
                ends.append(((properties.get("Source") or {}).get("Id"), properties))
        return any(
            source == caller.logical_id
            and "Write" in _listed(properties.get("Permissions"))
            and target.logical_id in [end.get("Id") for end in _listed(properties.get("Destination"))]
            for source, properties in ends
        )

    def _known(self, node: Any) -> Any:
        try:
            return self._values.of(node)
        except UnknownValueError:
            return None


def _listed(node: Any) -> list[Any]:
    """What may be one thing or a list of them, as a list."""
    return [] if node is None else node if isinstance(node, list) else [node]
