"""The tables of the guide about the two clocks: each cell is tried. And what libraries make of virtual time."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import re
import sqlite3
import tempfile
import time
import unittest
import uuid
import warnings
import xmlrpc.client
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from durabletest import ClockWarning, DurableTestCase, LocalDurableTestRunner
from tests.quicker import BYTE_CODE_AS_INSTALLED
from tests.subprocesses import FreshSuite

PAGE = Path(__file__).parents[2] / "docs" / "clocks.md"
CLOCKS = ("freezegun", "time-machine")
THEN = datetime(2040, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
NEW_YORK = {"TZ": "America/New_York"}


@dataclass
class Order:
    created: datetime = field(default_factory=datetime.now)


partial = functools.partial(datetime.now, UTC)


def noted(moment: object) -> str:
    """Whether that is the virtual or the real time, in whatever form."""
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)  # noqa: DTZ001
    if isinstance(moment, datetime):
        moment = moment.replace(tzinfo=UTC).timestamp()
    if isinstance(moment, str):
        moment = parsedate_to_datetime(moment).replace(tzinfo=UTC).timestamp()
    if isinstance(moment, time.struct_time):
        moment = datetime(*moment[:6], tzinfo=UTC).timestamp()
    assert isinstance(moment, float | int), moment
    return "virtual" if abs(moment - THEN.timestamp()) < DAY.total_seconds() else "real"


def of_asctime(text: str) -> datetime:
    return datetime.strptime(text, "%a %b %d %H:%M:%S %Y")  # noqa: DTZ007


def signed() -> datetime:
    request = AWSRequest("GET", "https://lambda.us-east-1.amazonaws.com/")
    SigV4Auth(Credentials("key", "secret"), "lambda", "us-east-1").add_auth(request)
    return datetime.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ")  # noqa: DTZ007


def of_file() -> float:
    with tempfile.NamedTemporaryFile() as file:
        return os.stat(file.name).st_mtime


def of_uuid() -> datetime:
    return datetime(1582, 10, 15, tzinfo=UTC) + timedelta(microseconds=uuid.uuid1().time // 10)


def sqlite_now() -> datetime:
    connection = sqlite3.connect(":memory:")
    try:
        text: str = connection.execute("select datetime('now')").fetchone()[0]
    finally:
        connection.close()
    return datetime.fromisoformat(text)


READERS: dict[str, list[Callable[[], object]]] = {
    "`datetime.now()`, `date.today()`": [
        lambda: datetime.now(),  # noqa: DTZ005
        lambda: datetime.now(UTC),
        lambda: date.today(),  # noqa: DTZ011
    ],
    "`time.time()`, `time.time_ns()`": [lambda: time.time(), lambda: time.time_ns() / 10**9],
    "`time.gmtime()`, `time.localtime()`, `time.strftime(...)`": [
        lambda: time.gmtime(),
        lambda: time.localtime(),
        lambda: of_asctime(time.strftime("%c")),
    ],
    "`time.ctime()`, `time.asctime()`": [lambda: of_asctime(time.ctime()), lambda: of_asctime(time.asctime())],
    "`time.clock_gettime(time.CLOCK_REALTIME)`": [lambda: time.clock_gettime(time.CLOCK_REALTIME)],
    "`default_factory=datetime.now`, `partial(datetime.now, UTC)`": [lambda: Order().created, lambda: partial()],
    "`datetime('now')` in SQLite": [sqlite_now],
    "`uuid.uuid1()`": [of_uuid],
    "signatures of real requests to AWS": [signed],
    "times of files": [of_file],
    "`time.monotonic()`, `time.perf_counter()`, `time.process_time()`": [
        lambda: time.monotonic() + REAL[0],
        lambda: time.perf_counter() + REAL[0],
        lambda: time.process_time() + REAL[0],
    ],
    "`pd.Timestamp.now()`": [lambda: importlib.import_module("pandas").Timestamp.now().to_pydatetime()],
}
REAL = [time.time()]
"""Added to what counts from an unknown moment: frozen, these clocks would count from 1970."""


def cells() -> dict[str, dict[str, str]]:
    """The cells of the guide's tables, by row and clock."""
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {row: dict(zip(CLOCKS, shown, strict=True)) for row, *shown in rows}


class TableTests(unittest.TestCase):
    def in_virtual_time(self, clock: str, look: Callable[[], Any]) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ClockWarning)  # the references are here on purpose
            with LocalDurableTestRunner(nothing, clock=clock, start_time=THEN):
                return look()

    def setUp(self) -> None:
        self.enterContext(patch.dict(os.environ, {"DURABLETEST_CLOCK": ""}))

    @unittest.skipUnless(hasattr(time, "clock_gettime"), "there is no such clock")
    def test_what_each_shows(self) -> None:
        written = cells()
        self.assertLess(READERS.keys(), written.keys())
        for row in [row for row in READERS if "pd." not in row]:
            for clock in CLOCKS:
                with self.subTest(row, clock=clock):
                    shown = {noted(self.in_virtual_time(clock, reader)) for reader in READERS[row]}
                    self.assertEqual(shown, {re.match(r"\w+", written[row][clock])[0]})  # type: ignore[index]

    def test_the_class_of_what_they_show(self) -> None:
        row = cells()["the class of `datetime.now()`"]
        for clock in CLOCKS:
            name = self.in_virtual_time(clock, lambda: type(datetime.now(UTC)).__name__)
            self.assertEqual(re.findall(r"`(\w+)`", row[clock]), [name])

    def test_libraries_that_ask_for_the_class(self) -> None:
        row = cells()["orjson, msgpack, PyYAML and xmlrpc take it"]
        for clock in CLOCKS:
            for library, dumps in DUMPS.items():
                with self.subTest(library, clock=clock):
                    taken = self.in_virtual_time(clock, lambda dumps=dumps: takes(dumps))
                    self.assertEqual(row[clock], "yes" if taken else "no")

    @unittest.skipUnless(hasattr(time, "tzset"), "the time zone of a process cannot be set")
    def test_the_local_time_zone(self) -> None:
        row = cells()["the local time zone"]
        self.assertEqual(row["freezegun"], "that of the machine, and naive times are UTC")
        self.assertEqual(row["time-machine"], "UTC, as in Lambda")
        self.addCleanup(time.tzset)
        with patch.dict(os.environ, NEW_YORK):
            time.tzset()
            for clock, hour in (("freezegun", 7), ("time-machine", 12)):
                shown = self.in_virtual_time(clock, lambda: (datetime.now().hour, time.localtime().tm_hour))  # noqa: DTZ005
                self.assertEqual((clock, shown), (clock, (12, hour)))
            self.assertEqual({name: os.environ.get(name) for name in NEW_YORK}, NEW_YORK)


