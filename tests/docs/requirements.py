"""The page of the requirements: its criteria, and the lists of the tests that prove them."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from tests.acceptance.criteria import numbers
from tests.docs.pages import GUIDE, ROOT

PAGE = GUIDE / "requirements.md"
LINE = re.compile(r"^class (?P<cls>\w+)|^ +(?:async )?def (?P<test>test_r\d+_\w+)\(", re.MULTILINE)
CRITERION = re.compile(
    r"^- \*\*(?P<id>R\d+\.\d+)\*\* (?P<text>.+(?:\n  (?!- ).+)*)(?P<tests>(?:\n  - `[\w.]+`)*)", re.M
)


def proofs(tests: Path = ROOT / "tests") -> dict[str, list[str]]:
    """The tests of each criterion, as the index goes by their names, without loading them."""
    found: dict[str, set[str]] = defaultdict(set)
    for file in tests.rglob("*.py"):
        cls = ""
        for line in LINE.finditer(file.read_text(encoding="utf-8")):
            cls = line["cls"] or cls
            for number in numbers(line["test"] or ""):
                found[number].add(f"{cls}.{line['test']}")
    return {number: sorted(names) for number, names in found.items()}


def criteria(page: str) -> dict[str, list[str]]:
    """The tests that the page lists for each of its criteria."""
    return {found["id"]: re.findall(r"`([\w.]+)`", found["tests"]) for found in CRITERION.finditer(page)}


def updated(page: str) -> str:
    """The page with the tests as they are now."""
    tests = proofs()

    def listed(found: re.Match[str]) -> str:
        lines = [f"- **{found['id']}** {found['text']}", *(f"  - `{name}`" for name in tests.get(found["id"], ()))]
        return "\n".join(lines)

    return CRITERION.sub(listed, page)
