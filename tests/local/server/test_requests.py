"""What the service model says of requests: each operation refuses what is not in it, and takes what just is."""

from __future__ import annotations

import unittest
from collections.abc import Mapping
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError

from tests.local.server.harness import KNOWN_OPERATIONS, Harness, Started, code_of, start, succeed

Request = dict[str, Any]
CHECKPOINT = "CheckpointDurableExecution"
STATE = "GetDurableExecutionState"
GET = "GetDurableExecution"
INVOKE = "Invoke"
HISTORY = "GetDurableExecutionHistory"
LIST = "ListDurableExecutionsByFunction"
STOP = "StopDurableExecution"
PAUSE = "PauseDurableExecution"
RESUME = "ResumeDurableExecution"
DELETE = "DeleteDurableExecution"
SUCCESS = "SendDurableExecutionCallbackSuccess"
FAILURE = "SendDurableExecutionCallbackFailure"
HEARTBEAT = "SendDurableExecutionCallbackHeartbeat"
ARN_PATTERN = "/durable-execution/"


class Prepared:
    """An execution with an open callback ``b``, and the simplest request that each operation takes."""

    def __init__(self) -> None:
        self.harness = Harness()
        self.harness.server.register(1, "child", True)
        self.execution: Started = self.harness.start(name="order-1")
        answer = self.execution.checkpoint(start("CALLBACK", "b"))
        (callback,) = answer["NewExecutionState"]["Operations"]
        arn = {"DurableExecutionArn": self.execution.arn}
        token = {**arn, "CheckpointToken": self.execution.token}
        callback_id = {"CallbackId": callback["CallbackDetails"]["CallbackId"]}
        paused, ended = (self.harness.start(name=name) for name in ("paused", "ended"))
        if PAUSE in KNOWN_OPERATIONS:
            self.harness.server.pause_durable_execution(DurableExecutionArn=paused.arn)
        ended.answer("SUCCEEDED")
        self.requests: Mapping[str, Request] = {
            CHECKPOINT: {**token, "Updates": []},
            STATE: token,
            GET: arn,
            HISTORY: arn,
            LIST: {"FunctionName": "orders"},
            STOP: arn,
            PAUSE: arn,
            RESUME: {"DurableExecutionArn": paused.arn},
            DELETE: {"DurableExecutionArn": ended.arn},
            INVOKE: {"FunctionName": "child:$LATEST", "InvocationType": "Event"},
            SUCCESS: callback_id,
            FAILURE: callback_id,
            HEARTBEAT: callback_id,
        }

    def send(self, api_operation: str, changes: Request) -> Any:
        """Send the operation's request with these changes; None takes a member away."""
        request = {**self.requests[api_operation], **changes}
        sent = {name: value for name, value in request.items() if value is not None}
        return getattr(self.harness.api, xform_name(api_operation))(**sent)


def updated(**members: Any) -> Request:
    """A checkpoint of one update."""
    return {"Updates": [{"Id": "s", "Type": "STEP", "Action": "START", **members}]}


def started(operation_type: str, **members: Any) -> Request:
    return {"Updates": [start(operation_type, "o", **members)]}


