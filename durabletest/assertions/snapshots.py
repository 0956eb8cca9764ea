"""Snapshots: the file that a history is compared with, and when that file is written."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from durabletest.assertions.check import Claim, shortened
from durabletest.assertions.outcome_checks import ExecutionFacts
from durabletest.errors import ConfigurationError, UsageError
from durabletest.model.comparison import Canonical, Omission, canonical, differences
from durabletest.model.execution_view import ExecutionView
from durabletest.model.lookup import closest

__unittest = True
__tracebackhide__ = True

_UPDATE_VARIABLE = "DURABLETEST_UPDATE_SNAPSHOTS"
_CORRECT_IT = f"Correct it, or have it written anew with {_UPDATE_VARIABLE}=1"
_COMMIT_IT = "Run the test once where CI is not set, look at the file that it writes, and commit it."


@dataclass(frozen=True)
class SnapshotFile:
    """``name`` is the argument of ``matches``."""

    name: str
    path: Path

    @classmethod
    def of(cls, name: str, folder: Path | None) -> SnapshotFile:
        """``folder`` is the directory of the test's module."""
        if not isinstance(name, str | os.PathLike):
            raise UsageError(f"matches({name!r}): give the name of a file next to the test, matches('order.json')")
        if folder is None and not Path(name).is_absolute():
            raise UsageError(f"matches({str(name)!r}): the test's module is no file, so give an absolute path")
        return cls(str(name), (folder or Path()) / name)

    def read(self) -> Canonical:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise UsageError(f"{self.name!r} is no snapshot: {error}\n{_CORRECT_IT}") from None
        fault = _fault("the execution", found, ("status",))
        if fault is not None:
            raise UsageError(f"{self.name!r} is no snapshot: {fault}\n{_CORRECT_IT}")
        snapshot: Canonical = found
        return snapshot

    def write(self, snapshot: Canonical) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(snapshot, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def matches_snapshot(view: ExecutionView, file: SnapshotFile, omission: Omission) -> Claim:
    """The claim that a history is as in the file, which is written first if it is missing or to be updated.

    What is omitted is neither compared nor written.
    """
    expected = f"as in {file.name!r}"
    execution = ExecutionFacts(view)
    if not execution.record.ended:
        return Claim(False, "an execution that has ended", execution.story, remedy=execution.remedy)
    write, now = updating() or not file.path.exists(), omission.left(canonical(view.history(), view.decode))
    if write and not updating() and _in_ci():
        return Claim(False, expected, "there is no such file, and in CI none is written", remedy=_COMMIT_IT)
    if write:
        _refuse_unused(view, omission)
        file.write(now)
        return Claim(True, expected, "it was written")
    before = omission.left(file.read())
    _refuse_unused(view, omission)
    found = differences(before, now)
    actual = "\n".join(shortened(found, noun="difference")) or "nothing differs"
    remedy = f"If that is right, run the test once with {_UPDATE_VARIABLE}=1"
    return Claim(not found, expected, actual, remedy=remedy)


def updating() -> bool:
    """Whether all snapshots are to be written."""
    value = os.environ.get(_UPDATE_VARIABLE, "")
    if value not in ("", "0", "1"):
        raise ConfigurationError(
            f"the environment variable {_UPDATE_VARIABLE} is {value!r}: "
            "set it to 1 to write snapshots anew, or do not set it"
        )
    return value == "1"


def _in_ci() -> bool:
    """Whether the tests run in CI, where a new file would be lost: services set ``CI`` to ``true``, some to ``1``."""
    return os.environ.get("CI", "").lower() in ("true", "1")


def _fault(title: str, found: object, required: tuple[str, ...]) -> str | None:
    """The reason why an execution or operation of a file cannot be compared, ``None`` if it can."""
    if not isinstance(found, dict):
        return f"{title} is {found!r}"
    missing = [name for name in required if not isinstance(found.get(name), str)]
    if missing:
        return f"{title} has no {missing[0]}"
    operations = found.get("operations", [])
    if not isinstance(operations, list):
        return f"the operations of {title} are {operations!r}"
    faults = (_fault(f"operation {i} of {title}", one, ("status", "type")) for i, one in enumerate(operations))
    return next((fault for fault in faults if fault is not None), None)


def _refuse_unused(view: ExecutionView, omission: Omission) -> None:
    """An argument that omits nothing is misspelt, or not needed any more."""
    for argument, name in omission.unused:
        near = closest(view.history(), name) if argument.startswith("without") else None
        hint = f"; did you mean {near!r}?" if near else ": correct it, or take it away"
        raise UsageError(f"{argument} leaves nothing out{hint}")
