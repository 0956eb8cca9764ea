"""Every block of Python in the documents runs, its tests pass or fail as shown, and its output is what is shown."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import tempfile
import unittest
from itertools import pairwise
from pathlib import Path
from unittest import mock

from durabletest import coverage_parts, sdk_threads
from tests.docs.pages import DOCUMENTS, ELSEWHERE, README, Block, Page, blocks, python_of
from tests.modules import forgotten

_NEED_TURNS = ("exploring.md", "durability.md")
"""Pages about what needs a decided order of threads, which older versions of the SDK have no places for."""


class BlockTests(unittest.TestCase):
    def setUp(self) -> None:
        self.enterContext(mock.patch.dict(os.environ, {"CI": "", "DURABLETEST_UPDATE_SNAPSHOTS": ""}))

    def page(self, path: Path) -> Page:
        return Page(path, Path(self.enterContext(tempfile.TemporaryDirectory())))

    def test_every_block_of_python_runs_and_prints_what_the_page_shows(self) -> None:
        for path in DOCUMENTS:
            if path.name not in ELSEWHERE and (path.name not in _NEED_TURNS or sdk_threads.can_take_turns()):
                page = self.page(path)
                folder = Path(str(page.module.__file__)).parent
                with contextlib.chdir(folder), forgotten(folder):
                    self.run_page(page, blocks(path.read_text(encoding="utf-8")))
                    list(coverage_parts.end())

    def run_page(self, page: Page, found: list[Block]) -> None:
        """A block of text after one of Python is part of what it prints; without one, no test of it fails."""
        with page.importable():
            for block, following in pairwise([*found, None]):
                if block is None or block.language != "python" or block.file is not None:
                    self.write(page, block)
                    continue
                with self.subTest(page.path.name, line=block.line):
                    printed = page.run(block)
                    if following is not None and following.language == "text":
                        self.assertIn(following.code, printed)
                    else:
                        self.assertNotRegex(printed, r"FAILED|ERROR", printed)

    def write(self, page: Page, block: Block | None) -> None:
        """Write a block that the page calls a file beside the page's module."""
        if block is not None and block.file is not None:
            file = Path(str(page.module.__file__)).parent / block.file
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.code, encoding="utf-8")
            importlib.invalidate_caches()

    def test_a_block_that_fails_is_noticed(self) -> None:
        failing = "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        self.assertEqual(1, 2)\n"
        page = self.page(README)
        with page.importable():
            self.assertIn("FAILED (failures=1)", page.run(Block("python", failing, 1)))

    def test_all_pages_are_found(self) -> None:
        self.assertGreater(len(DOCUMENTS), 15)
        self.assertGreater(len(re.findall(r"DurableTestCase\):", python_of(*DOCUMENTS))), 25)
