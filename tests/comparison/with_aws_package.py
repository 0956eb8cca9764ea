"""The same seven tests with AWS's testing package, in the style of its README."""

from datetime import timedelta

from aws_durable_execution_sdk_python.execution import InvocationStatus
from aws_durable_execution_sdk_python.lambda_service import OperationStatus
from aws_durable_execution_sdk_python_testing.runner import DurableFunctionTestRunner

from tests.comparison import workflows


def test_a_step() -> None:
    with DurableFunctionTestRunner(handler=workflows.greeting) as runner:
        result = runner.run(input='{"name": "Ann"}')

    assert result.status is InvocationStatus.SUCCEEDED
    assert result.result == '{"text": "hello Ann"}'

    greet = result.get_step("greet")
    assert greet.status is OperationStatus.SUCCEEDED
    assert greet.result == '"hello Ann"'
    assert greet.attempt == 1


def test_a_retry() -> None:
    with DurableFunctionTestRunner(handler=workflows.payment) as runner:
        execution_arn = runner.run_async(input='{"declines": 2}')
        result = runner.wait_for_result(execution_arn)
        history = runner.get_execution_history(execution_arn)

    assert result.status is InvocationStatus.SUCCEEDED
    assert result.result == '{"receipt": "receipt"}'

    charge = result.get_step("charge")
    assert charge.status is OperationStatus.SUCCEEDED
    assert charge.result == '"receipt"'
    assert charge.attempt == 3

    failures = [event.step_failed_details for event in history.events if event.event_type == "StepFailed"]
    assert [failure.retry_details.next_attempt_delay_seconds for failure in failures] == [60, 120]


def test_a_wait() -> None:
    with DurableFunctionTestRunner(handler=workflows.reminder) as runner:
        result = runner.run(input='{"to": "Ann"}')

    assert result.status is InvocationStatus.SUCCEEDED
    assert result.result == '{"reminded": "Ann"}'

    wait = result.get_wait("a week")
    assert wait.status is OperationStatus.SUCCEEDED
    assert wait.scheduled_end_timestamp - wait.start_timestamp == timedelta(days=7)
    assert result.get_step("invite").end_timestamp <= wait.start_timestamp
    assert result.get_step("remind").start_timestamp >= wait.end_timestamp


def test_a_callback() -> None:
    with DurableFunctionTestRunner(handler=workflows.approval, poll_interval=0.01) as runner:
        execution_arn = runner.run_async(input="{}")
        callback_id = runner.wait_for_callback(execution_arn, name="approval create callback id")
        runner.send_callback_success(callback_id, b"yes")
        result = runner.wait_for_result(execution_arn)

    assert result.status is InvocationStatus.SUCCEEDED
    assert result.result == '{"answer": "yes"}'

    approval = result.get_context("approval")
    assert approval.status is OperationStatus.SUCCEEDED
    assert approval.result == '"yes"'


def test_parallel_branches() -> None:
    with DurableFunctionTestRunner(handler=workflows.quotes) as runner:
        result = runner.run(input="{}")

    assert result.status is InvocationStatus.SUCCEEDED
    assert result.result == "[10, 90]"

    quotes = result.get_context("quotes")
    cheap = quotes.get_context("parallel-branch-0").get_step("cheap")
    assert cheap.status is OperationStatus.SUCCEEDED
    assert cheap.result == "10"
    dear = quotes.get_context("parallel-branch-1").get_step("dear")
    assert dear.status is OperationStatus.SUCCEEDED
    assert dear.result == "90"
    assert cheap.end_timestamp <= dear.start_timestamp


def test_a_map() -> None:
    with DurableFunctionTestRunner(handler=workflows.squares) as runner:
        result = runner.run(input='{"numbers": [2, 3]}')

    assert result.status is InvocationStatus.SUCCEEDED
    assert result.result == "[4, 9]"

    squares = result.get_context("squares")
    first = squares.get_context("map-item-0").get_step("square 2")
    assert first.status is OperationStatus.SUCCEEDED
    assert first.result == "4"
    second = squares.get_context("map-item-1").get_step("square 3")
    assert second.status is OperationStatus.SUCCEEDED
    assert second.result == "9"


def test_invokes() -> None:
    with DurableFunctionTestRunner(handler=workflows.checkout) as runner:
        runner.register_durable_function("charge-card", workflows.charge_card)
        runner.register_function("locate", workflows.locate)
        execution_arn = runner.run_async(input='{"ip": "192.0.2.1"}')
        result = runner.wait_for_result(execution_arn)
        history = runner.get_execution_history(execution_arn, include_execution_data=True)
        started = [
            event.chained_invoke_started_details for event in history.events if event.name in ("country", "payment")
        ]
        child = runner.get_execution_history(started[2].durable_execution_arn)

    assert result.status is InvocationStatus.SUCCEEDED
    assert result.result == '{"country": "NL", "charged": 10}'

    country = result.get_invoke("country")
    assert country.status is OperationStatus.SUCCEEDED
    assert country.result == '"NL"'
    assert started[0].function_name == "locate"
    assert started[0].input.payload == '{"ip": "192.0.2.1"}'

    settlement = [event for event in child.events if event.name == "settlement"]
    assert [event.event_type for event in settlement] == ["WaitStarted", "WaitSucceeded"]
    assert settlement[0].wait_started_details.duration == 300
