"""An operation's own serialiser reads what it has written; what a serialiser refuses is told in the SDK's words."""

from __future__ import annotations

import base64
import json
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python import serdes as sdk_serdes
from aws_durable_execution_sdk_python.config import CallbackConfig, ChildConfig, InvokeConfig, StepConfig
from aws_durable_execution_sdk_python.retries import RetryPresets
from aws_durable_execution_sdk_python.serdes import SerDes, SerDesContext

from durabletest import DurableTestCase, LocalDurableTestRunner

ONCE = RetryPresets.none()


class Base64(SerDes[Any]):
    """JSON in base64, which says whose it is; it can be closed, as a key may be withdrawn."""

    closed = False

    def serialize(self, value: Any, serdes_context: SerDesContext) -> str:
        text = json.dumps([serdes_context.operation_id[:4], value])
        return base64.b64encode(text.encode()).decode()

    def deserialize(self, data: str, serdes_context: SerDesContext) -> Any:
        if self.closed:
            raise PermissionError("closed")
        owner, value = json.loads(base64.b64decode(data))
        assert owner in (serdes_context.operation_id[:4], "test")
        assert serdes_context.durable_execution_arn
        return value


class Upper(SerDes[Any]):
    """Another one, for results only."""

    def serialize(self, value: Any, serdes_context: SerDesContext) -> str:
        raise AssertionError("it is for reading")

    def deserialize(self, data: str, serdes_context: SerDesContext) -> Any:
        return json.loads(data.lower())


class Wrapping(SerDes[Any]):
    """Another one, for payloads: functions are invoked with JSON."""

    def serialize(self, value: Any, serdes_context: SerDesContext) -> str:
        return json.dumps({"wrapped": value})

    def deserialize(self, data: str, serdes_context: SerDesContext) -> Any:
        return json.loads(data)["wrapped"]


CODEC = Base64()


@durable_execution
def coded(event: Any, context: DurableContext) -> Any:
    step = context.step(lambda _: {"a": 1}, name="step", config=StepConfig(serdes=CODEC))
    group = context.run_in_child_context(lambda _: {"b": 2}, name="group", config=ChildConfig(serdes=CODEC))
    config = InvokeConfig(serdes_payload=Wrapping(), serdes_result=Upper())
    invoke = context.invoke("shout", {"c": 3}, name="invoke", config=config)
    callback = context.create_callback(name="callback", config=CallbackConfig(serdes=CODEC)).result()
    plain = context.create_callback(name="plain", config=CallbackConfig()).result()
    return [step, group, invoke, callback, plain, context.step(lambda _: {"f": 6}, name="default")]


class OwnSerialiserTests(DurableTestCase):
    handler = coded
    functions = {"shout": lambda event, context: {"SAID": event["wrapped"]["c"]}}

    def setUp(self) -> None:
        CODEC.closed = False
        self.on_callback("callback").succeed(base64.b64encode(b'["test", {"e": 5}]'))
        self.on_callback("plain").succeed('{"text": "as it is"}')

    def test_results_are_read_by_the_operations_own_serialiser(self) -> None:
        result = self.execute()
        self.assertOperation("step").succeeded({"a": 1})
        self.assertOperation("group").result({"b": 2})
        self.assertOperation("invoke").succeeded({"said": 3})
        self.assertOperation("callback").succeeded({"e": 5})
        self.assertOperation("plain").succeeded('{"text": "as it is"}')
        self.assertOperation("default").succeeded({"f": 6})
        self.assertEqual(result.get_operation("step").get_step_details().result, {"a": 1})

    def test_the_payload_of_an_invoke_is_read_by_the_one_that_wrote_it(self) -> None:
        self.execute()
        self.assertOperation("invoke").invoked("shout", {"c": 3})

    def test_what_its_serialiser_cannot_read_is_compared_as_it_was_recorded_and_the_failure_says_so(self) -> None:
        result = self.execute()
        recorded = result.get_operation("step").get_step_details().payload
        CODEC.closed = True
        self.assertOperation("step").succeeded(recorded)
        with self.assertRaises(AssertionError) as caught:
            self.assertOperation("step").succeeded({"a": 1})
        self.assertIn("\nThis is the text that was recorded, as the operation's own serialiser", str(caught.exception))
        for name, value in (("default", {"f": 7}), ("plain", "else")):
            with self.assertRaises(AssertionError) as caught:
                self.assertOperation(name).succeeded(value)
            self.assertNotIn("was recorded", str(caught.exception))


@durable_execution
def refused(event: Any, context: DurableContext) -> Any:
    """The error of a step that returns what cannot be written, as the handler sees it; or another error."""
    if event == "another":
        raise ValueError("Unsupported type")
    try:
        context.step(lambda _: {"tags": {1, 2}}, name="step", config=StepConfig(retry_strategy=ONCE))
    except Exception as error:
        if event == "raise":
            raise
        return [type(error).__name__, str(error), [*getattr(error, "__notes__", ())]]


class RefusedTests(DurableTestCase):
    handler = refused
    SAID = "Unsupported type: <class 'set'>"
    PLACE = "value['tags'] is a set"

    def test_the_handler_sees_the_words_of_the_sdk(self) -> None:
        with self.assertRaises(sdk_serdes.SerDesError) as caught:
            sdk_serdes.EXTENDED_TYPES_SERDES.serialize({"tags": {1, 2}}, SerDesContext())
        self.assertEqual(str(caught.exception), self.SAID)
        self.execute()
        self.assertExecution().succeeded(["SerDesError", self.SAID, []])

    def test_so_does_the_history_and_the_claims_that_are_made_of_it(self) -> None:
        result = self.execute("raise")
        self.assertNotIn(self.PLACE, json.dumps(result.history, default=str))
        self.assertOperation("step").failed("SerDesError", self.SAID)
        self.assertExecution().failed().never.error(message=self.PLACE)

    def test_people_see_the_place(self) -> None:
        result = self.execute("raise")
        for claim in (self.assertExecution, lambda: self.assertOperation("step")):
            with self.assertRaises(AssertionError) as caught:
                claim().succeeded()
            self.assertIn(f"FAILED with SerDesError: {self.SAID} ({self.PLACE})\n", str(caught.exception))
        with self.assertRaisesRegex(Exception, r"Unsupported type: <class 'set'> \(value\['tags'\] is a set\)"):
            result.get_result()

    def test_an_error_of_another_execution_has_no_place(self) -> None:
        self.execute("raise")
        self.execute("another")
        with self.assertRaisesRegex(AssertionError, "FAILED with ValueError: Unsupported type\n"):
            self.assertExecution().succeeded()

    def test_nothing_is_left_of_it_after_a_reset(self) -> None:
        with LocalDurableTestRunner(refused) as runner:
            arn = runner.run("raise").arn
            error = runner.get_operation("step").error
            assert error is not None
            view = runner.execution(arn).snapshot().view
            self.assertEqual(view.refused_place(error), self.PLACE)
            runner.reset()
            self.assertIsNone(view.refused_place(error))
