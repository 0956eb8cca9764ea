"""Every answer and every event that the local server gives during the tests, against botocore's service model.

``tests/__init__.py`` installs the guard before any test module is imported, whatever runs the tests. There is no
setting that leaves it out. A finding is raised where it happens, and in case that somebody swallows it there it also
fails the test that was running; one that comes while no test runs fails the next test, or else the whole process.
"""

from __future__ import annotations

import atexit
import functools
import os
import sys
import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError

from durabletest.errors import NotAvailableError
from durabletest.local.client import API_OPERATIONS
from durabletest.local.server.checkpoint_server import CheckpointServer
from durabletest.local.server.journal import Journal
from durabletest.local.server.service_model import event_findings, findings, response_findings, service_model


class Guard:
    """Collects findings, and hands each to the test during which it came."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._reported = 0
        self._depth = 0

    def object_to(self, what: str, wrong: list[str]) -> None:
        """Note what is wrong and raise it; nothing happens if nothing is wrong."""
        if wrong:
            message = f"{what} is not what the service model says: {'; '.join(wrong)}"
            self.found.append(message)
            raise AssertionError(message)

    @contextmanager
    def during_a_test(self, report: Callable[[AssertionError], None]) -> Iterator[None]:
        """What was found since the last outermost test is told to ``report`` when the block ends."""
        first = self._reported if self._depth == 0 else len(self.found)
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            fresh = self.found[first:]
            if self._depth == 0:
                self._reported = len(self.found)
            if fresh:
                report(AssertionError("\n".join(fresh)))

    def unreported(self) -> list[str]:
        """What no test has been told."""
        return self.found[self._reported :]

    # --- what is watched ---

    def watch_api(self, owner: Any, api_operation: str) -> None:
        """Check the answers and the errors of one method of the API."""
        method = xform_name(api_operation)
        original = getattr(owner, method)

        @functools.wraps(original)
        def checked(server: Any, **request: Any) -> Any:
            try:
                response = original(server, **request)
            except NotAvailableError:
                raise  # durabletest refuses, not the service: it does not answer this call at all
            except Exception as error:
                self.object_to(f"the error of {api_operation}, {error!r},", error_findings(api_operation, error))
                raise
            self.object_to(f"the answer of {api_operation}", response_findings(api_operation, response))
            return response

        setattr(owner, method, checked)

    def watch_events(self, owner: Any) -> None:
        """Check each event when it is recorded."""
        original = owner.record

        @functools.wraps(original)
        def checked(processor: Any, *args: Any, **kwargs: Any) -> None:
            original(processor, *args, **kwargs)
            event = processor.events[-1]
            self.object_to(f"the event {event!r}", event_findings(event))

        owner.record = checked

    def watch_invocations(self, owner: Any) -> None:
        """Check the state in each invocation's event: it has the shape of an answer with a page of state."""
        original = owner.begin_invocation

        @functools.wraps(original)
        def checked(server: Any, *args: Any, **kwargs: Any) -> Any:
            event = original(server, *args, **kwargs)
            if event is not None:
                self.object_to(
                    "the state in an invocation's event",
                    response_findings("GetDurableExecutionState", event["InitialExecutionState"])
                    + [line for name in ("DurableExecutionArn", "CheckpointToken") for line in _member(name, event)],
                )
            return event

        owner.begin_invocation = checked

    def watch_tests(self, owner: Any) -> None:
        """Fail the test during which something was found, even if nobody saw the error."""
        original = owner.run

        @functools.wraps(original)
        def guarded(test: unittest.TestCase, result: unittest.TestResult | None = None) -> Any:
            outcome: unittest.TestResult | None = result

            def report(error: AssertionError) -> None:
                try:
                    raise error
                except AssertionError:
                    if outcome is None:
                        raise
                    outcome.addFailure(test, sys.exc_info())

            with self.during_a_test(report):
                outcome = original(test, result)
            return outcome

        owner.run = guarded

    def watch_exit(self) -> None:
        """End the process with a failure if something was found that no test has been told."""
        atexit.register(self._last_look)

    def _last_look(self) -> None:
        left = self.unreported()
        if left:
            sys.stderr.write("\n".join(["found outside of tests:", *left, ""]))
            sys.stderr.flush()
            os._exit(1)


def error_findings(api_operation: str, error: BaseException) -> list[str]:
    """What is wrong with an error that the API gave: it must be one that the model knows for this operation."""
    modelled = {shape.error_code for shape in service_model().operation_model(api_operation).error_shapes}
    if not isinstance(error, ClientError):
        return [f"it is no error of the API; the model has {', '.join(sorted(modelled))}"]
    code = error.response["Error"]["Code"]
    return [] if code in modelled else [f"{code} is none of {', '.join(sorted(modelled))}"]


def _member(name: str, event: dict[str, Any]) -> list[str]:
    return findings(service_model().shape_for(name), event[name])


def install() -> Guard:
    """Watch the server, all tests of this process, and its end."""
    guard = Guard()
    for api_operation in API_OPERATIONS:
        guard.watch_api(CheckpointServer, api_operation)
    guard.watch_events(Journal)
    guard.watch_invocations(CheckpointServer)
    guard.watch_tests(unittest.TestCase)
    guard.watch_exit()
    return guard
