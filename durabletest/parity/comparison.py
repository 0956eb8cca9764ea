"""What the two runs of one test say together."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from durabletest.model.canonical import Canonical
from durabletest.model.differences import differences
from durabletest.parity.recording import Recording

_DOES_NOT_COUNT = ("function",)
"""A function may be deployed under another name; whom a workflow invokes shows in what comes back."""


class Verdict(Enum):
    """What became of one test."""

    AGREES = "agrees"
    DIFFERS = "differs"
    FAILED = "failed"
    NOT_COMPARED = "not compared"

    def of(self, number: int) -> str:
        """``1 differs``, ``2 differ``."""
        return self.value if number == 1 else self.value.removesuffix("s")


@dataclass(frozen=True)
class Comparison:
    """The verdict on one test, and the sentences that explain it."""

    test: str
    verdict: Verdict
    because: list[str] = field(default_factory=list)


def compare(test: str, local: Recording, cloud: Recording) -> Comparison:
    """Compare the two recordings of one test: what has failed or was skipped in one mode is not compared."""
    both = (("locally", local), ("in the cloud", cloud))
    failed = [f"failed {where}: {recording.failure}" for where, recording in both if recording.failure is not None]
    if failed:
        return Comparison(test, Verdict.FAILED, failed)
    skipped = [f"skipped {where}: {recording.skipped}" for where, recording in both if recording.skipped is not None]
    if skipped or not (local.executions or cloud.executions):
        return Comparison(test, Verdict.NOT_COMPARED, skipped or ["it starts no execution"])
    found = list(_differences(local.executions, cloud.executions))
    return Comparison(test, Verdict.DIFFERS if found else Verdict.AGREES, found)


def _differences(local: list[Canonical], cloud: list[Canonical]) -> list[str]:
    if len(local) != len(cloud):
        return [f"{len(cloud)} executions in the cloud instead of {len(local)}"]
    sentences: list[str] = []
    for number, (one, other) in enumerate(zip(local, cloud, strict=True), start=1):
        which = f"execution {number}: " if len(local) > 1 else ""
        sentences += [f"{which}{sentence}" for sentence in differences(one, other, ignoring=_DOES_NOT_COUNT)]
    return sentences
