"""The rules of single updates, as a table: actions, transitions, what an update carries, and how much of it."""

from __future__ import annotations

from tests.local.server.harness import cancel, fail, retry, start, succeed, update
from tests.local.server.rule import Given, Rule, Update, a_ready_step, after, an_ended_wait, nothing

MB = 1_048_576
ERROR_TYPE = "Declined"


def _not_for(operation_type: str, action: str, takes: str, allowed: str, given: Given = nothing) -> Rule:
    return Rule(
        f"a {operation_type} takes no {action}",
        [update(action, operation_type, "o")],
        f"{action} of {operation_type} (id o): {operation_type} takes only {takes}",
        [update(allowed, operation_type, "o")],
        given=given,
    )


STEP_ACTIONS = "START, SUCCEED, FAIL, RETRY"
CONTEXT_ACTIONS = "START, SUCCEED, FAIL"
ACTIONS = [
    _not_for("STEP", "CANCEL", STEP_ACTIONS, "RETRY"),
    _not_for("CONTEXT", "RETRY", CONTEXT_ACTIONS, "FAIL"),
    _not_for("CONTEXT", "CANCEL", CONTEXT_ACTIONS, "SUCCEED"),
    *(
        _not_for(operation_type, action, "START, CANCEL", "CANCEL", given=after(start(operation_type, "o")))
        for operation_type in ("WAIT", "CALLBACK", "CHAINED_INVOKE")
        for action in ("SUCCEED", "FAIL", "RETRY")
    ),
    _not_for("EXECUTION", "START", "SUCCEED, FAIL", "SUCCEED"),
    _not_for("EXECUTION", "RETRY", "SUCCEED, FAIL", "FAIL"),
    _not_for("EXECUTION", "CANCEL", "SUCCEED, FAIL", "FAIL"),
]

TRANSITIONS = [
    *(
        Rule(
            f"START needs a {operation_type} that does not exist",
            [start(operation_type, "o")],
            f"START of {operation_type} (id o): START needs an operation that does not exist, or a READY step; "
            "this one is STARTED",
            [start(operation_type, "o-2")],
            given=after(start(operation_type, "o")),
        )
        for operation_type in ("STEP", "CONTEXT", "WAIT", "CALLBACK", "CHAINED_INVOKE")
    ),
    Rule(
        "START of a step that waits for its next attempt",
        [start("STEP", "s")],
        "START needs an operation that does not exist, or a READY step; this one is PENDING",
        [start("STEP", "t")],
        given=after(start("STEP", "s"), retry("s")),
    ),
    Rule(
        "START of a READY step",
        [start("CONTEXT", "s")],
        "Type of an existing operation cannot change",
        [start("STEP", "s")],
        given=a_ready_step,
    ),
    *(
        Rule(
            f"{one['Action']} of a step that waits for its next attempt",
            [one],
            f"{one['Action']} needs an operation that is new, STARTED or READY; this one is PENDING",
            [{**one, "Id": "absent"}],
            given=after(start("STEP", "s"), retry("s")),
        )
        for one in (succeed("STEP", "s"), fail("STEP", "s"), retry("s"))
    ),
    Rule(
        "CANCEL needs an operation that is there",
        [cancel("WAIT", "x")],
        "CANCEL of WAIT (id x): CANCEL needs an operation that is STARTED; this one is unknown",
        [cancel("WAIT", "w")],
        given=after(start("WAIT", "w")),
    ),
]

TERMINAL: list[tuple[str, Given, list[Update], list[Update]]] = [
    (
        "SUCCEEDED",
        after(succeed("STEP", "s")),
        [start("STEP", "s"), succeed("STEP", "s"), fail("STEP", "s"), retry("s")],
        [start("STEP", "t")],
    ),
    (
        "FAILED",
        after(fail("STEP", "s")),
        [start("STEP", "s"), succeed("STEP", "s"), retry("s")],
        [succeed("STEP", "t")],
    ),
    (
        "SUCCEEDED",
        after(succeed("CONTEXT", "c")),
        [start("CONTEXT", "c"), fail("CONTEXT", "c")],
        [fail("CONTEXT", "d")],
    ),
    ("FAILED", after(fail("CONTEXT", "c")), [succeed("CONTEXT", "c")], [succeed("CONTEXT", "d")]),
    ("SUCCEEDED", an_ended_wait, [start("WAIT", "w"), cancel("WAIT", "w")], [start("WAIT", "v")]),
    *(
        (
            "CANCELLED",
            after(start(operation_type, "o"), cancel(operation_type, "o")),
            [start(operation_type, "o"), cancel(operation_type, "o")],
            [start(operation_type, "p")],
        )
        for operation_type in ("WAIT", "CALLBACK", "CHAINED_INVOKE")
    ),
]
TRANSITIONS += [
    Rule(
        f"{one['Action']} of a {one['Type']} that is {status}",
        [one],
        f"the operation is already {status}; nothing may follow a terminal status",
        allowed,
        given=given,
    )
    for status, given, refused, allowed in TERMINAL
    for one in refused
]

