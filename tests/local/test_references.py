"""References to the real clock that freezegun does not reach: told once, by module and name, and no others."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import unittest
import warnings
from pathlib import Path
from typing import Any
from unittest.mock import patch

from durabletest import ClockWarning, DurableTestCase, LocalDurableTestRunner
from durabletest.local import clock_references
from tests.modules import forgotten
from tests.sdk_versions import needs_names

HANDLER = """
from aws_durable_execution_sdk_python import durable_execution
from datetime import UTC, date, datetime, timedelta
from dataclasses import dataclass, field
import functools
import time
{body}
@durable_execution
def handler(event, context):
    return {returns}
"""

HELD: dict[str, tuple[str, str]] = {
    "a name": ("REF = datetime.now", "REF holds datetime.now"),
    "another class": ("REF = date.today", "REF holds date.today"),
    "a partial": ("utcnow = functools.partial(datetime.now, UTC)", "utcnow holds datetime.now"),
    "a container": ("CLOCKS = {'seconds': [time.time]}", "CLOCKS holds time.time"),
    "a default": ("def at(now=time.time): return now()", "at holds time.time"),
    "a default by keyword": ("def at(*, now=datetime.now): return now()", "at holds datetime.now"),
    "a default that is a class": ("def at(cls=datetime): return cls.now()", "at holds datetime.today"),
    "a closure": (
        "def make():\n    from datetime import datetime as d\n    return lambda: d.now()\nat = make()",
        "at holds datetime.today",
    ),
    "a field": (
        "@dataclass\nclass Order:\n    id: int = 0\n    created: datetime = field(default_factory=datetime.now)",
        "Order.created holds datetime.now",
    ),
    "a field of a class in a class": (
        "class Order:\n    @dataclass\n    class Line:\n        at: datetime = field(default_factory=datetime.now)",
        "Order.Line.at holds datetime.now",
    ),
    "a method": ("class Order:\n    def at(self, now=datetime.now): return now()", "Order.at holds datetime.now"),
    "an attribute": ("class Order:\n    clock = staticmethod(datetime.now)", "Order.clock holds datetime.now"),
    "an object of another package in a class": (
        "from botocore.config import Config\nclass Order:\n    at = Config()\n    at.now = time.time",
        "Order.at holds time.time",
    ),
    "a cached function": ("@functools.cache\ndef at(now=time.time): return now()", "at holds time.time"),
    "an object": (
        "class Clock:\n    def __init__(self, now): self.now = now\nCLOCK = Clock(datetime.now)",
        "CLOCK holds datetime.now",
    ),
    "a subclass that is asked": (
        "class Stamp(datetime): pass\ndef at(): return [Stamp.now() for _ in range(2)]",
        "Stamp inherits from datetime",
    ),
}

NOT_HELD: dict[str, str] = {
    "what is looked up": "@dataclass\nclass Order:\n    at: datetime = field(default_factory=lambda: datetime.now())",
    "what freezegun replaces": "from time import time as seconds\nfrom datetime import datetime as d",
    "a class that is not asked for the time": "KINDS = [datetime]\ndef kind(cls=datetime): return cls.fromisoformat",
    "a subclass that is not asked": "class Day(datetime): pass\ndef at(): return Day(2026, 1, 1)",
    "a clock that is real anyway": "def tick(now=time.monotonic): return now()",
    "a value": "STAMP = datetime.now()",
    "another now": "class Radio:\n    @classmethod\n    def now(cls): return 1\nREF = Radio.now",
    "a proxy that cannot be asked": (
        "class Proxy:\n    @property\n    def __class__(self): raise RuntimeError\nPROXY = Proxy()"
    ),
    "a logger and its formatter": (
        "import logging\nLOG = logging.Logger('mine')\nHANDLER = logging.StreamHandler()\nHANDLER.now = time.time\n"
        "LOG.addHandler(HANDLER)\nclass Order:\n    log = LOG"
    ),
    "a converter": "CONVERT = [time.gmtime, time.localtime]",
    "an object of another package": ("from botocore.config import Config\nCONFIG = Config()\nCONFIG.now = time.time"),
    "no clock at all": "ADD = functools.partial(timedelta, days=1)\nPARSE = datetime.fromisoformat",
}


@needs_names
class ReferenceTests(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.enterContext(forgotten(self.folder))
        sys.path.insert(0, str(self.folder))
        self.enterContext(patch.dict(os.environ, {"DURABLETEST_CLOCK": ""}))
        self.addCleanup(importlib.invalidate_caches)

    def module(self, name: str, body: str = "", returns: str = "1") -> Any:
        self.write(name, HANDLER.format(body=body, returns=returns))
        return importlib.import_module(name)

    def write(self, name: str, source: str) -> None:
        file = self.folder / f"{name.replace('.', '/')}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(source, encoding="utf-8")
        importlib.invalidate_caches()

    def told(self, handler: Any, **arguments: Any) -> list[warnings.WarningMessage]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with LocalDurableTestRunner(handler, **arguments) as runner:
                runner.run()
        return [one for one in caught if one.category is ClockWarning]

    def test_each_way_to_hold_one_is_told_with_module_and_name(self) -> None:
        for number, (title, (body, expected)) in enumerate(HELD.items()):
            with self.subTest(title):
                (warning,) = self.told(self.module(f"holding_{number}", body).handler)
                self.assertIn(f"\n  holding_{number}.{expected}\n", str(warning.message))
                self.assertEqual(str(warning.message).count(f"holding_{number}."), 1, warning.message)
                self.assertIn("set clock = 'time-machine'", str(warning.message))

    def test_everything_else_is_not(self) -> None:
        for number, (title, body) in enumerate(NOT_HELD.items()):
            with self.subTest(title):
                self.assertEqual(self.told(self.module(f"not_holding_{number}", body).handler), [])

    def test_all_names_of_a_module_are_told_at_once_and_once_only_where_the_first_is(self) -> None:
        module = self.module("twice", "A = datetime.now\n\nB = date.today")
        (warning,) = self.told(module.handler)
        self.assertIn("\n  twice.A holds datetime.now\n  twice.B holds date.today\n", str(warning.message))
        self.assertEqual((warning.filename, warning.lineno), (module.__file__, 7))
        self.assertEqual(self.told(module.handler), [])

    def test_modules_that_the_handlers_module_uses(self) -> None:
        self.write("shop.__init__", "")
        self.write("shop.models", "from datetime import datetime\nREF = datetime.now\ndef load(): pass\n")
        self.write("bystander", "from datetime import datetime\nREF = datetime.now\n")
        importlib.import_module("bystander")
        (warning,) = self.told(self.module("using", "from shop.models import load").handler)
        self.assertIn("\n  shop.models.REF holds datetime.now\n", str(warning.message))

    def test_a_subclass_that_another_module_asks(self) -> None:
        source = "from datetime import datetime\nclass Stamp(datetime): pass\nclass Other(datetime): pass\n"
        self.write("stamps", source)
        body = "import stamps\n@functools.cache\ndef at(): return (lambda: stamps.Stamp.now())()\n"
        body += "def other(): return stamps.Other(2026, 1, 1)"
        (warning,) = self.told(self.module("asking", body).handler)
        self.assertIn("\n  stamps.Stamp inherits from datetime\n", str(warning.message))
        self.assertNotIn("Other", str(warning.message))

    def test_targets_of_invokes(self) -> None:
        plain = self.module("target", "REF = datetime.now").handler
        (warning,) = self.told(self.module("invoking").handler, durable_functions={"target": plain})
        self.assertIn("\n  target.REF holds", str(warning.message))

    def test_installed_packages_are_not_searched_unless_the_handler_is_in_one(self) -> None:
        with patch.object(clock_references, "_ELSEWHERE", (*clock_references._ELSEWHERE, str(self.folder))):
            self.write("library", "from datetime import datetime\nREF = datetime.now\n")
            (warning,) = self.told(self.module("installed", "import library\nREF = datetime.now").handler)
        self.assertIn("\n  installed.REF holds datetime.now\n", str(warning.message))
        self.assertNotIn("library", str(warning.message))

    def test_packages_of_another_site_directory_are_installed_too(self) -> None:
        for site in ("site-packages", "dist-packages"):
            with self.subTest(site):
                folder = self.folder / site
                folder.mkdir()
                self.addCleanup(sys.path.remove, str(folder))
                sys.path.append(str(folder))
                name = f"of_{site[:4]}"
                self.addCleanup(sys.modules.pop, name, None)
                (folder / f"{name}.py").write_text("from datetime import datetime\nREF = datetime.now\n", "utf-8")
                self.assertEqual(self.told(self.module(f"using_{site[:4]}", f"import {name}").handler), [])

    def test_a_module_that_is_imported_late_is_told_at_the_end(self) -> None:
        self.write("late_reference", "from datetime import datetime\nfrom time import time\nREF = datetime.now\n")
        module = self.module("importing_late", returns="__import__('late_reference').__name__")
        (warning,) = self.told(module.handler)
        self.assertIn("\n  late_reference.REF holds datetime.now\n", str(warning.message))

    @unittest.skipUnless(hasattr(os, "fork"), "this system does not fork")
    def test_a_forked_child_does_not_tell_it_too(self) -> None:
        self.write("late_in_fork", "from datetime import datetime\nREF = datetime.now\n")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with LocalDurableTestRunner(self.module("forking").handler):
                importlib.import_module("late_in_fork")
                child = os.fork()
                if not child:
                    os._exit(sum(one.category is ClockWarning for one in caught))
                self.assertEqual(os.waitpid(child, 0), (child, 0))
        self.assertEqual(sum(one.category is ClockWarning for one in caught), 1)

    def test_it_is_an_error_of_the_first_test_where_warnings_are_errors(self) -> None:
        class Case(DurableTestCase):
            handler = self.module("strict", "REF = datetime.now").handler

            def test_1(self) -> None:
                self.execute()

            test_2 = test_1

        result = unittest.TestResult()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(result)
        ((test, text),) = result.errors
        self.assertEqual((test.id().rpartition(".")[2], result.testsRun), ("test_1", 2))
        self.assertIn("ClockWarning: these were taken before time was frozen", text)
        LocalDurableTestRunner(Case.handler, clock="freezegun").close()

    def test_clocks_that_reach_everything_or_that_are_real_tell_nothing(self) -> None:
        for number, arguments in enumerate(({"clock": "time-machine"}, {"skip_time": False})):
            with self.subTest(**arguments):
                module = self.module(f"reached_{number}", "REF = datetime.now")
                self.assertEqual(self.told(module.handler, **arguments), [])

    def test_a_large_table_is_not_read_to_its_end(self) -> None:
        module = self.module("large", "TABLE = [[n] for n in range(50_000)]\nREF = datetime.now")
        (warning,) = self.told(module.handler)
        self.assertIn("large.REF holds", str(warning.message))
