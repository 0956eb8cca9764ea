"""The requirement files: what the service records, as AWS's conformance requirements have it.

They lie beside the project, not in it; where they are missing, whatever needs them is skipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest import SkipTest

import yaml

from tests.conformance.placeholders import fill, generate

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "conformance"
SUITES = ("step", "wait", "child", "callback", "invoke")

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Requirement:
    """One requirement, its variables replaced by generated values."""

    suite: str
    number: str
    variables: Mapping[str, str]
    document: Mapping[str, Any]

    @property
    def input(self) -> Any:
        """What the function is invoked with."""
        return self.document["Input"]

    @property
    def actions(self) -> list[dict[str, Any]]:
        """What the outside world does to the callbacks."""
        return self.document.get("CallbackActions", [])

    @property
    def status(self) -> str | None:
        """How the execution ends; None where it is only looked at while it waits."""
        return self.document.get("ExpectedResult", {}).get("ExecutionStatus")

    @property
    def names_result(self) -> bool:
        """Whether it says what the handler returns, be it nothing."""
        return "Result" in self.document.get("ExpectedResult", {})

    @property
    def result(self) -> Any:
        """What the handler returns, if it is said."""
        return self.document["ExpectedResult"]["Result"]

    @property
    def history(self) -> list[dict[str, Any]]:
        """The events that are expected."""
        return self.document["ExpectedExecutionHistory"]

    @property
    def logs(self) -> list[dict[str, Any]]:
        """What is expected of the log."""
        return self.document.get("ExpectedLogs", [])


def need_folder() -> None:
    """Skip the test if the requirement files are not there."""
    if not FOLDER.is_dir():
        raise SkipTest(f"the conformance requirements are not there: {FOLDER} is no folder")


def numbers(suite: str) -> set[str]:
    """The numbers of a suite's requirement files, such as ``1-7``."""
    need_folder()
    return {path.stem for path in (FOLDER / suite).glob("*.yaml")}


@cache
def requirement(suite: str, number: str) -> Requirement:
    """One requirement, read from its file."""
    need_folder()
    text = (FOLDER / suite / f"{number}.yaml").read_text(encoding="utf-8")
    document = yaml.load(text, Loader=_LOADER)
    variables = generate(document.pop("Variables", {}), seed=number)
    return Requirement(suite, number, variables, fill(document, variables))
