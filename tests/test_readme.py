"""The README: every block of Python in it runs, its tests do what the text says, its output is what it shows."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
import types
import unittest
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

README = Path(__file__).parent.parent / "README.md"
BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block; ``line`` is that of its first line of code, counted from 1."""

    language: str
    code: str
    line: int


def blocks(text: str) -> Iterator[Block]:
    for match in BLOCK.finditer(text):
        yield Block(match["language"], match["code"], text[: match.start("code")].count("\n") + 1)


class Page:
    """Runs the blocks of a page one after the other, in one module, as a reader would type them."""

    def __init__(self, path: Path, folder: Path) -> None:
        """``folder`` is where the module seems to be, and where the snapshots of its tests are written."""
        self.path = path
        self.module = types.ModuleType("readme")
        self.module.__file__ = str(folder / "readme.py")

    def run(self, block: Block) -> str:
        """Execute one block and the test cases that it defines; what unittest prints is given back."""
        before = set(vars(self.module))
        code = compile("\n" * (block.line - 1) + block.code, str(self.path), "exec")
        stream = io.StringIO()
        with contextlib.redirect_stdout(stream):
            exec(code, vars(self.module))
        new = [value for name, value in vars(self.module).items() if name not in before]
        suite = unittest.TestSuite(
            unittest.defaultTestLoader.loadTestsFromTestCase(case)
            for case in new
            if isinstance(case, type) and issubclass(case, unittest.TestCase) and case.__module__ == "readme"
        )
        with contextlib.redirect_stderr(io.TextIOWrapper(io.BytesIO(), "utf-8")):
            unittest.TextTestRunner(stream).run(suite)
        return stream.getvalue()


class ReadmeTests(unittest.TestCase):
    def setUp(self) -> None:
        self.page = Page(README, Path(self.enterContext(tempfile.TemporaryDirectory())))
        self.enterContext(mock.patch.dict(os.environ, {"CI": "", "DURABLETEST_UPDATE_SNAPSHOTS": ""}))
        sys.modules["readme"] = self.page.module
        self.addCleanup(sys.modules.pop, "readme")

    def test_every_block_of_python_runs_and_prints_what_the_page_shows(self) -> None:
        found = list(blocks(README.read_text(encoding="utf-8")))
        self.assertGreater(len(found), 3)
        for block, following in zip(found, [*found[1:], None], strict=True):
            if block.language != "python":
                continue
            with self.subTest(line=block.line):
                printed = self.page.run(block)
                if following is not None and following.language == "text":
                    self.assertIn(following.code, printed)
                else:
                    self.assertNotRegex(printed, r"FAILED|ERROR", printed)

    def test_a_block_that_fails_is_noticed(self) -> None:
        failing = "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        self.assertEqual(1, 2)\n"
        self.assertIn("FAILED (failures=1)", self.page.run(Block("python", failing, 1)))
