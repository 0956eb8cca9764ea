"""The rules of batches, parents and identity, as a table."""

from __future__ import annotations

from tests.local.server.harness import Started, cancel, fail, retry, start, succeed
from tests.local.server.rule import Rule, a_ready_step, after

CONTEXT = start("CONTEXT", "c")
NAMED = start("STEP", "s", Name="charge", SubType="Step", ParentId="c")


def a_ready_step_with_a_name(execution: Started) -> None:
    """As ``a_ready_step``, and the step is named ``charge``."""
    after(start("STEP", "s", Name="charge"), retry("s"))(execution)
    execution.harness.fire_next(kind="step retry")


BATCHES = [
    Rule(
        "an EXECUTION update is the last of its batch",
        [succeed("EXECUTION", "end"), start("STEP", "s")],
        "SUCCEED of EXECUTION (id end): an EXECUTION update must be the only one and the last one of its batch",
        [start("STEP", "s"), succeed("EXECUTION", "end")],
    ),
    Rule(
        "there is at most one EXECUTION update",
        [succeed("EXECUTION", "end"), succeed("EXECUTION", "end-2")],
        "SUCCEED of EXECUTION (id end): an EXECUTION update must be the only one",
        [succeed("EXECUTION", "end")],
    ),
    Rule(
        "an id comes twice only as START and one other update",
        [start("STEP", "s"), start("STEP", "s")],
        "START needs an operation that does not exist",
        [start("STEP", "s"), succeed("STEP", "s")],
    ),
    Rule(
        "an id comes twice, not three times",
        [start("STEP", "s"), retry("s"), start("STEP", "s")],
        "START of STEP (id s): START needs an operation that does not exist, or a READY step; this one is PENDING",
        [start("STEP", "s"), retry("s")],
    ),
    Rule(
        "of the two updates of an id the first is the START",
        [retry("s"), fail("STEP", "s")],
        "FAIL needs an operation that is new, STARTED or READY; this one is PENDING",
        [start("STEP", "s"), fail("STEP", "s")],
    ),
    Rule(
        "a WAIT does not come twice",
        [start("WAIT", "w"), cancel("WAIT", "w")],
        "CANCEL of WAIT (id w): an id may come twice in a batch only as START and then one other update of a STEP or",
        [start("WAIT", "w"), start("WAIT", "w-2")],
    ),
    Rule(
        "a CALLBACK does not come twice",
        [start("CALLBACK", "b"), cancel("CALLBACK", "b")],
        "CANCEL of CALLBACK (id b): an id may come twice in a batch only as",
        [start("CALLBACK", "b")],
    ),
    Rule(
        "a CHAINED_INVOKE does not come twice",
        [start("CHAINED_INVOKE", "i"), cancel("CHAINED_INVOKE", "i")],
        "CANCEL of CHAINED_INVOKE (id i): an id may come twice in a batch only as",
        [start("CHAINED_INVOKE", "i")],
    ),
    Rule(
        "a CONTEXT may come twice in the same way",
        [start("CONTEXT", "c"), start("CONTEXT", "c")],
        "START of CONTEXT (id c): START needs an operation that does not exist",
        [start("CONTEXT", "c"), succeed("CONTEXT", "c")],
    ),
    Rule(
        "a READY step comes twice as START and one other, too",
        [start("STEP", "s"), start("STEP", "s")],
        "START needs an operation that does not exist, or a READY step; this one is STARTED",
        [start("STEP", "s"), fail("STEP", "s")],
        given=a_ready_step,
    ),
]

PARENTS = [
    Rule(
        "a parent exists",
        [start("STEP", "s", ParentId="c", Name="charge")],
        "START of STEP 'charge' (id s): its parent 'c' does not exist",
        [CONTEXT, start("STEP", "s", ParentId="c", Name="charge")],
    ),
    Rule(
        "a parent comes earlier in the batch, not later",
        [start("STEP", "s", ParentId="c"), CONTEXT],
        "START of STEP (id s): its parent 'c' does not exist: it must come earlier in the batch or be in the state",
        [CONTEXT, start("STEP", "s", ParentId="c")],
    ),
    Rule(
        "a parent may be in the state",
        [start("STEP", "s", ParentId="d")],
        "its parent 'd' does not exist",
        [start("STEP", "s", ParentId="c")],
        given=after(CONTEXT),
    ),
    Rule(
        "a parent in the state is a CONTEXT",
        [start("STEP", "s", ParentId="p")],
        "START of STEP (id s): its parent 'p' is a STEP: only a CONTEXT has children",
        [start("STEP", "s", ParentId="c")],
        given=after(start("STEP", "p"), CONTEXT),
    ),
    Rule(
        "a parent in the batch is a CONTEXT",
        [start("WAIT", "p"), start("STEP", "s", ParentId="p")],
        "its parent 'p' is a WAIT: only a CONTEXT has children",
        [start("CONTEXT", "p"), start("STEP", "s", ParentId="p")],
    ),
    Rule(
        "nothing is its own parent",
        [start("CONTEXT", "c", ParentId="c")],
        "its parent 'c' does not exist",
        [CONTEXT],
    ),
]

IDENTITY = [
    Rule(
        "an operation keeps its type",
        [succeed("CONTEXT", "s")],
        "SUCCEED of CONTEXT (id s): Type of an existing operation cannot change from 'STEP' to 'CONTEXT'",
        [succeed("STEP", "s")],
        given=after(start("STEP", "s")),
    ),
    Rule(
        "an operation keeps its subtype",
        [succeed("STEP", "s", SubType="WaitForCondition")],
        "SubType of an existing operation cannot change from 'Step' to 'WaitForCondition'",
        [succeed("STEP", "s", SubType="Step")],
        given=after(CONTEXT, NAMED),
    ),
    Rule(
        "an operation keeps its name",
        [succeed("STEP", "s", Name="refund")],
        "SUCCEED of STEP 'refund' (id s): Name of an existing operation cannot change from 'charge' to 'refund'",
        [succeed("STEP", "s", Name="charge")],
        given=after(CONTEXT, NAMED),
    ),
    Rule(
        "an operation gets no name later",
        [succeed("STEP", "s", Name="charge")],
        "Name of an existing operation cannot change from None to 'charge'",
        [succeed("STEP", "s")],
        given=after(start("STEP", "s")),
    ),
    Rule(
        "an operation keeps its parent",
        [succeed("STEP", "s", ParentId="d")],
        "ParentId of an existing operation cannot change from 'c' to 'd'",
        [succeed("STEP", "s", ParentId="c")],
        given=after(CONTEXT, start("CONTEXT", "d"), NAMED),
    ),
    Rule(
        "an update that leaves them out changes nothing of these",
        [succeed("STEP", "s", Name="refund")],
        "Name of an existing operation cannot change",
        [succeed("STEP", "s")],
        given=after(CONTEXT, NAMED),
    ),
    Rule(
        "an operation keeps its name within a batch, too",
        [start("STEP", "s", Name="charge"), succeed("STEP", "s", Name="refund")],
        "Name of an existing operation cannot change from 'charge' to 'refund'",
        [start("STEP", "s", Name="charge"), succeed("STEP", "s", Name="charge")],
    ),
    Rule(
        "an operation keeps its name if the first update of the batch leaves it out",
        [start("STEP", "s"), succeed("STEP", "s", Name="refund")],
        "Name of an existing operation cannot change from 'charge' to 'refund'",
        [start("STEP", "s"), succeed("STEP", "s", Name="charge")],
        given=a_ready_step_with_a_name,
    ),
]
