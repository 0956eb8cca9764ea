"""Random requests, mostly wrong ones: ids, parents and names from small pools, so that updates meet each other."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Update = dict[str, Any]

CONTEXT = "context"
"""The id of a context that is there from the beginning."""
RARELY = st.sampled_from([True, False, False, False])
TYPICAL_IDS = {
    "STEP": ["s1", "s2", "s3"],
    "CONTEXT": ["c1", "c2"],
    "WAIT": ["w1", "w2"],
    "CALLBACK": ["b1", "b2"],
    "CHAINED_INVOKE": ["i1", "i2"],
    "EXECUTION": ["end"],
}
IDS = st.sampled_from([CONTEXT, *(key for keys in TYPICAL_IDS.values() for key in keys)])
WRONG_IDS = st.sampled_from(["", "a b", "x" * 65, "ü"])
TYPES = ["STEP", "CONTEXT", "WAIT", "CALLBACK", "CHAINED_INVOKE", "EXECUTION"]
ACTIONS = ["START", "SUCCEED", "FAIL", "RETRY", "CANCEL"]
FITTING = {
    "STEP": ACTIONS[:4],
    "CONTEXT": ACTIONS[:3],
    "WAIT": ["START", "CANCEL"],
    "CALLBACK": ["START", "CANCEL"],
    "CHAINED_INVOKE": ["START", "CANCEL"],
    "EXECUTION": ["SUCCEED", "FAIL"],
}
TARGETS = st.sampled_from(
    ["child", "child:7", "plain", "arn:aws:lambda:us-east-1:123456789012:function:child", "nobody"]
)
ERRORS = st.sampled_from([{}, {"ErrorType": "E"}, {"ErrorMessage": "ü" * 17_000}, {"StackTrace": ["a", "b"]}])
PAYLOADS = st.sampled_from(["", "1", '{"a": 1}', "no json", "\ud800", "é" * 131_073, "x" * 1_048_577])
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "StepOptions": st.fixed_dictionaries(
            {}, optional={"NextAttemptDelaySeconds": st.sampled_from([-1, 0, 1, 30, 40_000_000])}
        ),
        "WaitOptions": st.fixed_dictionaries({}, optional={"WaitSeconds": st.sampled_from([0, 1, 60, "60"])}),
        "CallbackOptions": st.fixed_dictionaries(
            {},
            optional={
                "TimeoutSeconds": st.sampled_from([0, 10, 60]),
                "HeartbeatTimeoutSeconds": st.sampled_from([0, 5, -5]),
            },
        ),
        "ChainedInvokeOptions": st.fixed_dictionaries(
            {"FunctionName": TARGETS}, optional={"TenantId": st.sampled_from(["blue", "grün"])}
        ),
        "ContextOptions": st.fixed_dictionaries({}, optional={"ReplayChildren": st.booleans()}),
    },
)
NEEDED = {
    ("STEP", "RETRY"): {"StepOptions": {"NextAttemptDelaySeconds": 30}},
    ("WAIT", "START"): {"WaitOptions": {"WaitSeconds": 60}},
    ("CHAINED_INVOKE", "START"): {"ChainedInvokeOptions": {"FunctionName": "child"}},
}


@st.composite
def sensible_updates(draw: st.DrawFn) -> Update:
    """An update that is right in itself; whether it fits the state is another question."""
    operation_type = draw(st.sampled_from(TYPES[:5] * 9 + TYPES[5:]))
    action = draw(st.sampled_from(FITTING[operation_type]))
    operation_id = draw(st.sampled_from(TYPICAL_IDS[operation_type]))
    update = {"Id": operation_id, "Type": operation_type, "Action": action, **NEEDED.get((operation_type, action), {})}
    if draw(RARELY):
        update["ParentId"] = draw(st.sampled_from([CONTEXT, CONTEXT, "c1", "c2"]))
    if action in {"SUCCEED", "RETRY"} and draw(st.booleans()):
        update["Payload"] = "1"
    elif action in {"FAIL", "RETRY", "CANCEL"} and draw(st.booleans()):
        update["Error"] = {"ErrorType": "E", "ErrorMessage": "m"}
    return update


@st.composite
def wild_updates(draw: st.DrawFn) -> Update:
    """An update of which nothing need be right."""
    update: Update = {
        "Id": draw(IDS | WRONG_IDS),
        "Type": draw(st.sampled_from([*TYPES, "STAIR"])),
        "Action": draw(st.sampled_from([*ACTIONS, "BEGIN"])),
        **draw(OPTIONS),
    }
    extras = {
        "ParentId": IDS | WRONG_IDS,
        "Name": st.sampled_from(["n", "m", "naïve"]),
        "SubType": st.sampled_from(["Step", "Map", "a/b"]),
        "Payload": PAYLOADS,
        "Error": ERRORS,
        "Colour": st.just("red"),
    }
    for name, values in extras.items():
        if draw(RARELY):
            update[name] = draw(values)
    return update


SENSIBLE_BATCHES = st.lists(sensible_updates(), min_size=1, max_size=2)
WILD_BATCHES = st.lists(sensible_updates() | wild_updates(), max_size=5)
TOKENS = st.sampled_from(["current", "current", "current", "spent", "foreign", "Zm9yZ2Vk", "?", ""])
CLIENT_TOKENS = st.sampled_from([None, None, None, "one", "two", "not right", "x" * 65])
RESULTS = st.sampled_from([b"yes", b"\xff\xfe", b"x" * 1_048_577, "text", None])