REFUSED: list[tuple[str, Request, str]] = [
    # required members
    (CHECKPOINT, {"DurableExecutionArn": None}, 'Missing required parameter in input: "DurableExec'),
    (CHECKPOINT, {"CheckpointToken": None}, 'Missing required parameter in input: "CheckpointToken"'),
    (CHECKPOINT, {"Updates": [{"Id": "s", "Type": "STEP"}]}, 'in Updates[0]: "Action"'),
    (STATE, {"CheckpointToken": None}, 'Missing required parameter in input: "CheckpointToken"'),
    (
        GET,
        {"DurableExecutionArn": None},
        'Missing required parameter in input: "DurableExecutionArn"',
    ),
    (HISTORY, {"DurableExecutionArn": None}, "Missing required parameter in input"),
    (LIST, {"FunctionName": None}, 'Missing required parameter in input: "FunctionName"'),
    (STOP, {"DurableExecutionArn": None}, "Missing required parameter in input"),
    (SUCCESS, {"CallbackId": None}, 'Missing required parameter in input: "CallbackId"'),
    (FAILURE, {"CallbackId": None}, 'Missing required parameter in input: "CallbackId"'),
    (HEARTBEAT, {"CallbackId": None}, "Missing required parameter in input"),
    # unknown members, also far inside
    *((operation, {"Colour": "red"}, 'Unknown parameter in input: "Colour"') for operation in KNOWN_OPERATIONS),
    (CHECKPOINT, updated(Colour="red"), 'Unknown parameter in Updates[0]: "Colour"'),
    (CHECKPOINT, updated(Error={"Colour": "red"}), 'Unknown parameter in Updates[0].Error: "Colour"'),
    # types
    (CHECKPOINT, {"Updates": "all"}, "Invalid type for parameter Updates, value: all"),
    (CHECKPOINT, updated(Payload=1), "Invalid type for parameter Updates[0].Payload"),
    (GET, {"IncludeExecutionData": "yes"}, "Invalid type for parameter IncludeExecutionData"),
    (STOP, {"Error": "because"}, "Invalid type for parameter Error"),
    *(
        row
        for row in (
            (PAUSE, {"DurableExecutionArn": None}, "Missing required parameter in input"),
            (PAUSE, {"ExecutionTimeoutPaused": 1}, "Invalid type for parameter ExecutionTimeoutPaused"),
            (PAUSE, {"Reason": "x" * 1025}, "Reason has length 1025: it must be at most 1024"),
            (PAUSE, {"ClientToken": "a b"}, "ClientToken is 'a b': it must match"),
            (RESUME, {"DurableExecutionArn": None}, "Missing required parameter in input"),
            (RESUME, {"ExecutionTimeoutPaused": True}, "Unknown parameter in input"),
            (DELETE, {"DurableExecutionArn": None}, "Missing required parameter in input"),
        )
        if row[0] in KNOWN_OPERATIONS
    ),
    (SUCCESS, {"Result": {"a": 1}}, "Invalid type for parameter Result"),
    (LIST, {"StartedAfter": "yesterday"}, "Invalid type for parameter StartedAfter"),
    # enums
    (CHECKPOINT, updated(Type="STAIR"), "Updates[0].Type is 'STAIR': it must be one of CALLBACK, CH"),
    (
        CHECKPOINT,
        updated(Action="BEGIN"),
        "Updates[0].Action is 'BEGIN': it must be one of CANCEL, F",
    ),
    (LIST, {"Statuses": ["DONE"]}, "Statuses[0] is 'DONE': it must be one of "),
    # lower bounds
    (CHECKPOINT, updated(Id=""), "Invalid length for parameter Updates[0].Id, value: 0"),
    (CHECKPOINT, started("WAIT", WaitOptions={"WaitSeconds": 0}), "WaitSeconds, value: 0, valid min"),
    (STATE, {"MaxItems": -1}, "Invalid value for parameter MaxItems, value: -1"),
    (LIST, {"Statuses": []}, "Invalid length for parameter Statuses, value: 0"),
    # upper bounds
    (CHECKPOINT, updated(Id="x" * 65), "Updates[0].Id has length 65: it must be at most 64"),
    (CHECKPOINT, updated(Name="x" * 257), "Updates[0].Name has length 257: it must be at most 256"),
    (CHECKPOINT, updated(SubType="x" * 33), "SubType has length 33: it must be at most 32"),
    (CHECKPOINT, updated(Payload="x" * 6_291_457), "length 6291457: it must be at most 6291456"),
    (
        CHECKPOINT,
        started("WAIT", WaitOptions={"WaitSeconds": 31_622_401}),
        "Updates[0].WaitOptions.WaitSeconds is 31622401: it must be at most 31622400",
    ),
    (
        CHECKPOINT,
        started("CALLBACK", CallbackOptions={"TimeoutSeconds": 100_000_000}),
        "CallbackOptions.TimeoutSeconds is 100000000: it must be at most 99999999",
    ),
    (
        CHECKPOINT,
        started("CHAINED_INVOKE", ChainedInvokeOptions={"FunctionName": "child", "TenantId": "t" * 257}),
        "ChainedInvokeOptions.TenantId has length 257: it must be at most 256",
    ),
    (CHECKPOINT, {"ClientToken": "x" * 65}, "ClientToken has length 65: it must be at most 64"),
    (
        CHECKPOINT,
        {"CheckpointToken": "x" * 2049},
        "CheckpointToken has length 2049: it must be at mo",
    ),
    (STATE, {"MaxItems": 1001}, "MaxItems is 1001: it must be at most 1000"),
    (HISTORY, {"MaxItems": 1001}, "MaxItems is 1001: it must be at most 1000"),
    (LIST, {"MaxItems": 1001}, "MaxItems is 1001: it must be at most 1000"),
    (
        LIST,
        {"Statuses": ["RUNNING"] * 11},
        "Statuses has length 11: it must be at most 10",
    ),
    (
        SUCCESS,
        {"Result": b"x" * 1_048_577},
        "Result has length 1048577: it must be at mo",
    ),
    # patterns
    (CHECKPOINT, updated(Id="a b"), "Updates[0].Id is 'a b': it must match [a-zA-Z0-9-_]+"),
    (CHECKPOINT, updated(Name="naïve"), "Updates[0].Name is 'naïve': it must match [\\x20-\\x7E]+"),
    (CHECKPOINT, updated(SubType="a/b"), "Updates[0].SubType is 'a/b': it must match"),
    (CHECKPOINT, updated(ParentId="a/b"), "Updates[0].ParentId is 'a/b': it must match"),
    (CHECKPOINT, {"ClientToken": "a b"}, "ClientToken is 'a b': it must match [\\x21-\\x7E]+"),
    (CHECKPOINT, {"CheckpointToken": "?"}, "CheckpointToken is '?': it must match [A-Za-z0-9+/]+"),
    (GET, {"DurableExecutionArn": "order-1"}, "DurableExecutionArn is 'order-1': it must match arn:"),
    (STOP, {"DurableExecutionArn": "order-1"}, ARN_PATTERN),
    (HISTORY, {"DurableExecutionArn": "order-1"}, ARN_PATTERN),
    (STATE, {"DurableExecutionArn": "order-1"}, ARN_PATTERN),
    (FAILURE, {"CallbackId": "call me"}, "CallbackId is 'call me': it must match"),
    (HEARTBEAT, {"CallbackId": "call me"}, "CallbackId is 'call me': it must match"),
    (
        LIST,
        {"FunctionName": "my function"},
        "FunctionName is 'my function': it must match",
    ),
    (
        LIST,
        {"DurableExecutionName": "a b"},
        "DurableExecutionName is 'a b': it must match",
    ),
    (INVOKE, {"FunctionName": None}, 'Missing required parameter in input: "FunctionName"'),
    (INVOKE, {"InvocationType": "Later"}, "InvocationType is 'Later': it must be one of DryRun, Event, R"),
    (INVOKE, {"DurableExecutionName": "a b"}, "DurableExecutionName is 'a b': it must match"),
    (INVOKE, {"TenantId": "t" * 257}, "TenantId has length 257: it must be at most 256"),
    (INVOKE, {"FunctionName": "child"}, "You cannot invoke a durable function using an unqualified ARN: write 'child:"),
]

