"""The plugin for pytest: the fixture ``durable``, its markers, and failures with a report of what was executed.

pytest loads it by itself, so it imports hardly anything until a test uses it. PYTEST_DONT_REWRITE: it asserts nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from durabletest.configuration import MODE_VARIABLE, Mode, mode_of, only_mode
from durabletest.errors import ConfigurationError, DurableTestError, ExecutionFailedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Unpack

    from durabletest.durable_test import DurableTest
    from durabletest.failure_pages import RunnerPage
    from durabletest.settings import GivenSettings

__tracebackhide__ = True

_TESTS = pytest.StashKey[list["DurableTest"]]()
"""What the fixture of a test has made."""
_COMPLAINT = pytest.StashKey[BaseException]()
"""An error that was raised here, and not by the code of the test, which has no traceback worth showing."""
_PAGE: pytest.StashKey[RunnerPage] = pytest.StashKey()
"""The page of a test, if pages of failing tests are asked for."""
_COVERAGE = pytest.StashKey[list[str]]()
"""The summaries of coverage at the end of the run."""
_COVERAGE_VARIABLE, _REPORT_VARIABLE = "DURABLETEST_COVERAGE", "DURABLETEST_REPORT"
_SECTION = "durabletest report"
_MOST_EXECUTIONS = 20
_MARKERS = (
    "durable(**settings): settings for what the fixture `durable` makes, like skip_sleep=True or handler=order_handler",
    "local_only: in cloud mode the test is skipped",
    "cloud_only: in local mode the test is skipped",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("durabletest", "tests of AWS Lambda durable functions")
    group.addoption(
        "--durabletest-mode",
        choices=[mode.value for mode in Mode],
        help=f"where the functions under test run; it wins over {MODE_VARIABLE}, markers and test classes",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and tell the mode to all who look for it."""
    for line in _MARKERS:
        config.addinivalue_line("markers", line)
    mode = config.getoption("durabletest_mode")
    if mode is not None:
        patch = pytest.MonkeyPatch()
        patch.setenv(MODE_VARIABLE, mode)
        config.add_cleanup(patch.undo)
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(_XdistWorker(config))


class _XdistWorker:
    """Registered in the workers of pytest-xdist, which end without a word about an interruption."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Write the notes of the exception to standard error, such as those about executions that may still run."""
        capture: Any = self._config.pluginmanager.getplugin("capturemanager")
        with nullcontext() if capture is None else capture.global_and_fixture_disabled():
            for note in getattr(excinfo.value, "__notes__", ()):
                sys.stderr.write(f"{note}\n")
            sys.stderr.flush()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Begin this process's part of the coverage, and check where pages are to be written, if they are asked for."""
    try:
        if os.environ.get(_COVERAGE_VARIABLE) and not session.config.getoption("collectonly"):
            from durabletest.coverage_parts import begin

            begin()
        if os.environ.get(_REPORT_VARIABLE):
            from durabletest.failure_pages import FailurePage, page_of_test

            page_of_test("", FailurePage)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """End this process's part, before a worker of xdist tells that it has finished."""
    if os.environ.get(_COVERAGE_VARIABLE):
        from durabletest.coverage_parts import end

        session.config.stash[_COVERAGE] = [coverage.text() for coverage in end()]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for text in config.stash.get(_COVERAGE, ()):
        terminalreporter.section("durabletest coverage")
        terminalreporter.write_line(text)


def pytest_report_header() -> str | None:
    mode = os.environ.get(MODE_VARIABLE)
    return f"durabletest: {mode} mode" if mode else None


