"""The claim that a history is what a snapshot says."""

from __future__ import annotations

from durabletest.assertions.check import Claim
from durabletest.assertions.facts import ExecutionFacts
from durabletest.assertions.snapshot_file import UPDATE_VARIABLE, SnapshotFile, in_ci, updating
from durabletest.assertions.text import counted
from durabletest.errors import UsageError
from durabletest.model.comparison import canonical, differences
from durabletest.model.execution_view import ExecutionView
from durabletest.model.lookup import closest
from durabletest.model.omission import Omission

__unittest = True
__tracebackhide__ = True

_COMMIT = "Run the test once where CI is not set, look at the file that it writes, and commit it."


def matches(view: ExecutionView, file: SnapshotFile, omission: Omission) -> Claim:
    """Compare with the file, or write it; what is left out is neither compared nor written."""
    expected = f"as in {file.name!r}"
    execution = ExecutionFacts(view)
    if not execution.record.ended:
        return Claim(False, "an execution that has ended", execution.story, remedy=execution.remedy)
    update, now = updating(), omission.left(canonical(view.history(), view.decode))
    if not update and not file.exists and in_ci():
        return Claim(False, expected, "there is no such file, and in CI none is written", remedy=_COMMIT)
    if update or not file.exists:
        _check_used(view, omission)
        file.write(now)
        return Claim(True, expected, "it was written")
    before = omission.left(file.read())
    _check_used(view, omission)
    found = differences(before, now)
    remedy = f"If that is right, run the test once with {UPDATE_VARIABLE}=1"
    return Claim(not found, expected, "\n".join(_some(found)) or "nothing differs", remedy=remedy)


def _check_used(view: ExecutionView, omission: Omission) -> None:
    """What is to be left out and does not exist was misspelt, or is not needed any more."""
    for argument, name in omission.unused:
        near = closest(view.history(), name) if argument.startswith("without") else None
        hint = f"; did you mean {near!r}?" if near else ": correct it, or take it away"
        raise UsageError(f"{argument} leaves nothing out{hint}")


def _some(sentences: list[str]) -> list[str]:
    more = len(sentences) - _SHOWN
    return [*sentences[:_SHOWN], f"... and {counted(more, 'more difference')}"] if more > 0 else sentences


_SHOWN = 20
