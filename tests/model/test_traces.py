"""The author's frames in tracebacks that were logged."""

from __future__ import annotations

import unittest
from datetime import UTC, datetime

from durabletest.model.details import ErrorDetails
from durabletest.model.logs import LogEntry
from durabletest.model.traces import logged_trace, own_frames

SDK = '  File "/lib/aws_durable_execution_sdk_python/execution.py", line 297, in invoke_handler\n    result = func()\n'
OURS = '  File "/src/durabletest/sdk.py", line 182, in watched\n    return wrapped()\n'
HANDLER = '  File "/src/orders.py", line 7, in handler\n    context.step(charge)\n'
STEP = '  File "/src/orders.py", line 3, in charge\n    raise CardDeclined("no")\n'


def traceback(*frames: str, error: str = "orders.CardDeclined: no") -> str:
    return f"Traceback (most recent call last):\n{''.join(frames)}{error}\n"


def entry(text: str | None, invocation: int = 1) -> LogEntry:
    return LogEntry(invocation, "ERROR", "sdk", "failed", datetime(2026, 1, 1, tzinfo=UTC), text)


class TraceTests(unittest.TestCase):
    def test_frames_of_the_machinery_are_left_out(self) -> None:
        self.assertEqual(list(own_frames(traceback(SDK, OURS, HANDLER, STEP))), [HANDLER.rstrip(), STEP.rstrip()])

    def test_frames_without_source_are_kept(self) -> None:
        frame = '  File "<string>", line 1, in handler\n'
        self.assertEqual(list(own_frames(traceback(SDK, frame))), [frame.rstrip()])

    def test_the_handler_comes_before_the_step_whose_failure_it_is(self) -> None:
        logs = [entry(traceback(OURS, STEP)), entry(None), entry(traceback(SDK, HANDLER, error="StepError: no"))]
        self.assertEqual(logged_trace(logs, ErrorDetails("StepError", "no")), (HANDLER.rstrip(), STEP.rstrip()))

    def test_other_errors_and_earlier_invocations_do_not_count(self) -> None:
        logs = [entry(traceback(STEP)), entry(traceback(HANDLER, error="KeyError: 'x'"), 2)]
        self.assertEqual(logged_trace(logs, ErrorDetails("CardDeclined", "no")), ())

    def test_without_logs_or_a_message_there_is_none(self) -> None:
        self.assertEqual(logged_trace(None, ErrorDetails("CardDeclined", "no")), ())
        self.assertEqual(logged_trace([entry(traceback(STEP))], ErrorDetails("CardDeclined")), ())
