"""The live page in a real browser: what it shows, and that its clicks do what they say."""

from __future__ import annotations

import json
import unittest
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import CallbackConfig, Duration

from durabletest.serve import serving
from tests.report.browser import BrowserTestCase
from tests.serve.case import BOUND
from tests.serve.served import client_of

HOSTILE = "<img src=x onerror=alert(1)>"


@durable_execution
def approval(event: Any, context: DurableContext) -> Any:
    context.wait(Duration.from_hours(2), name="think")
    timeouts = CallbackConfig(timeout=Duration.from_days(1))
    return [event, context.create_callback(name="approval", config=timeouts).result()]


@durable_execution
def endless(_event: Any, context: DurableContext) -> Any:
    context.wait(Duration.from_days(300), name="long")
    return 1


class LivePageTestCase(BrowserTestCase):
    def serve(self, time: str) -> None:
        self.url = self.enterContext(serving({"approval": approval, "endless": endless}, time=time))
        client = client_of(self.url)
        self.addCleanup(client.close)
        self.client: Any = client
        self.go("/")
        self.wait_for("document.querySelector('#function').length > 0")

    def go(self, path: str) -> None:
        for log in ("browser", "performance"):
            self.browser.get_log(log)
        self.browser.get(self.url + path)

    def wait_for(self, condition: str) -> None:
        """Return when this expression has become true in the page, which is told of every change."""
        self.browser.set_script_timeout(BOUND)
        self.browser.execute_async_script(
            f"const done = arguments[0];const look = () => ({condition}) ? done() : setTimeout(look, 20);look();"
        )

    def wait_for_text(self, selector: str, text: str) -> None:
        self.wait_for(f"document.querySelector({json.dumps(selector)})?.textContent.includes({json.dumps(text)})")

    def start(self, function: str, payload: str) -> None:
        self.js("document.querySelector('#function').value = arguments[0]", function)
        area = self.find("#payload")
        area.clear()
        area.send_keys(payload)
        self.find("#start button").click()

    def assertOnlyAsksTheEndpoint(self) -> None:
        self.assertEqual([entry["message"] for entry in self.browser.get_log("browser")], [])
        for entry in self.browser.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                url = message["params"]["request"]["url"]
                self.assertTrue(url.startswith((self.url, "data:")), url)


