"""The API reference can be built, holds every public name and claim, and has no markup left over."""

from __future__ import annotations

import html
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import durabletest
from tests.docs.pages import GUIDE, ROOT
from tests.docs.test_tables import EACH, TABLES, public


@unittest.skipUnless(importlib.util.find_spec("pdoc"), "pdoc is not installed: pip install -e '.[docs]'")
class ReferenceTests(unittest.TestCase):
    page: str

    @classmethod
    def setUpClass(cls) -> None:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-W", "error", str(GUIDE / "reference.py"), folder]
            done = subprocess.run(
                command,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                check=False,
                capture_output=True,
                text=True,
                timeout=120,
            )
            if done.returncode:
                raise AssertionError(done.stderr)
            cls.page = Path(folder, "durabletest.html").read_text(encoding="utf-8")

    def test_every_public_name_and_every_claim_has_its_place(self) -> None:
        there = set(re.findall(r'id="([\w.]+)"', self.page))
        claims = {f"{cls.__name__}.{name}" for cls in (*TABLES.values(), *EACH.values()) for name in public(cls)}
        asserts = {f"DurableTestCase.{name}" for name in dir(durabletest.DurableTestCase) if name.startswith("assertO")}
        self.assertEqual({*durabletest.__all__, *claims, *asserts} - there, set())

    def test_no_markup_is_left_over(self) -> None:
        text = html.unescape(re.sub(r"<[^>]+>", "", self.page))
        self.assertEqual(re.findall(r":\w+:`[^`]*`|``[^`]*``|\w::$", text, re.MULTILINE), [])
