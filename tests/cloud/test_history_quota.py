"""All that a process follows shares the service's quota for reading histories; its time is virtual here."""

from __future__ import annotations

import os
import threading
from threading import Condition, Event, Thread
from types import SimpleNamespace
from typing import Any
from unittest import TestCase, mock

from durabletest import CloudDurableTestRunner, ConfigurationError
from durabletest.cloud import history_quota as module
from durabletest.cloud.aws import lambda_client
from durabletest.cloud.history_quota import HistoryQuota, history_quota
from durabletest.model.history import History
from tests.cloud.workflows import forgotten
from tests.endpoint.case import EndpointTestCase

HISTORY = "GetDurableExecutionHistory"
AWS = "https://lambda.eu-west-1.amazonaws.com"
_SECONDS = 20.0


class VirtualTime(Condition):
    """Stands for the condition of a quota, whose waits end when ``advance`` is called; time can also flow by itself."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._flows = False
        self._waiting = 0
        self._settled = Condition()

    def clock(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        with self:
            self._now += seconds
            self.notify_all()

    def flow(self) -> None:
        self._flows = True
        self.advance(1.0)

    def wait_until_all_wait(self, count: int) -> None:
        """Return when so many threads wait, and none of them is about to go on."""
        with self._settled:
            if not self._settled.wait_for(lambda: self._waiting == count, _SECONDS):
                raise TimeoutError(f"{self._waiting} threads wait, not {count}")

    def wait(self, timeout: float | None = None) -> bool:
        if self._flows and timeout is not None:
            self._now += timeout
            return True
        self._waiting += 1
        with self._settled:
            self._settled.notify_all()
        return super().wait(None)

    def notify_all(self) -> None:
        self._waiting = 0
        super().notify_all()


def patched(time: VirtualTime) -> Any:
    """Quotas that are made meanwhile use that time."""
    return mock.patch.multiple(module, Condition=lambda: time, _clock=[time.clock])


class EndpointQuotaTests(EndpointTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.endpoint.deploy("forgotten", forgotten)

    def setUp(self) -> None:
        super().setUp()
        self.time = VirtualTime()
        self.enterContext(patched(self.time))
        self.enterContext(mock.patch.dict(os.environ, DURABLETEST_HISTORY_RATE="15"))
        os.environ.pop("PYTEST_XDIST_WORKER_COUNT", None)  # each of several workers has a part of it only
        module._shared.cache_clear()
        self.addCleanup(module._shared.cache_clear)

    def followed(self, number: int) -> list[CloudDurableTestRunner]:
        """So many runners, each with a client of its own, that follow executions; threads have started them."""
        runners = []
        for _ in range(number):
            client = lambda_client()
            self.addCleanup(client.close)
            runners.append(self.new_runner("forgotten:live", client=client))
        threads = [Thread(target=runner.start) for runner in runners]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(_SECONDS)
        return runners

    def reads(self) -> int:
        return self.endpoint.log.counts()[HISTORY]

    def test_all_runners_of_a_process_share_it(self) -> None:
        runners = self.followed(4)
        self.time.wait_until_all_wait(4)
        self.assertEqual(self.reads(), 15)
        self.time.advance(0.75)
        self.time.wait_until_all_wait(4)
        self.assertEqual(self.reads(), 15)
        self.time.advance(0.25)
        self.time.wait_until_all_wait(4)
        self.assertEqual(self.reads(), 30)
        self.time.flow()
        for runner in runners:
            runner.close()

    def test_fewer_requests_wait_for_nothing(self) -> None:
        with self.new_runner("forgotten:live") as runner:
            runner.on_callback("approval").succeed("yes")
            self.assertEqual(runner.run().get_result(), "yes")
        self.assertLessEqual(self.reads(), 15)
        self.assertEqual(self.time.clock(), 0.0)

    def test_an_execution_that_waits_for_it_is_closed_at_once(self) -> None:
        [runner] = self.followed(1)
        self.time.wait_until_all_wait(1)
        with mock.patch("durabletest.cloud.stopping._history", return_value=History()):
            runner.close()
        self.assertEqual(self.reads(), 15)
        self.assertNotIn("durabletest-cloud-poller", [thread.name for thread in threading.enumerate()])

    def test_without_it_nothing_waits(self) -> None:
        with mock.patch.dict(os.environ, DURABLETEST_HISTORY_RATE=""):
            [runner] = self.followed(1)
            self.endpoint.log.wait_for(HISTORY, 20)
            runner.close()


class HistoryQuotaTests(TestCase):
    def setUp(self) -> None:
        self.time = VirtualTime()
        self.enterContext(patched(self.time))
        self.order: list[str] = []

    def asking(self, quota: HistoryQuota, name: str, *, urgent: bool = False, given_up: Event | None = None) -> Thread:
        def ask() -> None:
            sent = quota.wait(lambda: given_up is not None and given_up.is_set(), urgent=urgent)
            self.order.append(name if sent else f"{name}, given up")

        thread = Thread(target=ask, daemon=True)
        thread.start()
        self.addCleanup(thread.join, _SECONDS)
        return thread

    def test_requests_are_sent_in_their_order_and_urgent_ones_first(self) -> None:
        quota = HistoryQuota(1)
        self.assertTrue(quota.wait(lambda: False, urgent=False))
        threads = {}
        for number, name in enumerate(("first", "second", "urgent"), start=1):
            threads[name] = self.asking(quota, name, urgent=name == "urgent")
            self.time.wait_until_all_wait(number)
        for name, left in (("urgent", 2), ("first", 1), ("second", 0)):
            self.time.advance(1.0)
            threads[name].join(_SECONDS)
            self.time.wait_until_all_wait(left)
        self.assertEqual(self.order, ["urgent", "first", "second"])

    def test_one_that_is_given_up_is_not_counted(self) -> None:
        quota, given_up = HistoryQuota(1), Event()
        quota.wait(lambda: False, urgent=False)
        first = self.asking(quota, "first", given_up=given_up)
        self.time.wait_until_all_wait(1)
        second = self.asking(quota, "second")
        self.time.wait_until_all_wait(2)
        given_up.set()
        quota.wake()
        first.join(_SECONDS)
        self.time.wait_until_all_wait(1)
        self.time.advance(1.0)
        second.join(_SECONDS)
        self.assertEqual(self.order, ["first, given up", "second"])

    def test_any_second_counts_not_that_of_the_clock(self) -> None:
        quota = HistoryQuota(2)
        self.time.flow()
        sent = []
        for _ in range(5):
            quota.wait(lambda: False, urgent=False)
            sent.append(self.time.clock() - 1.0)
            self.time.advance(0.25)
        self.assertEqual(sent, [0.0, 0.25, 1.0, 1.25, 2.0])


class SharedQuotaTests(TestCase):
    def quota(self, url: str, **variables: str) -> HistoryQuota | None:
        with mock.patch.dict(os.environ, variables):
            return history_quota(SimpleNamespace(meta=SimpleNamespace(endpoint_url=url)))

    def rate(self, url: str, **variables: str) -> int | None:
        quota = self.quota(url, **variables)
        return None if quota is None else quota.rate

    def setUp(self) -> None:
        self.enterContext(mock.patch.dict(os.environ))
        for name in ("DURABLETEST_HISTORY_RATE", "PYTEST_XDIST_WORKER_COUNT"):
            os.environ.pop(name, None)

    def test_it_is_the_service_s_own(self) -> None:
        self.assertEqual(self.rate(AWS), 15)
        self.assertEqual(self.rate("http://lambda-server:9001"), 15)

    def test_a_server_on_this_machine_has_none_unless_it_is_set(self) -> None:
        for url in ("http://127.0.0.1:4000", "http://localhost:4000", "http://[::1]:4000"):
            with self.subTest(url):
                self.assertIsNone(self.rate(url))
                self.assertEqual(self.rate(url, DURABLETEST_HISTORY_RATE="7"), 7)

    def test_clients_of_one_region_share_it(self) -> None:
        self.assertIs(self.quota(AWS), self.quota(AWS))
        self.assertIsNot(self.quota(AWS), self.quota(AWS.replace("west", "central")))

    def test_workers_of_xdist_have_a_part_each(self) -> None:
        self.assertEqual(self.rate(AWS, PYTEST_XDIST_WORKER_COUNT="4"), 3)
        self.assertEqual(self.rate(AWS, PYTEST_XDIST_WORKER_COUNT="16"), 1)
        self.assertEqual(self.rate(AWS, PYTEST_XDIST_WORKER_COUNT="4", DURABLETEST_HISTORY_RATE="40"), 10)

    def test_more_workers_than_requests_in_a_second_send_them_less_often(self) -> None:
        time, sent = VirtualTime(), []
        time.flow()
        self.addCleanup(module._shared.cache_clear)
        with patched(time):
            quota = self.quota(AWS, PYTEST_XDIST_WORKER_COUNT="32", DURABLETEST_HISTORY_RATE="8")
            assert quota is not None
            for urgent in (False, False, False, True, False):
                quota.wait(lambda: False, urgent=urgent)
                sent.append(time.clock() - 1.0)
        self.assertEqual(sent, [0.0, 4.0, 8.0, 9.0, 13.0])

    def test_what_is_no_number_is_refused_before_anything_starts(self) -> None:
        for value in ("0", "-1", "many", "1.5"):
            with self.subTest(value), mock.patch.dict(os.environ, DURABLETEST_HISTORY_RATE=value):
                client = mock.Mock()
                with self.assertRaises(ConfigurationError) as caught:
                    CloudDurableTestRunner("orders:live", client=client)
                self.assertEqual(
                    str(caught.exception),
                    f"the environment variable DURABLETEST_HISTORY_RATE is {value!r}: write how many histories may be "
                    "read in a second, like 15",
                )
                client.invoke.assert_not_called()
