from datetime import timedelta

import pytest
from onboarding import OnTheList, contract_handler, geo_lookup, onboarding_handler, screening_handler


@pytest.fixture
def onboarding(durable):
    return durable(
        onboarding_handler,
        durable_functions={"screening": screening_handler, "contract": contract_handler},
        functions={"geo-lookup": geo_lookup},
    )


def test_a_new_customer_gets_a_contract(onboarding):
    onboarding.execute({"name": "Alice", "ip": "192.0.2.1"})
    onboarding.assertExecution().succeeded(
        {"status": "welcome", "country": "NL", "contract": "contract for Alice, low risk"}
    )
    onboarding.assertOperation("locate").succeeded("NL")
    onboarding.assertOperation("screen").succeeded({"risk": "low"})


def test_an_unknown_address_is_no_obstacle(onboarding):
    onboarding.execute({"name": "Alice", "ip": "198.51.100.7"})
    onboarding.assertOperation("locate").succeeded("unknown")
    onboarding.assertExecution().succeeded()


def test_a_customer_on_the_list_is_refused(onboarding):
    onboarding.execute({"name": "Mallory", "ip": "192.0.2.1"})
    onboarding.assertExecution().succeeded({"status": "refused", "reason": "Mallory is on the list"})
    onboarding.assertOperation("screen").failed(OnTheList, "on the list")
    onboarding.assertNoOperation("contract")


def test_a_refusal_before_the_signature_fails_the_onboarding(onboarding):
    onboarding.execute({"name": "Trudy", "ip": "192.0.2.1"})
    onboarding.assertOperation("screen").succeeded()
    onboarding.assertOperation("contract").failed(message="Trudy is on the list")
    onboarding.assertExecution().failed(message="Trudy is on the list")


def test_the_contract_is_drawn_up_after_a_screening_of_its_own(onboarding):
    result = onboarding.execute({"name": "Alice", "ip": "192.0.2.1"})
    child_arn = result.get_operation("contract").get_invoke_details().child_arn
    child = onboarding.runner.execution(child_arn)
    onboarding.assertExecution(child).succeeded("contract for Alice, low risk")
    onboarding.assertOperation("final screening", execution=child).succeeded({"risk": "low"})
    onboarding.assertOperation("draw up", execution=child).succeeded().attempts(1)
    onboarding.assertNoOperation("draw up")


@pytest.mark.local_only
def test_two_screenings_take_twelve_hours(onboarding):
    result = onboarding.execute({"name": "Alice", "ip": "192.0.2.1"})
    assert result.get_operation("screen").duration == timedelta(hours=6)
    assert result.get_operation("contract").duration == timedelta(hours=6)
    assert onboarding.now == onboarding.start_time + timedelta(hours=12)