ERROR = {"ErrorType": "Declined", "ErrorMessage": "card expired"}
CONTENTS = [
    Rule(
        "RETRY needs StepOptions",
        [{"Id": "s", "Type": "STEP", "Action": "RETRY"}],
        "RETRY of STEP (id s): RETRY of a STEP needs StepOptions.NextAttemptDelaySeconds",
        [retry("s")],
    ),
    Rule(
        "the options of a RETRY have the delay",
        [retry("s", StepOptions={})],
        "RETRY of a STEP needs StepOptions.NextAttemptDelaySeconds",
        [retry("s", StepOptions={"NextAttemptDelaySeconds": 1})],
    ),
    Rule(
        "START of a WAIT needs the seconds",
        [{"Id": "w", "Type": "WAIT", "Action": "START"}],
        "START of WAIT (id w): START of a WAIT needs WaitOptions.WaitSeconds",
        [start("WAIT", "w", WaitOptions={"WaitSeconds": 1})],
    ),
    Rule(
        "START of a CHAINED_INVOKE needs the function",
        [{"Id": "i", "Type": "CHAINED_INVOKE", "Action": "START"}],
        "START of a CHAINED_INVOKE needs ChainedInvokeOptions.FunctionName",
        [start("CHAINED_INVOKE", "i")],
    ),
    *(
        Rule(
            f"FAIL of a {operation_type} takes no Payload",
            [fail(operation_type, "o", Payload="1")],
            f"FAIL of {operation_type} (id o): FAIL takes an Error and no Payload",
            [fail(operation_type, "o", Error=ERROR)],
        )
        for operation_type in ("STEP", "CONTEXT", "EXECUTION")
    ),
    *(
        Rule(
            f"SUCCEED of a {operation_type} takes no Error",
            [succeed(operation_type, "o", Error=ERROR)],
            f"SUCCEED of {operation_type} (id o): SUCCEED takes a Payload and no Error",
            [succeed(operation_type, "o", Payload="1")],
        )
        for operation_type in ("STEP", "CONTEXT", "EXECUTION")
    ),
    Rule(
        "RETRY takes a Payload or an Error",
        [retry("s", Payload="1", Error=ERROR)],
        "RETRY of STEP (id s): RETRY takes a Payload or an Error, not both",
        [retry("s", Payload="1")],
    ),
    Rule(
        "RETRY may carry an Error",
        [retry("s", Payload="1", Error=ERROR)],
        "not both",
        [retry("s", Error=ERROR)],
    ),
]

PAYLOADS = [
    succeed("STEP", "o"),
    retry("o"),
    succeed("CONTEXT", "o"),
    start("WAIT", "o"),
    start("CALLBACK", "o"),
    start("CHAINED_INVOKE", "o"),
    succeed("EXECUTION", "o"),
]
SIZES = [
    *(
        Rule(
            f"{one['Action']} of a {one['Type']} carries 1 MB at most, and may carry {less} bytes less",
            [{**one, "Payload": "x" * (MB + 1)}],
            f"Payload has 1048577 bytes: {one['Type']} may have 1048576",
            [{**one, "Payload": '"' + "x" * (MB - 2 - less) + '"'}],
        )
        for one in PAYLOADS
        for less in (0, 1)
    ),
    Rule(
        "the result of an EXECUTION that was started synchronously has 6 MB at most",
        [succeed("EXECUTION", "end", Payload="é" * (3 * MB) + "x")],
        "SUCCEED of EXECUTION (id end): Payload has 6291457 bytes: EXECUTION may have 6291456",
        [succeed("EXECUTION", "end", Payload="é" * (3 * MB))],
        invocation_type="RequestResponse",
    ),
    Rule(
        "a STEP carries no more if its execution was started synchronously",
        [succeed("STEP", "s", Payload="x" * (MB + 1))],
        "Payload has 1048577 bytes: STEP may have 1048576",
        [succeed("STEP", "s", Payload="x" * MB)],
        invocation_type="RequestResponse",
    ),
    Rule(
        "sizes are bytes, not characters",
        [succeed("STEP", "s", Payload="é" * (MB // 2) + "x")],
        "Payload has 1048577 bytes",
        [succeed("STEP", "s", Payload="é" * (MB // 2))],
    ),
    Rule(
        "half a surrogate pair has a size, too",
        [succeed("STEP", "s", Payload="\ud800" * (MB // 3 + 1))],
        "Payload has 1048578 bytes",
        [succeed("STEP", "s", Payload="\ud800")],
    ),
    *(
        Rule(
            f"the fields of an error of a {one['Type']}'s {one['Action']} have 1 MB at most, {field} for example",
            [{**one, "Error": {"ErrorType": ERROR_TYPE, field: rest + "x"}}],
            "Error has 1048577 bytes in its fields together: an error may have 1048576",
            [{**one, "Error": {"ErrorType": ERROR_TYPE, field: rest}}],
        )
        for one in (fail("STEP", "o"), retry("o"), fail("CONTEXT", "o"), fail("EXECUTION", "o"))
        for field, rest in [(name, "x" * (MB - len(ERROR_TYPE))) for name in ("ErrorMessage", "ErrorData")]
    ),
    Rule(
        "the lines of an error's stack trace count",
        [fail("STEP", "s", Error={"ErrorMessage": "m", "StackTrace": ["x" * (MB - 9), "y" * 9]})],
        "Error has 1048577 bytes in its fields together",
        [fail("STEP", "s", Error={"ErrorMessage": "m", "StackTrace": ["x" * (MB - 9), "y" * 8]})],
    ),
]
