"""Modules that are first imported while time is frozen: executed with the real clock, then like all others."""

from __future__ import annotations

import datetime
import importlib
import os
import signal
import sys
import tempfile
import time
import unittest
import warnings
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from threading import Event, Thread
from types import ModuleType
from typing import Any
from unittest.mock import patch

import freezegun
from aws_durable_execution_sdk_python import DurableContext, durable_execution

from durabletest import ClockWarning, LocalDurableTestRunner
from durabletest.local.late_imports import LateImports

REAL = datetime.datetime
NEW_YEAR = REAL(2026, 1, 1, tzinfo=UTC)

MODEL = """
import datetime as module
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from time import time as seconds

class Stamp(datetime):
    pass

def kind(cls=datetime):
    return cls

def clocks():
    return datetime.now(UTC), date.today(), seconds(), module.datetime.now(UTC)
"""

started, read = Event(), Event()


def pause() -> None:
    """What a module does that takes its time to be imported."""
    started.set()
    assert read.wait(10)


class LateModules(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.enterContext(patch.object(sys, "path", [str(self.folder), *sys.path]))
        self.addCleanup(importlib.invalidate_caches)
        started.clear()
        read.clear()

    def write(self, **sources: str) -> None:
        for name, source in sources.items():
            (self.folder / f"{name}.py").write_text(source, encoding="utf-8")
            self.addCleanup(sys.modules.pop, name, None)
        importlib.invalidate_caches()

    def in_a_step(self, work: Callable[[], Any]) -> Any:
        """The result of that work in a step, on New Year's Day."""
        seen = []

        @durable_execution
        def handler(event: Any, context: DurableContext) -> None:
            context.step(lambda _: seen.append(work()))

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ClockWarning)  # Stamp.now is asked here on purpose
            with LocalDurableTestRunner(handler) as runner:
                self.assertEqual(runner.run().get_status(), "SUCCEEDED", seen)
        return seen[0]

    def assert_virtual(self, clocks: tuple[Any, ...]) -> None:
        self.assertEqual(clocks, (NEW_YEAR, NEW_YEAR.date(), NEW_YEAR.timestamp(), NEW_YEAR))

    def assert_as_if_it_had_been_there_before(self, module: Any) -> None:
        self.assertIs(module.Stamp.__mro__[1], REAL)
        self.assertIs(module.kind(), REAL)
        self.assertIs(module.datetime, REAL)
        self.assertIs(module.seconds, time.time)
        self.assertLess(abs(REAL.now(UTC) - module.clocks()[0]), datetime.timedelta(minutes=1))
        self.assertLess(abs(REAL.now(UTC) - module.Stamp.now(UTC)), datetime.timedelta(minutes=1))


