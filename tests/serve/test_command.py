"""The command ``durabletest serve``: what it serves, and how it ends."""

from __future__ import annotations

import signal
import unittest

from tests.serve.served import Served, client_of


class CommandTests(unittest.TestCase):
    def test_functions_are_served_until_it_is_interrupted(self) -> None:
        with Served("examples/order.py", "geo=examples/onboarding.py:geo_lookup", "--time", "skip") as served:
            client = client_of(served.url)
            self.addCleanup(client.close)
            answer = client.invoke(FunctionName="order_handler:$LATEST", Payload=b'{"order": 1, "stock": 0}')
            self.assertEqual((answer["StatusCode"], "FunctionError" in answer), (200, False))
            self.assertIn(b"nothing left", answer["Payload"].read())
            self.assertEqual(
                client.invoke(FunctionName="geo", Payload=b'{"ip": "192.0.2.1"}')["Payload"].read(), b'"NL"'
            )
            self.assertEqual(served.end(), (0, ""))

    def test_it_can_be_terminated_too(self) -> None:
        with Served("examples/order.py:order_handler") as served:
            self.assertEqual(served.end(signal.SIGTERM), (0, ""))


if __name__ == "__main__":
    unittest.main()