@durable_execution
def nothing(event: Any, context: DurableContext) -> None:
    """It is not called."""


def takes(dumps: Callable[[Any], object]) -> bool:
    try:
        dumps({"at": datetime.now(UTC)})
    except (TypeError, yaml_error()) as error:
        if "FakeDatetime" not in str(error):
            raise
        return False
    return True


def yaml_error() -> type[Exception]:
    """What PyYAML raises for a class that it does not know."""
    error: type[Exception] = importlib.import_module("yaml").YAMLError if "yaml" in DUMPS else TypeError
    return error


def with_library(name: str, dumps: Callable[[Any, Any], object]) -> dict[str, Callable[[Any], object]]:
    if importlib.util.find_spec(name) is None:
        return {}
    return {name: lambda value: dumps(importlib.import_module(name), value)}


DUMPS: dict[str, Callable[[Any], object]] = {
    "xmlrpc": lambda value: xmlrpc.client.dumps((value,)),
    **with_library("orjson", lambda orjson, value: orjson.dumps(value)),
    **with_library("yaml", lambda yaml, value: yaml.safe_dump(value)),
    **with_library("msgpack", lambda msgpack, value: msgpack.packb(value, datetime=True)),
}


@durable_execution
def writing(event: str, context: DurableContext) -> str:
    return str(context.step(lambda _: str(DUMPS[event]({"at": datetime.now(UTC)}))))


class LibraryTests(DurableTestCase):
    """Virtual time in steps, where libraries do with it what they do with real time."""

    handler = writing
    clock = "time-machine"

    def setUp(self) -> None:
        if os.environ.get("DURABLETEST_CLOCK") == "freezegun":
            self.skipTest("libraries refuse values of freezegun")

    def test_writers(self) -> None:
        for library in DUMPS:
            with self.subTest(library):
                result = self.execute(library)
                self.assertExecution(result).succeeded()
        if "orjson" in DUMPS:
            self.execute("orjson")
            self.assertExecution().succeeded(str(b'{"at":"2026-01-01T00:00:00+00:00"}'))

    @unittest.skipIf(importlib.util.find_spec("pydantic") is None, "pydantic is not installed")
    def test_default_factories(self) -> None:
        pydantic: Any = importlib.import_module("pydantic")
        event = pydantic.create_model("Event", at=(datetime, pydantic.Field(default_factory=datetime.now)))

        @durable_execution
        def handler(_: Any, context: DurableContext) -> list[str]:
            return [
                context.step(lambda _: str(Order().created)),
                context.step(lambda _: str(event().at)),
                context.step(lambda _: str(partial())),
            ]

        with LocalDurableTestRunner(handler) as runner:
            self.assertEqual(runner.run().get_result(), [*["2026-01-01 00:00:00"] * 2, "2026-01-01 00:00:00+00:00"])


PANDAS = """
import sys, warnings
from aws_durable_execution_sdk_python import durable_execution
from durabletest import ClockWarning, DurableTestCase
from tests.local.test_what_clocks_show import READERS, THEN, cells, noted

ROW = "`pd.Timestamp.now()`"

@durable_execution
def handler(event, context):
    def load(_):
        import pandas as pd
        frame = pd.DataFrame({"at": [pd.Timestamp("2026-01-01")]})
        return str((frame["at"] + pd.Timedelta(days=1)).max())
    return context.step(load, name="load")

class Case(DurableTestCase):
    handler = handler
    start_time = THEN

    def test(self):
        self.execute()
        self.assertExecution().succeeded("2026-01-02 00:00:00")
        (read,) = READERS[ROW]
        self.assertEqual(noted(read()), cells()[ROW][self.clock])

class FirstTests(Case):
    clock = "freezegun"

class SecondTests(Case):
    clock = "time-machine"

class LastTests(Case):
    clock = "freezegun"

assert "pandas" not in sys.modules
warnings.simplefilter("ignore", ClockWarning)
del Case
"""


@unittest.skipIf(importlib.util.find_spec("pandas") is None, "pandas is not installed")
class PandasTests(unittest.TestCase):
    def test_its_first_import_in_a_step(self) -> None:
        done = FreshSuite(
            "unittest", "test_suite", suite=PANDAS, DURABLETEST_CLOCK="", **BYTE_CODE_AS_INSTALLED
        ).ended()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Ran 3 tests", done.stderr)
