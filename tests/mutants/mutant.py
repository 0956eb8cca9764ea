"""One fault as data: where it is put in, why it matters, and which tests should notice it.

Each file in ``data`` holds the mutants of one area: ``tests`` are the modules, classes or tests that should notice
them, ``[mutant.NAME]`` is one of them. A mutant may have ``tests`` of its own. ``nothing`` is the explanation of one
that changes nothing that can be seen, so that no test can notice it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "durabletest"
_DATA = Path(__file__).parent / "data"


class MendTheData(Exception):
    """The data do not fit the code any more."""


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """``old`` stands once in ``file``, a path inside the package, and is replaced by ``new``."""

    name: str
    area: str
    file: str
    old: str
    new: str
    why: str
    tests: tuple[str, ...]
    nothing: str | None = None

    def text(self, root: Path = ROOT) -> str:
        """The file with the fault in it; raises :class:`MendTheData` unless the old text stands there once."""
        path = root / PACKAGE / self.file
        if not path.is_file():
            raise MendTheData(f"{self.name} ({self.area}.toml): there is no {PACKAGE}/{self.file}: mend the data")
        text = path.read_text(encoding="utf-8")
        if (count := text.count(self.old)) != 1:
            raise MendTheData(
                f"{self.name} ({self.area}.toml): its old text stands {count} times in {PACKAGE}/{self.file} instead "
                f"of once: mend the data\n{self.old}"
            )
        return text.replace(self.old, self.new)

    def put_into(self, root: Path) -> None:
        """Write the fault into a copy of the project."""
        (root / PACKAGE / self.file).write_text(self.text(root), encoding="utf-8")


def load() -> list[Mutant]:
    """All mutants, area by area."""
    return [mutant for path in sorted(_DATA.glob("*.toml")) for mutant in _area(path)]


def _area(path: Path) -> Iterable[Mutant]:
    area = tomllib.loads(path.read_text(encoding="utf-8"))
    for name, facts in area["mutant"].items():
        facts.setdefault("tests", area["tests"])
        facts["old"], facts["new"] = facts["old"].strip("\n"), facts["new"].strip("\n")
        yield Mutant(name=name, area=path.stem, **{**facts, "tests": tuple(facts["tests"])})
