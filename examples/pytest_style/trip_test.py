from datetime import timedelta
from urllib.error import URLError

import pytest
from trip import book_trip

TRIP = {"to": "Lisbon", "card": "4111"}
DOWN = URLError("connection refused")

pytestmark = pytest.mark.local_only


@pytest.fixture
def trip(durable):
    trip = durable(book_trip)
    trip.stub_step("book flight").returns({"id": "TP42", "price": 90})
    return trip


@pytest.fixture(autouse=True)
def hotel(trip):
    return trip.stub_step("book hotel").returns({"id": "H7", "price": 210})


@pytest.fixture(autouse=True)
def bank(trip):
    return trip.stub_invoke("charge-card", optional=True).succeeds({"id": 1}, after=timedelta(minutes=2))


def test_flight_and_hotel_are_paid_together(trip, bank):
    trip.execute(TRIP)
    trip.assertExecution().succeeded({"status": "booked", "receipt": {"id": 1}}).took(minutes=2)
    assert [call.payload for call in bank.received] == [{"card": "4111", "amount": 300}]


def test_a_partner_that_is_down_is_asked_again(trip, hotel):
    hotel.raises(DOWN, times=2).then_returns({"id": "H7", "price": 180})
    trip.execute(TRIP)
    trip.assertExecution().succeeded()
    trip.assertOperation("book hotel").attempts(3).retried_after(minutes=[1, 2])
    trip.assertOperation("pay").invoked("charge-card:live", {"card": "4111", "amount": 270})


def test_without_a_hotel_the_flight_is_cancelled_and_nothing_is_paid(trip, hotel, bank):
    hotel.raises(DOWN)
    cancel = trip.stub_step("cancel flight").returns({})
    trip.execute(TRIP)
    trip.assertExecution().succeeded({"status": "cancelled", "reason": str(DOWN)})
    assert (len(cancel.received), bank.received) == (1, [])


def test_a_declined_card_fails_the_trip(trip, bank):
    bank.fails("CardDeclined", "insufficient funds")
    trip.execute(TRIP)
    trip.assertExecution().failed(message="insufficient funds")


def test_a_bank_that_does_not_answer(trip, bank):
    bank.times_out(after=timedelta(minutes=15))
    trip.execute(TRIP)
    trip.assertOperation("pay").timed_out().took(minutes=15)
