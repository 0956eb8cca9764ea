"""The documents of the project, their fenced blocks, and how the Python in them is run."""

from __future__ import annotations

import contextlib
import io
import re
import sys
import types
import unittest
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs"
README = ROOT / "README.md"
DOCUMENTS = (README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(GUIDE.glob("*.md")))
ELSEWHERE = {
    "comparison.md": "made of the files in tests/comparison, which are run there",
    "languages.md": "its suite and its function in JavaScript are run by tests/serve",
}
"""Pages whose Python is run by other tests."""
BLOCK = re.compile(
    r"^(?:<!-- file: (?P<file>\S+) -->\n)?```(?P<language>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
TABLE_ROW = re.compile(r"^\| (.+) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block; ``line`` is that of its first line of code, counted from 1.

    One that the page calls a ``file`` is written, not run.
    """

    language: str
    code: str
    line: int
    file: str | None = None


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found = BLOCK.finditer(text)
    return [
        Block(match["language"], match["code"], text[: match.start("code")].count("\n") + 1, match["file"])
        for match in found
    ]


def python_of(*paths: Path) -> str:
    """All the Python of these pages."""
    texts = (path.read_text(encoding="utf-8") for path in paths)
    return "\n".join(block.code for text in texts for block in blocks(text) if block.language == "python")


def section(text: str, heading: str) -> str:
    """What stands between a heading, written with its ``#``, and the next one of its level or a higher one."""
    level = heading.index(" ")
    found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{level}}} |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, f"there is no heading {heading!r}"
    return found[1]


def rows(text: str) -> list[list[str]]:
    """The cells of all rows of tables, head rows included; a ``|`` in code is written ``\\|``."""
    lines = (re.split(r"(?<!\\) \| ", match[1]) for match in TABLE_ROW.finditer(text))
    return [line for line in lines if not set("".join(line)) <= set("-: |")]


class Page:
    """Runs the Python blocks of a page one after the other in one module, as a reader would type them."""

    def __init__(self, path: Path, folder: Path) -> None:
        """The module pretends to be in ``folder``: the snapshots of its tests are written there."""
        self.path = path
        self.folder = folder
        self.module = types.ModuleType(f"page_{path.stem.lower().replace('-', '_')}")
        self.module.__file__ = str(folder / f"{self.module.__name__}.py")

    @contextlib.contextmanager
    def importable(self) -> Iterator[None]:
        """The module can be imported, as the classes defined in it expect, and so can files that the page shows."""
        sys.modules[self.module.__name__] = self.module
        sys.path.insert(0, str(self.folder))
        try:
            yield
        finally:
            sys.path.remove(str(self.folder))
            for name in [name for name in sys.modules if (self.folder / f"{name}.py").exists()]:
                del sys.modules[name]
            sys.modules.pop(self.module.__name__, None)

    def run(self, block: Block) -> str:
        """Execute one block and the test cases that it defines; returns what it and unittest have printed."""
        before = set(vars(self.module))
        code = compile("\n" * (block.line - 1) + block.code, str(self.path), "exec")
        stream = io.StringIO()
        with contextlib.redirect_stdout(stream):
            exec(code, vars(self.module))
        new = [value for name, value in vars(self.module).items() if name not in before]
        suite = unittest.TestSuite(
            unittest.defaultTestLoader.loadTestsFromTestCase(case)
            for case in new
            if isinstance(case, type)
            and issubclass(case, unittest.TestCase)
            and case.__module__ == self.module.__name__
        )
        with contextlib.redirect_stderr(io.TextIOWrapper(io.BytesIO(), "utf-8")):
            unittest.TextTestRunner(stream).run(suite)
        return stream.getvalue()