class LateImportTests(LateModules):
    def test_it_shows_virtual_time_and_has_kept_nothing_of_it_afterwards(self) -> None:
        self.write(late_model=MODEL)
        self.assert_virtual(self.in_a_step(lambda: importlib.import_module("late_model").clocks()))
        self.assert_as_if_it_had_been_there_before(sys.modules["late_model"])

    def test_modules_that_one_late_module_imports_from_another(self) -> None:
        self.write(late_model=MODEL, late_api="from late_model import *\nclass Mine(datetime): pass\n")
        self.assert_virtual(self.in_a_step(lambda: importlib.import_module("late_api").clocks()))
        self.assertIs(sys.modules["late_api"].Mine.__mro__[1], REAL)
        self.assert_as_if_it_had_been_there_before(sys.modules["late_model"])

    def test_a_name_that_comes_from_a_module_which_was_there(self) -> None:
        self.write(model_before=MODEL, late_api="from model_before import datetime\n")
        importlib.import_module("model_before")
        self.in_a_step(lambda: importlib.import_module("late_api"))
        self.assertIs(sys.modules["late_api"].datetime, REAL)

    def test_a_clock_that_a_module_holds_since_time_was_frozen_before_by_a_name_in_the_place_of_another(self) -> None:
        self.write(model_before="first = second = None")
        module = importlib.import_module("model_before")
        self.assertIsNone(self.in_a_step(lambda: module.second))
        del module.second
        module.third = REAL
        self.assertEqual(self.in_a_step(lambda: module.third.now(UTC)), NEW_YEAR)
        self.assertIs(module.third, REAL)

    def test_a_name_that_came_from_a_patched_module_shows_virtual_time_the_next_time_too(self) -> None:
        self.write(model_before=MODEL, late_api="from model_before import datetime\n")
        importlib.import_module("model_before")
        for _ in range(2):
            now = self.in_a_step(lambda: importlib.import_module("late_api").datetime.now(UTC))
            self.assertEqual(now, NEW_YEAR)
        self.assertIs(sys.modules["late_api"].datetime, REAL)

    def test_what_remains_of_an_import_that_fails(self) -> None:
        self.write(late_model=MODEL, late_failure="import late_model\nimport no_such_module\n")

        def work() -> tuple[Any, ...]:
            with self.assertRaises(ImportError):
                importlib.import_module("late_failure")
            clocks: tuple[Any, ...] = sys.modules["late_model"].clocks()
            return clocks

        self.assert_virtual(self.in_a_step(work))
        self.assert_as_if_it_had_been_there_before(sys.modules["late_model"])

    def test_a_reload_and_a_second_import(self) -> None:
        self.write(model_before=MODEL)
        before = importlib.import_module("model_before")

        def again() -> ModuleType:
            del sys.modules["model_before"]
            return importlib.import_module("model_before")

        for load in (lambda: importlib.reload(before), again):
            self.assert_virtual(self.in_a_step(lambda load=load: load().clocks()))
            self.assert_as_if_it_had_been_there_before(sys.modules["model_before"])

    def test_other_threads_see_virtual_time_while_one_imports(self) -> None:
        self.write(late_model=f"from {__name__} import pause\npause()\n{MODEL}\nEXECUTED_AT = datetime.now(UTC)\n")

        def work() -> tuple[Any, ...]:
            importing = Thread(target=importlib.import_module, args=["late_model"])
            importing.start()
            assert started.wait(10)
            today = datetime.date.today()  # noqa: DTZ011 - it is one of the clocks
            clocks = (datetime.datetime.now(UTC), today, time.time(), datetime.datetime.now(UTC))
            read.set()
            importing.join(10)
            return clocks

        self.assert_virtual(self.in_a_step(work))
        self.assert_as_if_it_had_been_there_before(sys.modules["late_model"])

    def test_a_thread_that_imports_leaves_what_another_one_loads_alone(self) -> None:
        self.write(late_slow=f"from {__name__} import pause\npause()\n{MODEL}", late_model=MODEL)

        def work() -> None:
            importing = Thread(target=importlib.import_module, args=["late_slow"])
            importing.start()
            assert started.wait(10)
            importlib.import_module("late_model")
            read.set()
            importing.join(10)
            self.assert_virtual(sys.modules["late_slow"].clocks())

        self.in_a_step(work)
        self.assert_as_if_it_had_been_there_before(sys.modules["late_slow"])

    def test_an_import_that_outlasts_virtual_time(self) -> None:
        self.write(late_slow=f"from {__name__} import pause\npause()\n{MODEL}")
        importing = Thread(target=importlib.import_module, args=["late_slow"])

        def work() -> None:
            importing.start()
            assert started.wait(10)

        self.in_a_step(work)
        read.set()
        importing.join(10)
        self.assert_as_if_it_had_been_there_before(sys.modules["late_slow"])

    @unittest.skipUnless(hasattr(os, "fork"), "this system does not fork")
    def test_a_child_that_is_forked_during_an_import_can_end_it(self) -> None:
        imports = LateImports({}, lambda _: None)
        imports.install()
        self.addCleanup(imports.remove)
        with warnings.catch_warnings(), imports._lock:
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
            child = os.fork()
            if not child:
                signal.alarm(10)
                imports.remove()
                os._exit(0)
        self.assertEqual(os.waitpid(child, 0), (child, 0))

    def test_patches_of_tests_work_and_imports_are_what_they_were_afterwards(self) -> None:
        before = (type(time), type(datetime), importlib._bootstrap._find_and_load, importlib._bootstrap._exec)

        def work() -> tuple[float, Any]:
            with patch("time.time", lambda: 5.0), patch("datetime.datetime", "patched"):
                return time.time(), datetime.datetime

        self.assertEqual(self.in_a_step(work), (5.0, "patched"))
        after = (type(time), type(datetime), importlib._bootstrap._find_and_load, importlib._bootstrap._exec)
        self.assertEqual(after, before)
        self.assertIs(type(time), ModuleType)


class ReadOnlyModule(ModuleType):
    """A module whose attributes cannot be set, as some that load what they have when it is asked for."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{self.__name__} is read-only")


class ReadOnlyTests(LateModules):
    def test_it_shows_virtual_time_too_and_is_in_nobodys_way(self) -> None:
        module = ReadOnlyModule("read_only")
        vars(module)["seconds"] = time.time
        with patch.dict(sys.modules, {"read_only": module}):
            self.assertEqual(self.in_a_step(lambda: module.seconds()), NEW_YEAR.timestamp())
        self.assertIs(module.seconds, time.time)
        self.assertLess(abs(module.seconds() - REAL.now(UTC).timestamp()), 60)


class LeftOutTests(LateModules):
    """What freezegun is told to leave alone by its own configuration, and nothing that only begins like it."""

    def setUp(self) -> None:
        super().setUp()
        freezegun.configure(extend_ignore_list=["heavy"])  # type: ignore[attr-defined]
        self.addCleanup(freezegun.config.reset_config)
        self.write(heavy=MODEL, heavy_weight=MODEL)

    def test_it_is_left_alone(self) -> None:
        modules = [importlib.import_module(name) for name in ("heavy", "heavy_weight")]
        clocks = self.in_a_step(lambda: [module.kind.__globals__["datetime"].now(UTC) for module in modules])
        self.assertLess(abs(REAL.now(UTC) - clocks[0]), datetime.timedelta(minutes=1))
        self.assertEqual(clocks[1], NEW_YEAR)

    def test_also_if_it_is_imported_late(self) -> None:
        clocks = self.in_a_step(lambda: [importlib.import_module(n).clocks()[0] for n in ("heavy", "heavy_weight")])
        self.assertLess(abs(REAL.now(UTC) - clocks[0]), datetime.timedelta(minutes=1))
        self.assertEqual(clocks[1], NEW_YEAR)