TAKEN: list[tuple[str, Request]] = [
    *((operation, {}) for operation in KNOWN_OPERATIONS),
    (CHECKPOINT, {"Updates": None}),
    (CHECKPOINT, updated(Id="x" * 64, Name="x" * 256, SubType="x" * 32)),
    (CHECKPOINT, updated(Id="a-b_9", Name=" ~!", SubType="a-b_9")),
    (CHECKPOINT, {"Updates": [succeed("STEP", "s", Payload="")]}),
    (CHECKPOINT, started("WAIT", WaitOptions={"WaitSeconds": 1})),
    (CHECKPOINT, started("WAIT", WaitOptions={"WaitSeconds": 31_622_400})),
    (CHECKPOINT, started("CALLBACK", CallbackOptions={"TimeoutSeconds": 99_999_999})),
    (CHECKPOINT, started("CALLBACK", CallbackOptions={"TimeoutSeconds": 0})),
    (
        CHECKPOINT,
        started("CHAINED_INVOKE", ChainedInvokeOptions={"FunctionName": "f", "TenantId": "t"}),
    ),
    (CHECKPOINT, {"ClientToken": "!" * 64}),
    (STATE, {"MaxItems": 1000}),
    (STATE, {"MaxItems": 0, "Marker": ""}),
    (GET, {"IncludeExecutionData": False}),
    (HISTORY, {"MaxItems": 1, "ReverseOrder": True}),
    (LIST, {"Statuses": ["RUNNING"] * 10, "MaxItems": 1000}),
    (LIST, {"StartedAfter": "2026-01-01T00:00:00Z", "StartedBefore": 1_800_000_000}),
    (STOP, {"Error": {"ErrorType": "Manual", "StackTrace": ["a", "b"]}}),
    (SUCCESS, {"Result": b"x" * 1_048_576}),
    (SUCCESS, {"Result": "text"}),
    (FAILURE, {"Error": {}}),
    (INVOKE, {"DurableExecutionName": "order-2", "Payload": b'{"order": 2}', "TenantId": "t" * 256}),
    (INVOKE, {"FunctionName": "orders", "Qualifier": "prod"}),
    (INVOKE, {"FunctionName": "arn:aws:lambda:us-east-1:123456789012:function:child:7"}),
]


