"""The page of the requirements: its criteria, and the lists of the tests that prove them."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from tests.docs.pages import GUIDE, ROOT

PAGE = GUIDE / "requirements.md"
TEST = re.compile(r"^ +(?:async )?def (test(?:_r\d+_\d+)+_\w+)\(", re.MULTILINE)
CRITERION = re.compile(
    r"^- \*\*(?P<id>R\d+\.\d+)\*\* (?P<text>.+(?:\n  (?!- ).+)*)(?P<tests>(?:\n  - `\w+`)*)", re.MULTILINE
)


def proofs(tests: Path = ROOT / "tests") -> dict[str, list[str]]:
    """The tests whose names carry the number of each criterion; some carry several: ``test_r3_1_r3_2_success``."""
    found: dict[str, set[str]] = defaultdict(set)
    for file in tests.rglob("*.py"):
        for name in TEST.findall(file.read_text(encoding="utf-8")):
            numbers = re.match(r"test((?:_r\d+_\d+)+)", name)
            assert numbers is not None
            for requirement, criterion in re.findall(r"_r(\d+)_(\d+)", numbers[1]):
                found[f"R{requirement}.{criterion}"].add(name)
    return {number: sorted(names) for number, names in found.items()}


def criteria(page: str) -> dict[str, list[str]]:
    """The tests that the page lists for each of its criteria."""
    return {found["id"]: re.findall(r"`(\w+)`", found["tests"]) for found in CRITERION.finditer(page)}


def updated(page: str) -> str:
    """The page with the tests as they are now."""
    tests = proofs()

    def listed(found: re.Match[str]) -> str:
        lines = [f"- **{found['id']}** {found['text']}", *(f"  - `{name}`" for name in tests.get(found["id"], ()))]
        return "\n".join(lines)

    return CRITERION.sub(listed, page)
