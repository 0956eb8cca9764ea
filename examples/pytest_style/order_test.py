from datetime import timedelta

import pytest
from order import CardDeclined, NoCarrier, OutOfStock, order_handler


@pytest.fixture
def order(durable):
    return durable(order_handler)


def test_an_order_is_charged_and_shipped_after_the_cool_down(order):
    order.execute({"order": 42})
    order.assertExecution().succeeded({"status": "shipped", "parcel": "parcel of reservation-42"})
    order.assertOperation("charge").succeeded("payment-42").attempts(1)
    order.assertOperation("cool-down").succeeded().waited(hours=1)
    order.assertNoOperation("refund")
    order.assertNoOperation("release")


def test_a_declined_card_is_charged_again(order):
    order.execute({"order": 42, "declines": 1})
    order.assertExecution().succeeded()
    order.assertOperation("charge").succeeded().attempts(2)
    order.assertNoOperation("refund")


def test_the_bank_gets_more_and_more_time(order):
    result = order.execute({"order": 42, "declines": 2})
    charge = result.get_operation("charge").get_step_details()
    assert charge.attempts == 3
    assert charge.retry_delays == (timedelta(minutes=1), timedelta(minutes=5))


def test_after_three_declines_the_goods_are_released(order):
    order.execute({"order": 42, "declines": 3})
    order.assertExecution().succeeded({"status": "cancelled", "reason": "insufficient funds"})
    order.assertOperation("charge").failed(CardDeclined).attempts(3)
    order.assertOperation("release").succeeded("reservation-42 taken back")
    order.assertNoOperation("refund")
    order.assertNoOperation("cool-down")


def test_what_is_out_of_stock_is_never_charged(order):
    order.execute({"order": 42, "stock": 0})
    order.assertExecution().succeeded({"status": "cancelled", "reason": "nothing left for order 42"})
    order.assertOperation("reserve").failed(OutOfStock).attempts(1)
    order.assertNoOperation("charge")
    order.assertNoOperation("release")


def test_what_cannot_be_shipped_is_refunded_and_then_released(order):
    result = order.execute({"order": 42, "country": "Atlantis"})
    order.assertExecution().succeeded({"status": "cancelled", "reason": "nobody delivers to Atlantis"})
    order.assertOperation("ship").failed(NoCarrier)
    order.assertOperation("refund").succeeded("payment-42 taken back")
    names = [operation.name for operation in result.get_operations()]
    assert names == ["reserve", "charge", "cool-down", "ship", "refund", "release"]
