"""Chains of checks are typed: type checkers accept correct ones, and report each mistake in its own line."""

from __future__ import annotations

import atexit
import importlib.util
import re
import shutil
import sys
import tempfile
from pathlib import Path

from tests.subprocesses import ProcessTestCase, Started

ROOT = Path(__file__).parent.parent.parent
RIGHT = """
from datetime import datetime, timedelta

from typing_extensions import assert_type

from durabletest import (
    DurableTest, DurableTestCase, EachInvocation, EachOperation, ExecutionSubject, HistorySubject, InvocationsSubject,
    InvocationSubject, OperationsSubject, OperationStatus, OperationSubject, SoftScope,
)
from durabletest.pytest_plugin import Durable


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


def test(durable: Durable) -> None:
    order = durable(print, start_time=datetime(2030, 1, 1), functions={"a": print})
    assert_type(order, DurableTest)
    assert_type(order.assertOperation("charge").succeeded(), OperationSubject)
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
    'DurableTest(print, skip_slep=True)',
    'DurableTest(print, watchdog="soon").assertExecution()',
)  # fmt: skip


def wrong_lines() -> str:
    imports = "from durabletest import DurableTest, DurableTestCase\n\n"
    head = "class Tests(DurableTestCase):\n    def test(self) -> None:\n"
    return imports + head + "".join(f"        {line}\n" for line in WRONG)


def mypy(folder: Path) -> Started | str:
    """A type checker at work on the files of the folder, or why there is none."""
    if importlib.util.find_spec("mypy") is None:
        return "mypy is not installed: pip install -e '.[lint]'"
    options = ("--strict", f"--cache-dir={folder / 'cache'}", "--config-file=", "--follow-imports=silent")
    return Started("-m", "mypy", *options, *map(str, files(folder)), MYPYPATH=str(ROOT))


def pyright(folder: Path) -> Started | str:
    found = importlib.util.find_spec("pyright")
    if found is None or found.origin is None:
        return "pyright is not installed: pip install -e '.[lint]'"
    if not Path(found.origin).with_name("dist").exists() or not shutil.which("node"):
        return "pyright would be downloaded: install node and a pyright that comes with its program"
    command = ("-m", "pyright", "--pythonpath", sys.executable, *map(str, files(folder)))
    return Started(*command, PYRIGHT_PYTHON_IGNORE_WARNINGS="1")


def files(folder: Path) -> tuple[Path, Path]:
    return folder / "right.py", folder / "wrong.py"


class TypingTests(ProcessTestCase):
    missing: dict[str, str]

    @classmethod
    def start_processes(cls) -> dict[str, Started]:
        folder = Path(tempfile.mkdtemp())
        atexit.register(shutil.rmtree, folder)
        for file, code in zip(files(folder), (RIGHT, wrong_lines()), strict=True):
            file.write_text(code, encoding="utf-8")
        checkers = {"mypy": mypy(folder), "pyright": pyright(folder)}
        cls.missing = {name: reason for name, reason in checkers.items() if isinstance(reason, str)}
        return {name: started for name, started in checkers.items() if isinstance(started, Started)}

    def check(self, name: str) -> None:
        if name in self.missing:
            self.skipTest(self.missing[name])
        run = self.ended(name)
        self.assertEqual(run.returncode, 1, run.stdout + run.stderr)
        said = re.findall(r"(right|wrong)\.py:(\d+)\S* (?:- )?error", run.stdout)
        expected = {("wrong", str(line)) for line in range(5, 5 + len(WRONG))}
        self.assertEqual(set(said), expected, run.stdout)

    def test_mypy(self) -> None:
        self.check("mypy")

    def test_pyright(self) -> None:
        self.check("pyright")
