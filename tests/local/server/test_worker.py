"""In real time too, what one request changes is changed at one instant."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from unittest import TestCase

from durabletest.local.server.checkpoint_server import CheckpointServer
from durabletest.local.server.worker import CheckpointWorkerManager, RequestInstant
from tests.local.server.harness import Recorder

START = datetime(2026, 1, 1, tzinfo=UTC)


class RequestInstantTests(TestCase):
    def setUp(self) -> None:
        ticks = itertools.count()
        self.announced = Recorder()
        self.instant = RequestInstant(lambda: START + timedelta(milliseconds=next(ticks)))
        self.server = CheckpointWorkerManager(self.make_server, before_request=self.instant.arrive)
        self.server.start()
        self.addCleanup(self.server.stop)

    def make_server(self) -> CheckpointServer:
        return CheckpointServer(self.instant.now, self.announced)

    def test_a_wait_is_as_long_as_it_was_asked_to_be_while_the_clock_runs(self) -> None:
        arn = self.server.call(CheckpointServer.start, 1, "handler", "{}")
        token = self.server.call(CheckpointServer.begin_invocation, arn)["CheckpointToken"]
        update = {"Id": "1", "Type": "WAIT", "SubType": "Wait", "Action": "START", "WaitOptions": {"WaitSeconds": 5}}
        self.server.call(
            CheckpointServer.checkpoint_durable_execution,
            DurableExecutionArn=arn,
            CheckpointToken=token,
            Updates=[update],
        )
        history = self.server.call(CheckpointServer.events_after, arn, 0)
        [started] = [event for event in history if event["EventType"] == "WaitStarted"]
        [timer] = self.announced.timers.values()
        self.assertEqual(timer.due, started["EventTimestamp"] + timedelta(seconds=5))
        self.assertGreater(started["EventTimestamp"], history[0]["EventTimestamp"])
