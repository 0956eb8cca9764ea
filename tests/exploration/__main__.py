"""``python -m tests.exploration``: how soon each bug is found, and that no correct workflow is complained of."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tabulate import tabulate

from durabletest import DurableTestCase
from tests.exploration.corpus import BUGS, CORRECT, Case, outcome

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def bugs() -> bool:
    """Print the table of the bugs; tell whether all were found."""
    rows = []
    for case in BUGS:
        found = outcome(case)
        speed = f"{found.runs / found.seconds:.0f}"
        rows.append([case.__name__, found.found or "not found", speed, found.schedule, "\n".join(found.stories)])
    headers = ["bug", "schedules until found", "schedules a second", "smallest schedule", "story"]
    print(tabulate(rows, headers, maxcolwidths=[None, None, None, None, 90]))
    return all(row[1] != "not found" for row in rows)


def correct(suite: list[Case]) -> bool:
    """Print the table of the correct workflows; tell whether none was complained of."""
    rows = []
    for case in suite:
        passed = outcome(case, DURABLETEST_SCHEDULES="200")
        complaint = (passed.report or "").strip().splitlines()
        rows.append([case.__name__, passed.runs, f"{passed.runs / passed.seconds:.0f}", *complaint[-1:]])
    print(tabulate(rows, ["correct", "schedules", "schedules a second", "complaint"]))
    return all(len(row) == 3 for row in rows)


def examples() -> list[Case]:
    """The test cases of the examples."""
    sys.path.insert(0, str(EXAMPLES))
    found: list[Case] = []
    for path in sorted(EXAMPLES.glob("test_*.py")):
        values = vars(__import__(path.stem)).values()
        classes = (value for value in values if isinstance(value, type) and value.__module__ == path.stem)
        found += [case for case in classes if issubclass(case, DurableTestCase)]
    return found


if __name__ == "__main__":
    os.environ.pop("DURABLETEST_SCHEDULES", None)
    all_found = bugs()
    print()
    none_alarmed = correct([*CORRECT, *examples()])
    sys.exit(not (all_found and none_alarmed))