class LivePageTests(LivePageTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.serve("manual")

    def test_an_execution_from_its_start_to_its_end_by_clicks_alone(self) -> None:
        self.assertTrue(self.find("#none").is_displayed())
        self.start("approval", '{"amount": 7}')
        self.wait_for_text(".waiting", "think: wait, due ")
        self.assertEqual(self.find(".status").text, "RUNNING")
        self.find("#next").click()
        self.wait_for_text(".answer label", "Callback approval")
        answer = self.find(".answer input")
        answer.send_keys("yes, by ann")
        self.find(".answer button[type=submit]").click()
        self.wait_for_text(".status", "SUCCEEDED")
        self.assertEqual(json.loads(self.find(".outcome").text), [{"amount": 7}, "yes, by ann"])
        self.assertEqual(self.browser.find_elements("css selector", ".answer"), [])
        self.assertFalse(self.find(".line button").is_displayed())
        self.assertOnlyAsksTheEndpoint()

    def test_what_is_typed_stays_while_other_things_happen(self) -> None:
        self.start("approval", "1")
        self.wait_for_text(".waiting", "think: wait")
        self.find("#next").click()
        self.wait_for_text(".answer label", "Callback approval")
        self.find(".answer input").send_keys("half an ans")
        self.client.invoke(FunctionName="endless:1", InvocationType="Event")
        self.wait_for("document.querySelectorAll('#executions > li').length == 2")
        self.assertEqual(self.find(".answer input").get_attribute("value"), "half an ans")
        self.assertEqual(self.js("return document.activeElement === document.querySelector('.answer input')"), True)

    def test_a_callback_fails_and_an_execution_is_stopped_by_a_click(self) -> None:
        self.start("approval", "1")
        self.wait_for_text(".waiting", "think: wait")
        self.find("#seconds").clear()
        self.find("#seconds").send_keys("7200")
        self.find("#advance").click()
        self.wait_for_text(".answer label", "Callback approval")
        self.find(".answer input").send_keys("not today")
        self.find(".answer button[type=button]").click()
        self.wait_for_text(".status", "FAILED")
        self.assertIn("not today", self.find(".outcome").text)
        self.start("endless", "1")
        self.wait_for_text("#executions > li:first-child .waiting", "long: wait")
        self.find("#executions > li:first-child .line button").click()
        self.wait_for_text("#executions > li:first-child .status", "STOPPED")

    def test_time_moves_by_as_much_as_was_asked_for_and_no_timer_is_left_out(self) -> None:
        self.start("approval", "1")
        self.wait_for_text(".waiting", "think: wait")
        before = self.find("#time").text
        self.find("#seconds").clear()
        self.find("#seconds").send_keys("60")
        self.find("#advance").click()
        self.wait_for(f"document.querySelector('#time').textContent != {json.dumps(before)}")
        self.assertEqual(self.find(".status").text, "RUNNING")
        self.assertIn("think: wait", self.find(".waiting").text)

    def test_refusals_are_shown_and_go_away(self) -> None:
        self.start("approval", "{no json")
        self.wait_for_text("#problem", "InvalidRequestContentException")
        self.start("approval", "1")
        self.wait_for("document.querySelector('#problem').hidden")

    def test_hostile_text_is_text(self) -> None:
        self.start("approval", json.dumps(HOSTILE))
        self.wait_for_text(".waiting", "think: wait")
        self.find("#next").click()
        self.wait_for_text(".answer label", "Callback approval")
        self.find(".answer input").send_keys(HOSTILE)
        self.find(".answer button[type=submit]").click()
        self.wait_for_text(".outcome", HOSTILE)
        self.assertEqual(self.browser.find_elements("css selector", "#executions img"), [])
        self.assertOnlyAsksTheEndpoint()

    def test_the_page_of_one_execution_and_the_way_back(self) -> None:
        self.start("approval", "1")
        self.wait_for_text(".waiting", "think: wait")
        self.find("#executions a").click()
        self.wait_for_text("h1", "execution-1")
        self.assertIn("think", self.shown())
        self.find("p.up a").click()
        self.wait_for_text("#executions", "execution-1")
        self.assertOnlyAsksTheEndpoint()

    def test_it_is_accessible_and_fits_on_a_telephone(self) -> None:
        self.start("approval", "1")
        self.wait_for_text(".waiting", "think: wait")
        self.find("#next").click()
        self.wait_for_text(".answer label", "Callback approval")
        for dark in (False, True):
            self.size(360, 780, dark=dark)
            self.assertLessEqual(self.js("return document.documentElement.scrollWidth"), 360)
        self.assertAccessible()

    def test_a_page_of_another_origin_cannot_post(self) -> None:
        self.browser.get("data:text/html,<title>other</title>")
        outcome = self.browser.execute_async_script(
            "const [url, done] = arguments;"
            "fetch(url, {method: 'POST', body: '1', mode: 'no-cors', headers: {'Content-Type': 'text/plain'}})"
            ".then((answer) => done(answer.type), (error) => done(String(error)));",
            f"{self.url}/2015-03-31/functions/approval:1/invocations",
        )
        self.assertIn(outcome, ("opaque", "TypeError: Failed to fetch"))
        found = self.client.list_durable_executions_by_function(FunctionName="approval")
        self.assertEqual(found["DurableExecutions"], [])


class OtherTimesTests(LivePageTestCase):
    def test_time_that_is_skipped_stands_still_for_a_callback_until_it_is_moved(self) -> None:
        self.serve("skip")
        self.start("approval", "1")
        self.wait_for_text("#time", "time stands still for a callback")
        self.wait_for("!document.querySelector('#next').disabled")
        self.find("#next").click()
        self.wait_for_text(".status", "FAILED")
        self.assertIn("Callback timed out", self.find(".outcome").text)

    def test_real_time_cannot_be_moved(self) -> None:
        self.serve("real")
        self.wait_for_text("#time", "Real time")
        self.assertFalse(self.find("#move").is_displayed())

    def test_it_says_so_when_nothing_answers_any_more(self) -> None:
        with serving({"approval": approval}) as url:
            self.browser.get(url)
            self.wait_for_text("#function", "approval")
        self.wait_for_text("#problem", "does not answer")


if __name__ == "__main__":
    unittest.main()
