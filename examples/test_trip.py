from datetime import timedelta
from urllib.error import URLError

from trip import book_trip

from durabletest import DurableTestCase, local_only

TRIP = {"to": "Lisbon", "card": "4111"}
DOWN = URLError("connection refused")


@local_only
class TripTests(DurableTestCase):
    handler = book_trip

    def setUp(self):
        self.stub_step("book flight").returns({"id": "TP42", "price": 90})
        self.hotel = self.stub_step("book hotel").returns({"id": "H7", "price": 210})
        self.bank = self.stub_invoke("charge-card", optional=True).succeeds({"id": 1}, after=timedelta(minutes=2))

    def test_flight_and_hotel_are_paid_together(self):
        self.execute(TRIP)
        self.assertExecution().succeeded({"status": "booked", "receipt": {"id": 1}}).took(minutes=2)
        self.assertEqual([call.payload for call in self.bank.received], [{"card": "4111", "amount": 300}])

    def test_a_partner_that_is_down_is_asked_again(self):
        self.hotel.raises(DOWN, times=2).then_returns({"id": "H7", "price": 180})
        self.execute(TRIP)
        self.assertExecution().succeeded()
        self.assertOperation("book hotel").attempts(3).retried_after(minutes=[1, 2])
        self.assertOperation("pay").invoked("charge-card:live", {"card": "4111", "amount": 270})

    def test_without_a_hotel_the_flight_is_cancelled_and_nothing_is_paid(self):
        self.hotel.raises(DOWN)
        cancel = self.stub_step("cancel flight").returns({})
        self.execute(TRIP)
        self.assertExecution().succeeded({"status": "cancelled", "reason": str(DOWN)})
        self.assertEqual((len(cancel.received), self.bank.received), (1, []))

    def test_a_declined_card_fails_the_trip(self):
        self.bank.fails("CardDeclined", "insufficient funds")
        self.execute(TRIP)
        self.assertExecution().failed(message="insufficient funds")

    def test_a_bank_that_does_not_answer(self):
        self.bank.times_out(after=timedelta(minutes=15))
        self.execute(TRIP)
        self.assertOperation("pay").timed_out().took(minutes=15)
