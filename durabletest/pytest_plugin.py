"""The plugin for pytest: the fixture ``durable``, and failures with a report of what was executed.

pytest loads it by itself, so it imports hardly anything until a test uses it. PYTEST_DONT_REWRITE: it asserts nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from durabletest.errors import DurableTestError, ExecutionFailedError

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Unpack

    from durabletest.durable_test import DurableTest
    from durabletest.settings import GivenSettings

__tracebackhide__ = True

_TESTS = pytest.StashKey[list["DurableTest"]]()
"""What the fixture of a test has made."""
_COMPLAINT = pytest.StashKey[BaseException]()
"""An error that was raised here, and not by the code of the test, which has no traceback worth showing."""
_SECTION = "durabletest report"


class Durable:
    """The fixture ``durable``, which is called with a handler: ``order = durable(order_handler)``."""

    def __init__(self, item: pytest.Item, made: list[DurableTest]) -> None:
        self._item = item
        self._made = made

    def __call__(self, handler: Callable[..., Any] | None = None, **settings: Unpack[GivenSettings]) -> DurableTest:
        """Make a runner with the methods of ``DurableTestCase``, which is closed at the end of the test.

        The settings are those of :class:`durabletest.DurableTestCase`.
        """
        from durabletest.durable_test import DurableTest
        from durabletest.settings import settings_from

        module = _module_of(self._item)
        settings_from({"handler": handler, **settings}, "durable(...)", module)
        test = DurableTest(handler, module=module, test_id=self._item.nodeid, **settings)
        self._made.append(test)
        return test

    def __repr__(self) -> str:
        return f"<durable of {self._item.name}>"


@pytest.fixture
def durable(request: pytest.FixtureRequest) -> Iterator[Durable]:
    """Runs durable functions: ``order = durable(order_handler)``, then ``order.execute(...)`` and ``order.assert...``.

    The settings of ``durabletest.DurableTestCase`` are keyword arguments.
    """
    made: list[DurableTest] = []
    request.node.stash[_TESTS] = made
    yield Durable(request.node, made)
    with ExitStack() as closing:
        for test in made:
            closing.callback(test.close)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Explain a failure of the test; fail a test that passes for what it has not used, and for empty assertions."""
    try:
        result = yield
    except Exception:
        with ExitStack() as explained:
            for test in item.stash.get(_TESTS, ()):
                explained.enter_context(test._durable_explaining())
            raise
    try:
        for test in item.stash.get(_TESTS, ()):
            test._durable_finish()
    except Exception as error:
        item.stash[_COMPLAINT] = error
        raise
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show failures with a section that reports on the execution, and without the frames of durabletest."""
    tests, excinfo = item.stash.get(_TESTS, None), call.excinfo
    reports = [] if tests is None or excinfo is None else _reports(excinfo.value, call.when, tests)
    report = yield
    if excinfo is not None and item.stash.get(_COMPLAINT, None) is excinfo.value:
        report.longrepr = excinfo.getrepr(style="value")
    shown: Any = report.longrepr
    for text in reports:
        shown.addsection(_SECTION, text)
    if call.when == "teardown":
        _forget(item)
    return report


def _forget(item: pytest.Item) -> None:
    """Keep nothing of a test that is over: pytest keeps all items until the end."""
    keys: tuple[Any, ...] = (_TESTS, _COMPLAINT)
    for key in keys:
        if key in item.stash:
            del item.stash[key]


def _reports(error: BaseException, when: str, tests: Sequence[DurableTest]) -> list[str]:
    """The reports on a failure: one for each execution that it is about, or else for the last one of each runner."""
    from durabletest.assertions.failing import trim_traceback

    if isinstance(error, DurableTestError):
        trim_traceback(error)
    own = hasattr(error, "__durable_report__")
    failed = isinstance(error, AssertionError | ExecutionFailedError | pytest.fail.Exception)
    if not own and (not failed or when == "teardown"):
        return []
    reports = [test._durable_report(error) for test in tests]
    return list(dict.fromkeys(text for text in reports if text is not None))


def _module_of(item: pytest.Item) -> str:
    """The name of the test's module; a test of a text file has none, and so no folder for snapshots."""
    return str(getattr(getattr(item, "module", None), "__name__", item.nodeid))
