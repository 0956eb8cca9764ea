from datetime import timedelta

from onboarding import OnTheList, contract_handler, geo_lookup, onboarding_handler, screening_handler

from durabletest import DurableTestCase, local_only


class OnboardingTests(DurableTestCase):
    handler = onboarding_handler
    durable_functions = {"screening": screening_handler, "contract": contract_handler}
    functions = {"geo-lookup": geo_lookup}

    def test_a_new_customer_gets_a_contract(self):
        self.execute({"name": "Alice", "ip": "192.0.2.1"})
        self.assertExecution().succeeded(
            {"status": "welcome", "country": "NL", "contract": "contract for Alice, low risk"}
        )
        self.assertOperation("locate").succeeded("NL")
        self.assertOperation("screen").succeeded({"risk": "low"})

    def test_an_unknown_address_is_no_obstacle(self):
        self.execute({"name": "Alice", "ip": "198.51.100.7"})
        self.assertOperation("locate").succeeded("unknown")
        self.assertExecution().succeeded()

    def test_a_customer_on_the_list_is_refused(self):
        self.execute({"name": "Mallory", "ip": "192.0.2.1"})
        self.assertExecution().succeeded({"status": "refused", "reason": "Mallory is on the list"})
        self.assertOperation("screen").failed(OnTheList, "on the list")
        self.assertNoOperation("contract")

    def test_a_refusal_before_the_signature_fails_the_onboarding(self):
        self.execute({"name": "Trudy", "ip": "192.0.2.1"})
        self.assertOperation("screen").succeeded()
        self.assertOperation("contract").failed(message="Trudy is on the list")
        self.assertExecution().failed(message="Trudy is on the list")

    def test_the_contract_is_drawn_up_after_a_screening_of_its_own(self):
        result = self.execute({"name": "Alice", "ip": "192.0.2.1"})
        child_arn = result.get_operation("contract").get_invoke_details().child_arn
        child = self.runner.execution(child_arn)
        self.assertExecution(child).succeeded("contract for Alice, low risk")
        self.assertOperation("final screening", execution=child).succeeded({"risk": "low"})
        self.assertOperation("draw up", execution=child).succeeded().attempts(1)
        self.assertNoOperation("draw up")

    @local_only
    def test_two_screenings_take_twelve_hours(self):
        result = self.execute({"name": "Alice", "ip": "192.0.2.1"})
        self.assertEqual(result.get_operation("screen").duration, timedelta(hours=6))
        self.assertEqual(result.get_operation("contract").duration, timedelta(hours=6))
        self.assertEqual(self.now, self.start_time + timedelta(hours=12))
