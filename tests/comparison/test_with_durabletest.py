"""Seven tests with durabletest."""

from durabletest import DurableTestCase
from tests.comparison import workflows


class StepTests(DurableTestCase):
    handler = workflows.greeting

    def test_a_step(self) -> None:
        self.execute({"name": "Ann"})
        self.assertExecution().succeeded({"text": "hello Ann"})
        self.assertOperation("greet").succeeded("hello Ann").attempts(1)


class RetryTests(DurableTestCase):
    handler = workflows.payment

    def test_a_retry(self) -> None:
        self.execute({"declines": 2})
        self.assertExecution().succeeded({"receipt": "receipt"})
        self.assertOperation("charge").succeeded("receipt").attempts(3).retried_after(minutes=[1, 2])


class WaitTests(DurableTestCase):
    handler = workflows.reminder

    def test_a_wait(self) -> None:
        self.execute({"to": "Ann"})
        self.assertExecution().succeeded({"reminded": "Ann"})
        self.assertOperation("a week").succeeded().waited(days=7).after("invite").before("remind")


class CallbackTests(DurableTestCase):
    handler = workflows.approval

    def test_a_callback(self) -> None:
        self.on_callback("approval").succeed("yes")
        self.execute({})
        self.assertExecution().succeeded({"answer": "yes"})
        self.assertOperation("approval").succeeded("yes")


class ParallelTests(DurableTestCase):
    handler = workflows.quotes

    def test_parallel_branches(self) -> None:
        self.execute({})
        self.assertExecution().succeeded([10, 90])
        self.assertOperation("cheap").succeeded(10).inside("quotes").before("dear")
        self.assertOperation("dear").succeeded(90).inside("quotes")


class MapTests(DurableTestCase):
    handler = workflows.squares

    def test_a_map(self) -> None:
        self.execute({"numbers": [2, 3]})
        self.assertExecution().succeeded([4, 9])
        self.assertOperation("square 2").succeeded(4).inside("squares")
        self.assertOperation("square 3").succeeded(9).inside("squares")


class InvokeTests(DurableTestCase):
    handler = workflows.checkout
    durable_functions = {"charge-card": workflows.charge_card}
    functions = {"locate": workflows.locate}

    def test_invokes(self) -> None:
        self.execute({"ip": "192.0.2.1"})
        self.assertExecution().succeeded({"country": "NL", "charged": 10})
        self.assertOperation("country").succeeded("NL").invoked("locate", {"ip": "192.0.2.1"})
        self.assertOperation("payment").child().operation("settlement").waited(minutes=5)
