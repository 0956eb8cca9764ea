"""CloudFormation's side of the endpoint: the outputs and the functions of stacks, by the query protocol."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from durabletest.serve.rest_json import ApiCall, HttpAnswer, HttpRequest


@dataclass
class Stack:
    """Outputs by their keys, and physical names by logical ids."""

    outputs: dict[str, str] = field(default_factory=dict)
    resources: dict[str, str] = field(default_factory=dict)


def asked(request: HttpRequest) -> ApiCall | None:
    """The call of CloudFormation that a request stands for; None if it is for another service."""
    form = dict(parse_qsl(request.body.decode())) if request.body.startswith(b"Action=") else {}
    return ApiCall(form.pop("Action"), form) if form else None


def described(call: ApiCall, stacks: dict[str, Stack]) -> HttpAnswer:
    """The answer to DescribeStacks and DescribeStackResource."""
    name = call.members["StackName"]
    stack = stacks.get(name)
    if stack is None:
        return _refused(f"Stack with id {name} does not exist")
    if call.operation == "DescribeStacks":
        pairs = (
            f"<member><OutputKey>{escape(key)}</OutputKey><OutputValue>{escape(value)}</OutputValue></member>"
            for key, value in stack.outputs.items()
        )
        details = f"<StackName>{name}</StackName><Outputs>{''.join(pairs)}</Outputs>"
        return _answer(call, f"<Stacks><member>{details}</member></Stacks>")
    logical_id = call.members["LogicalResourceId"]
    if logical_id not in stack.resources:
        return _refused(f"Resource {logical_id} does not exist for stack {name}")
    physical = f"<PhysicalResourceId>{stack.resources[logical_id]}</PhysicalResourceId>"
    return _answer(call, f"<StackResourceDetail>{physical}</StackResourceDetail>")


def refused_for_lack_of_permission() -> HttpAnswer:
    """What the service answers to credentials without the permission."""
    return _error(403, "AccessDenied", "User is not authorized to perform that")


def _answer(call: ApiCall, result: str) -> HttpAnswer:
    name = call.operation
    text = f"<{name}Response><{name}Result>{result}</{name}Result></{name}Response>"
    return HttpAnswer(200, {"Content-Type": "text/xml"}, text.encode())


def _refused(message: str) -> HttpAnswer:
    return _error(400, "ValidationError", message)


def _error(status: int, code: str, message: str) -> HttpAnswer:
    details = f"<Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>"
    text = f"<ErrorResponse><Error>{details}</Error></ErrorResponse>"
    return HttpAnswer(status, {"Content-Type": "text/xml"}, text.encode())