class Durable:
    """The fixture ``durable``, which is called with a handler: ``order = durable(order_handler)``."""

    def __init__(self, item: pytest.Item, made: list[DurableTest]) -> None:
        self._item = item
        self._made = made

    def __call__(self, handler: Callable[..., Any] | None = None, **settings: Unpack[GivenSettings]) -> DurableTest:
        """Make a runner with the methods of ``DurableTestCase``, which is closed at the end of the test.

        The settings are those of :class:`durabletest.DurableTestCase`. They take precedence over those of markers.
        """
        from durabletest.durable_test import DurableTest
        from durabletest.settings import settings_from

        module = _module_of(self._item)
        given: dict[str, Any] = {**_marked(self._item), **settings}
        if handler is not None:
            given["handler"] = handler
        mode = mode_of(settings_from(given, "durable(...)", module))
        reason = _reason_to_skip(self._item, mode)
        if reason is not None:
            pytest.skip(reason)
        test = DurableTest(module=module, test_id=self._item.nodeid, **given)
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


# --- markers ---


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Check the markers of a test, and skip it if it belongs to the other mode."""
    try:
        _check_markers(item)
    except UsageError as error:
        item.stash[_COMPLAINT] = error
        raise


def _check_markers(item: pytest.Item) -> None:
    function, case = getattr(item, "obj", None), _test_case_of(item)
    if case is None and hasattr(function, "__durabletest_explore__"):
        raise UsageError(
            f"@explore on {item.name}: it runs a test again and again with a setUp of its own, which fixtures do not "
            "have; write the test as a method of a DurableTestCase"
        )
    settings = _marked(item)
    if case is not None and settings:
        name, value = next(iter(settings.items()))
        raise ConfigurationError(
            f"@pytest.mark.durable({name}=...) on {item.name}: the settings of a DurableTestCase are its attributes, "
            f"so write {name} = {value!r} in {case.__qualname__}"
        )
    if not settings and not any(_belonging(item)):
        return
    if case is None:
        from durabletest.settings import settings_from

        case = settings_from(settings, "@pytest.mark.durable(...)", _module_of(item))
    reason = _reason_to_skip(item, mode_of(case))
    if reason is not None:
        item.add_marker(pytest.mark.skip(reason=reason))


def _marked(item: pytest.Item) -> dict[str, Any]:
    """The settings in the markers of a test; the closest marker wins."""
    marks = list(item.iter_markers("durable"))
    for mark in marks:
        if mark.args:
            raise ConfigurationError(
                f"@pytest.mark.durable({mark.args[0]!r}): give settings by their names, like skip_sleep=True"
            )
    return {name: value for mark in reversed(marks) for name, value in mark.kwargs.items()}


def _belonging(item: pytest.Item) -> Iterator[Mode]:
    """The modes that a test belongs to by its markers, or by the decorators of durabletest, if it is a function."""
    yield from (mode for mode in Mode if item.get_closest_marker(f"{mode}_only") is not None)
    decorated = only_mode(getattr(item, "obj", None))
    if decorated is not None:
        yield decorated


def _reason_to_skip(item: pytest.Item, mode: Mode) -> str | None:
    for only in _belonging(item):
        if only is not mode:
            return f"{only} only: the mode is {mode}"
    return None


def _test_case_of(item: pytest.Item) -> Any:
    """The ``DurableTestCase`` that a test is a method of, None if it is of none."""
    cls = getattr(item, "cls", None)
    return cls if hasattr(cls, "_durable_explore") else None


# --- around each test ---


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Tell to which suite executions belong, the class or file of the test, and keep them for its page."""
    if not (os.environ.get(_COVERAGE_VARIABLE) or os.environ.get(_REPORT_VARIABLE)):
        return (yield)
    from durabletest import endings

    with ExitStack() as around:
        suite = "" if item.parent is None else item.parent.nodeid
        around.enter_context(endings.in_suite(suite))
        page = _page_of(item)
        if page is not None:
            item.stash[_PAGE] = page
            around.enter_context(endings.listening(page.keep))
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Explain a failure of the test; fail a test that passes for what it has not used, and for empty assertions."""
    try:
        try:
            result = yield
        except Exception:
            with ExitStack() as explained:
                for test in item.stash.get(_TESTS, ()):
                    explained.enter_context(test._durable_explaining())
                raise
        _finish(item)
        return result
    finally:
        if _writes_properties(item.config):
            _add_properties(item)


def _finish(item: pytest.Item) -> None:
    try:
        for test in item.stash.get(_TESTS, ()):
            test._durable_finish()
    except Exception as error:
        item.stash[_COMPLAINT] = error
        raise


def _writes_properties(config: pytest.Config) -> bool:
    """Whether there is a ``--junitxml`` of a family whose schema permits properties of tests; xunit2 does not."""
    return bool(config.getoption("xmlpath", None)) and config.getini("junit_family") != "xunit2"


def _add_properties(item: pytest.Item) -> None:
    """Put the executions of a test into the properties that ``--junitxml`` writes, at most ``_MOST_EXECUTIONS``."""
    others = [(name, value) for name, value in item.user_properties if not name.startswith("durabletest.")]
    own: list[tuple[str, object]] = []
    results = [result for test in item.stash.get(_TESTS, ()) for result in test._durable_executions()]
    for number, result in enumerate(results[:_MOST_EXECUTIONS], start=1):
        with suppress(DurableTestError):  # the test has ended it by a reset, or the cloud does not answer
            history = result.view.history()
            facts: dict[str, object] = {
                "arn": result.arn,
                "status": history.execution.status,
                "operations": len(history.operations),
                "invocations": len(history.invocations),
            }
            if history.execution.duration is not None:
                facts["seconds"] = f"{history.execution.duration.total_seconds():g}"
            own += [(f"durabletest.{number}.{name}", str(value)) for name, value in facts.items()]
    if results:
        own.insert(0, ("durabletest.executions", str(len(results))))
    item.user_properties[:] = [*others, *own]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show failures with a section that reports on the execution, without the frames of durabletest, and on a page."""
    tests, excinfo = item.stash.get(_TESTS, None), call.excinfo
    reports = [] if tests is None or excinfo is None else _reports(excinfo.value, call.when, tests)
    report = yield
    if excinfo is not None and item.stash.get(_COMPLAINT, None) is excinfo.value:
        report.longrepr = excinfo.getrepr(style="value")
    shown: Any = report.longrepr
    for text in reports:
        if hasattr(shown, "addsection"):
            shown.addsection(_SECTION, text)
        else:  # another plugin has put something of its own there
            report.sections.append((_SECTION, text))
    page = item.stash.get(_PAGE, None)
    if page is not None:
        if call.excinfo is not None and report.failed:  # that of a plain TestCase was not there before
            page.failed_after(call.excinfo.value, tests)
        if call.when == "teardown":
            page.ended()
    html: str | None = item.config.getoption("htmlpath", None)
    if report.failed and html:
        _link_page(item, report, Path(html))
    if call.when == "teardown":
        _forget(item)
    return report


def _page_of(item: pytest.Item) -> RunnerPage | None:
    """The page of a test; None if no pages are asked for, and for a ``DurableTestCase``, which has its own."""
    if not os.environ.get(_REPORT_VARIABLE) or _test_case_of(item) is not None:
        return None
    from durabletest.failure_pages import RunnerPage, page_of_test

    return page_of_test(item.nodeid, RunnerPage)


def _link_page(item: pytest.Item, report: Any, html: Path) -> None:
    """Link the page of a failing test, if there is one, in the report that pytest-html writes to that file."""
    from importlib import import_module

    from durabletest.failure_pages import written_page

    case = _test_case_of(item)
    page = written_page(item.nodeid if case is None else f"{case.__module__}.{case.__qualname__}.{item.name}")
    if page is not None:
        link = quote(Path(os.path.relpath(page, html.absolute().parent)).as_posix())
        extra = import_module("pytest_html.extras").url(link, name="executions")
        report.extras = [*getattr(report, "extras", ()), extra]


def _forget(item: pytest.Item) -> None:
    """Keep nothing of a test that is over: pytest keeps all items until the end."""
    keys: tuple[Any, ...] = (_TESTS, _PAGE, _COMPLAINT)
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
