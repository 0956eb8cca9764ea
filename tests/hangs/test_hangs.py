"""Nothing hangs: every way to block, to exit and to die ends in bounded time, with the error that says so.

Cases of one kind share a process, one after the other: what one leaves behind is no harm to the next.
"""

from __future__ import annotations

from tests.hangs.processes import CaseProcess, pytest_process, script_process, unittest_process
from tests.subprocesses import ProcessTestCase

STUCK = r"durabletest\.errors\.HandlerStuckError: .*made no progress for 0\.3 real seconds"
SERVER = r"durabletest\.errors\.CheckpointServerError: the checkpoint server's thread died of SystemExit\('killed by"

BLOCKING = {
    "BlockedStep": [STUCK, r"Event\(\)\.wait\(\)"],
    "SleepingStep": [STUCK, r"time\.sleep\(86_400\)"],
    "BlockedBody": [STUCK, r"Event\(\)\.wait\(\)"],
    "BlockedFunction": [r"HandlerStuckError: for_ever made no progress", r"Event\(\)\.wait\(\)"],
    "BlockedPool": [STUCK, r"Event\(\)\.wait\(\)", r"\.submit\(for_ever\)\.result\(\)"],
    "BlockedLoser": [STUCK, r"Event\(\)\.wait\(\)"],
    "BlockedScript": [r"HandlerStuckError: on_callback\('answer'\)\.call\(for_ever\)", r"Event\(\)\.wait\(\)"],
    "TooLargeBesideItsStart": [STUCK, r"more from a step than the SDK sends at once"],
    "PollingAFrozenClock": [STUCK, r"while datetime\.now\(UTC\) < deadline"],
}
"""What the error of each says. The last one goes on polling, until its process ends."""
ROWS = [list(BLOCKING)[first::3] for first in range(3)]
"""Each in a process, beside the others: they wait most of the time."""

DYING = {
    "ServerDiesBusy": [SERVER, r"Ran 1 test"],
    "ServerDiesIdle": [SERVER, r"Ran 2 tests", r"errors=2"],
    "OrchestratorDies": [r"durabletest\.errors\.OrchestratorError: .*died of SystemExit\('killed by the test'\)"],
}
"""What each of these processes prints."""

PASSING = [
    "PoolLeftBehind",
    "TooLargeAlone",
    "ExitInStep",
    "ExitInBody",
    "InterruptInBody",
    "KilledInBody",
    "ForkingStep",
    "KilledInBranch",
    "KilledBesideABlockedBranch",
    "GivenUpAndKilledLater",
]

INTERRUPTED_BY_SIGNAL = -2
INTERRUPTED_UNDER_PYTEST = 2


class HangTests(ProcessTestCase):
    @classmethod
    def start_processes(cls) -> dict[str, CaseProcess]:
        return {
            **{row[0]: unittest_process(*row) for row in ROWS},
            "passing": unittest_process(*PASSING),
            **{name: unittest_process(name) for name in [*DYING, "ControlC"]},
            "ControlC under pytest": pytest_process("ControlC"),
            "never closed": script_process("from tests.hangs.cases import never_closed; never_closed()"),
        }

    def test_what_blocks_ends_in_an_error_with_the_stacks_of_its_threads(self) -> None:
        for row in ROWS:
            ended = self.processes[row[0]].ended()
            self.assertEqual(ended.code, 1, ended.output)
            self.assertRegex(ended.output, rf"Ran {len(row)} tests")
            for name in row:
                for pattern in BLOCKING[name]:
                    with self.subTest(name, pattern=pattern):
                        self.assertRegex(ended.errors_of(name) or ended.output, pattern)

    def test_what_ends_its_process_is_a_crashed_invocation_and_a_new_one_follows(self) -> None:
        ended = self.processes["passing"].ended()
        self.assertEqual(ended.code, 0, ended.output)
        self.assertRegex(ended.output, rf"Ran {len(PASSING)} tests in .*\n\nOK\n$")

    def test_threads_that_die_are_named_in_an_error(self) -> None:
        for name, patterns in DYING.items():
            with self.subTest(name):
                ended = self.processes[name].ended()
                self.assertEqual(ended.code, 1, ended.output)
                for pattern in patterns:
                    self.assertRegex(ended.output, pattern)

    def test_control_c_ends_a_run(self) -> None:
        expected = {"ControlC": INTERRUPTED_BY_SIGNAL, "ControlC under pytest": INTERRUPTED_UNDER_PYTEST}
        for name, code in expected.items():
            with self.subTest(name):
                process = self.processes[name]
                process.interrupt_when_ready()
                ended = process.ended()
                self.assertEqual(ended.code, code, ended.output)
                self.assertIn("KeyboardInterrupt", ended.output)

    def test_a_process_ends_with_a_handler_that_blocks_in_a_runner_that_was_not_closed(self) -> None:
        ended = self.processes["never closed"].ended()
        self.assertEqual((ended.code, ended.output), (0, ""))
