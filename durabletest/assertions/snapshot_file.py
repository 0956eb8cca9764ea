"""The file of a snapshot, next to the test: when it is read, when it is written, and when it must exist."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from durabletest.errors import ConfigurationError, UsageError
from durabletest.model.comparison import Canonical

__unittest = True
__tracebackhide__ = True

UPDATE_VARIABLE = "DURABLETEST_UPDATE_SNAPSHOTS"


@dataclass(frozen=True)
class SnapshotFile:
    """``name`` is what the test wrote, ``path`` where that is."""

    name: str
    path: Path

    @classmethod
    def of(cls, name: str, folder: Path | None) -> SnapshotFile:
        """The file of that name in the folder of the test's module."""
        if not isinstance(name, str | os.PathLike):
            raise UsageError(f"matches({name!r}): give the name of a file next to the test, matches('order.json')")
        if folder is None and not Path(name).is_absolute():
            raise UsageError(f"matches({str(name)!r}): the test's module is no file, so give an absolute path")
        return cls(str(name), (folder or Path()) / name)

    @property
    def exists(self) -> bool:
        return self.path.exists()

    def read(self) -> Canonical:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise UsageError(f"{self.name!r} is no snapshot: {error}\n{_REPAIR}") from None
        fault = _fault("the execution", found, ("status",))
        if fault is not None:
            raise UsageError(f"{self.name!r} is no snapshot: {fault}\n{_REPAIR}")
        snapshot: Canonical = found
        return snapshot

    def write(self, snapshot: Canonical) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(snapshot, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _fault(what: str, found: object, needed: tuple[str, ...]) -> str | None:
    """Why something that was read cannot be compared; ``None`` if it can."""
    if not isinstance(found, dict):
        return f"{what} is {found!r}"
    missing = [name for name in needed if not isinstance(found.get(name), str)]
    if missing:
        return f"{what} has no {missing[0]}"
    operations = found.get("operations", [])
    if not isinstance(operations, list):
        return f"the operations of {what} are {operations!r}"
    faults = (_fault(f"operation {i} of {what}", one, ("status", "type")) for i, one in enumerate(operations))
    return next((fault for fault in faults if fault is not None), None)


def updating() -> bool:
    """Whether snapshots are to be written anew."""
    value = os.environ.get(UPDATE_VARIABLE, "")
    if value not in ("", "0", "1"):
        raise ConfigurationError(
            f"the environment variable {UPDATE_VARIABLE} is {value!r}: "
            "set it to 1 to write snapshots anew, or do not set it"
        )
    return value == "1"


def in_ci() -> bool:
    """Whether the tests run where nobody would see a new file; CI services set ``CI`` to ``true``, some to ``1``."""
    return os.environ.get("CI", "").lower() in ("true", "1")


_REPAIR = f"Correct it, or have it written anew with {UPDATE_VARIABLE}=1"
