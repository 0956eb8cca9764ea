"""Chains of checks are typed: type checkers accept correct ones, and report each mistake in its own line."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
RIGHT = """
from datetime import timedelta

from typing_extensions import assert_type

from durabletest import (
    DurableTestCase, EachInvocation, EachOperation, ExecutionSubject, HistorySubject, InvocationsSubject,
    InvocationSubject, OperationsSubject, OperationStatus, OperationSubject, SoftScope,
)


class Tests(DurableTestCase):
    def test(self) -> None:
        assert_type(self.assertExecution().succeeded({}).took(hours=1).never.failed(ValueError), ExecutionSubject)
        assert_type(self.assertExecution().operation("charge", index=1), OperationSubject)
        assert_type(self.assertOperation("charge").failed("Declined", "funds").attempts(2), OperationSubject)
        assert_type(self.assertOperation("charge").failed((ValueError, "Declined"), "funds").took(90), OperationSubject)
        assert_type(self.assertOperation("charge").never.waited(timedelta(hours=1)).before("ship"), OperationSubject)
        assert_type(self.assertOperation("charge").child().running(), ExecutionSubject)
        assert_type(self.assertOperations(status=OperationStatus.FAILED, type="STEP").count(1), OperationsSubject)
        assert_type(self.assertOperations().each.succeeded().never.pending(), EachOperation)
        assert_type(self.assertInvocations().count(2), InvocationsSubject)
        assert_type(self.assertInvocations().any.failed(), EachInvocation)
        assert_type(self.assertInvocations().invocation(1).took(seconds=0), InvocationSubject)
        assert_type(self.assertHistory().contains("StepStarted").matches("a.json", without="b"), HistorySubject)
        assert_type(self.softly(), SoftScope)
"""
WRONG = (
    'self.assertExecution().suceeded()',
    'self.assertExecution().attempts(1)',
    'self.assertOperation("charge").attemps(2)',
    'self.assertOperation("charge").never.faild()',
    'self.assertOperation("charge").waited(weeks=1)',
    'self.assertOperation("charge").child().waited(hours=1)',
    'self.assertOperation(7)',
    'self.assertOperations(state="FAILED")',
    'self.assertOperations().each.child()',
    'self.assertInvocations().succeeded()',
    'self.assertHistory().matches()',
    'self.assertHistory().matches("order.json", ignore=7)',
    'self.assertOperation("charge").failed((7,))',
    'self.execute({}, nam="order-42")',
    'self.assertHistory().contains(event="StepStarted")',
    'self.assertOperationn("charge")',
)  # fmt: skip


def wrong_lines() -> str:
    head = "from durabletest import DurableTestCase\n\nclass Tests(DurableTestCase):\n    def test(self) -> None:\n"
    return head + "".join(f"        {line}\n" for line in WRONG)


class TypingTests(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def checked(self, code: str, *command: str, status: int) -> str:
        """The output of a type checker for the code; it must end with this exit status."""
        file = self.folder / "suite.py"
        file.write_text(code, encoding="utf-8")
        run = subprocess.run(
            [sys.executable, "-m", *command, str(file)],
            check=False, cwd=ROOT, capture_output=True, text=True, timeout=120,
            env={**os.environ, "MYPYPATH": str(ROOT), "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
        )  # fmt: skip
        self.assertEqual(run.returncode, status, run.stdout + run.stderr)
        return run.stdout

    def assertChecked(self, *command: str) -> None:
        self.checked(RIGHT, *command, status=0)
        said = self.checked(wrong_lines(), *command, status=1)
        lines = {int(line) for line in re.findall(r"suite\.py:(\d+)\S* (?:- )?error", said)}
        self.assertEqual(lines, set(range(5, 5 + len(WRONG))), said)

    @unittest.skipUnless(importlib.util.find_spec("mypy"), "mypy is not installed: pip install durabletest[lint]")
    def test_mypy(self) -> None:
        self.assertChecked(
            "mypy", "--strict", f"--cache-dir={self.folder / 'cache'}", "--config-file=", "--follow-imports=silent"
        )

    def test_pyright(self) -> None:
        pyright = importlib.util.find_spec("pyright")
        if pyright is None or pyright.origin is None:
            self.skipTest("pyright is not installed: pip install durabletest[lint]")
        if not Path(pyright.origin).with_name("dist").exists() or not shutil.which("node"):
            self.skipTest("pyright would be downloaded: install node and a pyright that comes with its program")
        self.assertChecked("pyright", "--pythonpath", sys.executable)
