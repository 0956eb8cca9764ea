"""A durable function of AWS's JavaScript SDK, by the runtime API of ``durabletest serve``, in virtual time."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import types
import unittest
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

from durabletest import CloudDurableTestRunner, ExecutionStatus, OperationType, TestResult, WaitingStatus
from durabletest.local.server.service_model import event_findings
from tests.docs.pages import GUIDE, blocks
from tests.effort import LONG
from tests.endpoint.case import environment
from tests.endpoint.server import CREDENTIALS
from tests.serve.processes import is_running
from tests.serve.served import Served, client_of

PAGE = GUIDE / "languages.md"
FOLDER = Path(__file__).with_name("js")
MODULES = FOLDER / "node_modules"
MINIMAL = f"node {FOLDER}/runtime.mjs {FOLDER}/orders.mjs"
AWS = f"env _HANDLER=orders.handler LAMBDA_TASK_ROOT={FOLDER} node {MODULES}/aws-lambda-ric/index.mjs"
HAS_AWS = (MODULES / "aws-lambda-ric" / "rapid-client.node").exists()
START = datetime(2026, 1, 1, tzinfo=UTC)
BOUND = 60.0
"""Real seconds for a run; it takes less than two."""
OPERATIONS = [
    ("reserve", OperationType.STEP),
    ("charge", OperationType.STEP),
    ("cool-down", OperationType.WAIT),
    ("approval", OperationType.CONTEXT),
    ("notify", OperationType.CONTEXT),
    ("pack", OperationType.CONTEXT),
    ("invoice", OperationType.CONTEXT),
    ("country", OperationType.CHAINED_INVOKE),
    ("delivered", OperationType.STEP),
    ("close", OperationType.STEP),
]
BACKOFF, RETRY, COOL_DOWN = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=24)
POST, DRY, PRINT, POLLS = timedelta(hours=72), timedelta(minutes=5), timedelta(seconds=30), timedelta(hours=2)


@unittest.skipIf(shutil.which("node") is None, "there is no Node.js: apt-get install nodejs npm")
@unittest.skipUnless((MODULES / "@aws" / "durable-execution-sdk-js").exists(), f"run npm ci in {FOLDER}")
class JavaScriptTests(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.memory = self.folder / "memory"

    @unittest.skipUnless(HAS_AWS or LONG, "aws-lambda-ric is not built here; see the test with a runtime of our own")
    def test_ten_operations_with_the_runtime_client_of_aws(self) -> None:
        if not HAS_AWS:
            self.skipTest(f"run npm install --no-save aws-lambda-ric in {FOLDER}")
        self.check(AWS)

    @unittest.skipIf(
        HAS_AWS and not LONG, "the test with the runtime client of AWS is enough; DURABLETEST_LONG_TESTS=1"
    )
    def test_ten_operations_with_the_least_that_is_a_runtime(self) -> None:
        self.check(MINIMAL)

    def check(self, runtime: str) -> None:
        result, output = self.run_orders(runtime)
        answer = result.get_result()
        process = answer.pop("process")
        self.assertEqual(
            answer,
            {
                "reservation": {"order": 42, "warehouse": "north"},
                "payment": "paid",
                "approval": "yes",
                "notified": ["mail", "letter"],
                "parcels": ["tea in paper", "milk in paper"],
                "invoice": "invoice 7",
                "country": "NL",
                "polls": 3,
            },
        )
        self.check_history(result)
        self.assertNotEqual(process, int(self.memory.read_text()))
        self.assertFalse(is_running(process), "it has not ended with the server")
        self.assertNotIn("Traceback", output)

    def run_orders(self, runtime: str) -> tuple[TestResult, str]:
        order = {"order": 42, "items": ["tea", "milk"], "ip": "192.0.2.1", "memory": str(self.memory)}
        geo = "geo-lookup=examples/onboarding.py:geo_lookup"
        with Served(geo, "--runtime", f"orders={runtime}", "--start-time", START.isoformat()) as served:
            client = client_of(served.url)
            self.addCleanup(client.close)
            with CloudDurableTestRunner("orders:$LATEST", client=client, poll_interval=0.01, timeout=BOUND) as runner:
                execution = runner.start(order)
                approval = execution.operation("approval")
                approval.wait_for_data(WaitingStatus.SUBMITTED).result(BOUND)
                approval.send_callback_success("yes")
                result = execution.result(BOUND)
            status, output = served.end()
        self.assertEqual(status, 0)
        return result, output

    def check_history(self, result: TestResult) -> None:
        self.assertIs(result.get_status(), ExecutionStatus.SUCCEEDED)
        self.assertEqual({str(event): event_findings(event) for event in result.history if event_findings(event)}, {})
        top = [operation for operation in result.get_operations() if operation.parent_id is None]
        self.assertEqual([(operation.name, operation.type) for operation in top], OPERATIONS)
        ended = result.history[-1]["EventTimestamp"]
        self.assertEqual(ended - START, BACKOFF + RETRY + COOL_DOWN + POST + DRY + PRINT + POLLS)
        crash, *others = result.get_invocations()
        assert crash.error is not None
        self.assertEqual(crash.error.type, "Runtime.ExitError")
        self.assertTrue((crash.error.message or "").endswith("Error: Runtime exited with error: exit status 9"))
        self.assertEqual([one.error for one in others], [None] * len(others))

    def test_the_page_about_other_languages(self) -> None:
        """Its function is served by its command, and its suite runs against it."""
        code = {block.language: block.code for block in blocks(PAGE.read_text(encoding="utf-8"))}
        (self.folder / "orders.mjs").write_text(code["js"], encoding="utf-8")
        (self.folder / "node_modules").symlink_to(MODULES.resolve())
        command = re.search(r"--runtime orders='(.*)'$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
        assert command is not None
        runtime = command[1] if HAS_AWS else f"node {FOLDER}/runtime.mjs orders.mjs"
        with Served("--runtime", f"orders={runtime}", cwd=self.folder) as served:
            result = self.suite_of(code["python"], served.url)
            self.assertEqual(served.end()[0], 0)
        self.assertEqual((result.errors, result.failures, result.testsRun), ([], [], 1))

    def suite_of(self, code: str, url: str) -> unittest.TestResult:
        """The result of the page's suite, in front of that endpoint."""
        module = types.ModuleType("page_languages")
        self.enterContext(mock.patch.dict(sys.modules, page_languages=module))
        exec(code, vars(module))
        result = unittest.TestResult()
        suite = unittest.defaultTestLoader.loadTestsFromTestCase(vars(module)["OrderTests"])
        with environment({**CREDENTIALS, "AWS_ENDPOINT_URL_LAMBDA": url, "DURABLETEST_POLL_INTERVAL": "0.01"}):
            suite.run(result)
        return result


if __name__ == "__main__":
    unittest.main()
