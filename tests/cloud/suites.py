"""Test case classes that are run by the tests of the cloud mode; by themselves they are not collected."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from durabletest import DurableTestCase, cloud_only, local_only
from tests.cloud.workflows import order
from tests.endpoint.case import POLL_INTERVAL
from tests.template.case import PROJECTS


class Orders(DurableTestCase):
    """Passes wherever it runs."""

    handler = order
    function_name: ClassVar[str | None] = "orders"
    poll_interval = POLL_INTERVAL
    cloud_timeout = timedelta(seconds=20)

    def runTest(self) -> None:
        self.execute({"order": 42})
        self.assertExecution().succeeded({"parcel": "parcel 42"})


class Virtual(Orders):
    """Does what cannot be done in the cloud."""

    function_name = "approval:live"

    def test_advance(self) -> None:
        self.start().advance(timedelta(days=1))

    def test_register(self) -> None:
        self.register_function("tax", print)

    def test_stub(self) -> None:
        self.stub_step("charge")

    def test_checkpoints(self) -> None:
        self.stub_checkpoints()

    def test_crashes(self) -> None:
        self.assertSurvivesCrashes({})

    def test_side_effect(self) -> None:
        self.side_effect("charge")

    def test_moment(self) -> None:
        self.execute()
        self.assertOperation("approval").ended_at(datetime(2026, 1, 1, tzinfo=UTC))


class Marked(Orders):
    """Has tests for one mode only."""

    @local_only
    def test_local(self) -> None:
        self.runTest()

    @cloud_only
    def test_cloud(self) -> None:
        self.runTest()


class Templated(DurableTestCase):
    """Names nothing but a template."""

    template: Any = PROJECTS / "plain" / "template.yaml"
    poll_interval = POLL_INTERVAL
    cloud_timeout = timedelta(seconds=20)

    def runTest(self) -> None:
        self.execute({"order": 42})
        self.assertExecution().succeeded({"parcel": "parcel 42"})


class TemplatedHello(Templated):
    template = PROJECTS / "hello"


class TemplatedShipping(Templated):
    template = PROJECTS / "assembly"
    template_function = "Ship"


class Greeting(Templated):
    """Passes wherever it runs."""

    def runTest(self) -> None:
        self.assertEqual(self.execute("Ann").get_result()[0], "good day, Ann")