class RequestsAndTheModel(unittest.TestCase):
    def test_what_is_not_in_the_model_is_refused_and_the_message_names_the_place(self) -> None:
        for api_operation, changes, says in REFUSED:
            with self.subTest(api_operation, changes=str(changes)[:60]):
                with self.assertRaises(ClientError) as caught:
                    Prepared().send(api_operation, changes)
                self.assertEqual(code_of(caught.exception), "InvalidParameterValueException")
                self.assertEqual(caught.exception.operation_name, api_operation)
                self.assertIn(says, str(caught.exception))

    def test_what_just_is_in_the_model_is_taken(self) -> None:
        for api_operation, changes in TAKEN:
            with self.subTest(api_operation, changes=str(changes)[:60]):
                self.assertIsInstance(Prepared().send(api_operation, changes), dict)

    def test_a_refused_request_changes_nothing(self) -> None:
        for api_operation, changes, _ in REFUSED:
            with self.subTest(api_operation, changes=str(changes)[:60]):
                prepared = Prepared()
                execution = prepared.execution
                before = execution.history(), execution.operations(), list(prepared.harness.announced.all)
                with self.assertRaises(ClientError):
                    prepared.send(api_operation, changes)
                after = execution.history(), execution.operations(), list(prepared.harness.announced.all)
                self.assertEqual(after, before)

    def test_everything_that_is_wrong_is_told_at_once(self) -> None:
        with self.assertRaises(ClientError) as caught:
            Prepared().send(CHECKPOINT, updated(Type="STAIR", Id="a b", Name="x" * 257))
        for part in ("Updates[0].Type", "Updates[0].Id", "Updates[0].Name"):
            self.assertIn(part, str(caught.exception))


if __name__ == "__main__":
    unittest.main()
