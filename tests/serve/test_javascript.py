"""A durable function of AWS's JavaScript SDK, by the runtime API of ``durabletest serve``, in virtual time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from datetime import UTC, datetime, timedelta
from pathlib import Path

from durabletest import CloudDurableTestRunner, ExecutionStatus, OperationType, TestResult, WaitingStatus
from durabletest.local.server.service_model import event_findings
from tests.docs.pages import GUIDE, blocks
from tests.effort import LONG
from tests.serve.processes import is_running
from tests.serve.served import ROOT, Served, client_of

PAGE = GUIDE / "languages.md"
FOLDER = Path(__file__).with_name("js")
MODULES = FOLDER / "node_modules"
MINIMAL = f"node {FOLDER}/runtime.mjs {FOLDER}/orders.mjs"
AWS = f"env _HANDLER=orders.handler LAMBDA_TASK_ROOT={FOLDER} node {MODULES}/aws-lambda-ric/index.mjs"
PAGE_RUNTIME = "env _HANDLER=orders.handler npx aws-lambda-ric"
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
        """Its suite starts its function, and passes."""
        code = {block.language: block.code for block in blocks(PAGE.read_text(encoding="utf-8"))}
        suite = code["python"]
        self.assertIn(PAGE_RUNTIME, suite)
        self.assertIn(f"durabletest serve --runtime orders='{PAGE_RUNTIME}'", code["sh"])
        if not HAS_AWS:
            suite = suite.replace(PAGE_RUNTIME, f"node {FOLDER}/runtime.mjs orders.mjs")
        (self.folder / "orders.mjs").write_text(code["js"], encoding="utf-8")
        (self.folder / "test_orders.py").write_text(suite, encoding="utf-8")
        (self.folder / "node_modules").symlink_to(MODULES.resolve())
        run = subprocess.run(
            [sys.executable, "-W", "error", "-m", "unittest", "-v"],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=BOUND,
            check=False,
        )
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertRegex(run.stderr, r"Ran 1 test\b")


if __name__ == "__main__":
    unittest.main()
