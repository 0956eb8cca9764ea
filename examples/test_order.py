from datetime import timedelta

from order import CardDeclined, NoCarrier, OutOfStock, order_handler

from durabletest import DurableTestCase


class OrderTests(DurableTestCase):
    handler = order_handler

    def test_an_order_is_charged_and_shipped_after_the_cool_down(self):
        self.execute({"order": 42})
        self.assertExecution().succeeded({"status": "shipped", "parcel": "parcel of reservation-42"})
        self.assertOperation("charge").succeeded("payment-42").attempts(1)
        self.assertOperation("cool-down").succeeded().waited(hours=1)
        self.assertNoOperation("refund")
        self.assertNoOperation("release")

    def test_a_declined_card_is_charged_again(self):
        self.execute({"order": 42, "declines": 1})
        self.assertExecution().succeeded()
        self.assertOperation("charge").succeeded().attempts(2)
        self.assertNoOperation("refund")

    def test_the_bank_gets_more_and_more_time(self):
        result = self.execute({"order": 42, "declines": 2})
        charge = result.get_operation("charge").get_step_details()
        self.assertEqual(charge.attempts, 3)
        self.assertEqual(charge.retry_delays, (timedelta(minutes=1), timedelta(minutes=5)))

    def test_after_three_declines_the_goods_are_released(self):
        self.execute({"order": 42, "declines": 3})
        self.assertExecution().succeeded({"status": "cancelled", "reason": "insufficient funds"})
        self.assertOperation("charge").failed(CardDeclined).attempts(3)
        self.assertOperation("release").succeeded("reservation-42 taken back")
        self.assertNoOperation("refund")
        self.assertNoOperation("cool-down")

    def test_what_is_out_of_stock_is_never_charged(self):
        self.execute({"order": 42, "stock": 0})
        self.assertExecution().succeeded({"status": "cancelled", "reason": "nothing left for order 42"})
        self.assertOperation("reserve").failed(OutOfStock).attempts(1)
        self.assertNoOperation("charge")
        self.assertNoOperation("release")

    def test_what_cannot_be_shipped_is_refunded_and_then_released(self):
        result = self.execute({"order": 42, "country": "Atlantis"})
        self.assertExecution().succeeded({"status": "cancelled", "reason": "nobody delivers to Atlantis"})
        self.assertOperation("ship").failed(NoCarrier)
        self.assertOperation("refund").succeeded("payment-42 taken back")
        self.assertEqual(
            [operation.name for operation in result.get_operations()],
            ["reserve", "charge", "cool-down", "ship", "refund", "release"],
        )
