from __future__ import annotations

import unittest

from durabletest.errors import AmbiguousOperationError, OperationNotReachedError, WrongOperationTypeError
from durabletest.model.history import History
from durabletest.model.records import OperationId, WaitingStatus
from durabletest.model.wait_for_data import OpenWatches, Watch, resolve
from tests.model.histories import Script, error, history_of, payload, retry

STARTED, SUBMITTED, COMPLETED = WaitingStatus


class ResolveTest(unittest.TestCase):
    maxDiff = None

    def watch(self, path: str, status: WaitingStatus, script: Script, ended: bool = False) -> Watch:
        """A watch after one look at the history; it is still open exactly if its future is not done."""
        watch = Watch(path, 0, status)
        left = resolve([watch], history_of(script), ended)
        self.assertEqual(left, [] if watch.future.done() else [watch])
        return watch

    def failure(self, watch: Watch) -> str:
        error = watch.future.exception(timeout=0)
        self.assertIsInstance(error, OperationNotReachedError)
        return str(error)

    def test_reached(self) -> None:
        waiting = Script().wait_for_callback("1", "approval")
        for path, status, script in (
            ("a", STARTED, Script().wait("1", 5, name="a")),
            ("a", STARTED, Script().step("1", name="a")),
            (OperationId("1"), STARTED, Script().wait("1", 5)),
            ("a", COMPLETED, Script().step("1", name="a")),
            ("a", COMPLETED, Script().wait("1", 5, name="a").op("WaitCancelled", "1")),
            ("a", SUBMITTED, Script().callback("1", name="a")),
            ("approval create callback id", SUBMITTED, waiting),
            ("approval", STARTED, waiting),
            ("approval", SUBMITTED, Script().wait_for_callback("1", "approval").submitted("1")),
        ):
            with self.subTest(path=path, status=status):
                self.assertEqual(self.watch(path, status, script).future.result(timeout=0).id[0], "1")

    def test_still_open(self) -> None:
        submitter_failed = Script().wait_for_callback("1", "approval")
        submitter_failed.op("StepFailed", "1-2", {"Error": error(), "RetryDetails": retry(1, 5)})
        for path, status, script in (
            ("a", STARTED, Script()),
            ("a", COMPLETED, Script().wait("1", 5, name="a")),
            ("approval", SUBMITTED, Script()),
            ("approval", SUBMITTED, Script().context("1", "WaitForCallback", name="approval")),
            (
                "approval",
                SUBMITTED,
                Script().context("1", "WaitForCallback", name="approval").callback("2", parent="1"),
            ),
            ("approval", SUBMITTED, Script().wait_for_callback("1", "approval")),
            ("approval", SUBMITTED, submitter_failed),
        ):
            with self.subTest(path=path, status=status, events=len(script.events)):
                self.assertFalse(self.watch(path, status, script).future.done())

    def test_a_submission_that_can_no_longer_happen_fails_before_the_end(self) -> None:
        script = Script().wait_for_callback("1", "approval").op("ContextFailed", "1", {"Error": error()})
        message = self.failure(self.watch("approval", SUBMITTED, script))
        self.assertEqual(
            message.splitlines()[0],
            "callback 'approval' was never SUBMITTED: it is FAILED: PaymentDeclined: card expired; "
            "the execution is RUNNING",
        )

    def test_only_callbacks_are_submitted(self) -> None:
        error = self.watch("a", SUBMITTED, Script().wait("1", 5, name="a")).future.exception(timeout=0)
        self.assertIsInstance(error, WrongOperationTypeError)
        self.assertEqual(str(error), "wait 'a' is a WAIT: only callbacks are SUBMITTED; wait for STARTED or COMPLETED")

    def test_an_ambiguous_path_fails(self) -> None:
        script = Script().context("1", name="a").step("2", name="b", parent="1").step("3", name="a/b")
        error = self.watch("a/b", STARTED, script).future.exception(timeout=0)
        self.assertIsInstance(error, AmbiguousOperationError)

    def test_r15_4_the_end_fails_what_never_started(self) -> None:
        script = Script().step("1", name="charge").succeeded()
        self.assertEqual(
            self.failure(self.watch("chrage", STARTED, script, ended=True)),
            "the execution is SUCCEEDED, and 'chrage' was never STARTED\n"
            "operation 'chrage' not found: no operation has that name; did you mean 'charge'?\n"
            "The operations of the execution:\n"
            "  charge  STEP",
        )

    def test_r15_4_the_end_fails_what_did_not_get_there(self) -> None:
        script = Script().wait("1", 5, name="nap").failed()
        self.assertEqual(
            self.failure(self.watch("nap", COMPLETED, script, ended=True)),
            "wait 'nap' was never COMPLETED: it is STARTED; the execution is FAILED\n"
            "The operations of the execution:\n"
            "  nap  WAIT",
        )

    def test_what_was_reached_before_the_end_succeeds(self) -> None:
        watch = self.watch("a", COMPLETED, Script().step("1", name="a").succeeded(), ended=True)
        self.assertEqual(watch.future.result(timeout=0).name, "a")

    def test_the_index_counts(self) -> None:
        script = Script().step("1", name="a")
        watch = Watch("a", 1, STARTED)
        self.assertEqual(resolve([watch], history_of(script), False), [watch])
        self.assertEqual(resolve([watch], history_of(script.step("2", name="a")), False), [])
        self.assertEqual(watch.future.result(timeout=0).id, "2")

    def test_cancelled_watches_are_dropped(self) -> None:
        watch = Watch("a")
        watch.future.cancel()
        self.assertEqual(resolve([watch], history_of(Script()), False), [])

    def test_a_cancellation_while_it_is_resolved_is_respected(self) -> None:
        for script in (Script().step("1", name="a"), Script()):
            with self.subTest(events=len(script.events)):
                watch = Watch("a")
                watch.future.cancel()
                watch.future.done = lambda: False  # type: ignore[method-assign]  # it is cancelled a moment later
                self.assertEqual(resolve([watch], history_of(script), True), [])
                self.assertTrue(watch.future.cancelled())

    def test_every_watch_is_looked_at(self) -> None:
        watches = [Watch("a"), Watch("b"), Watch("c")]
        script = Script().step("1", name="a").op("StepSucceeded", "2", {"Result": payload("1")}, name="c")
        self.assertEqual(resolve(watches, history_of(script), False), watches[1:2])


class NewsTests(unittest.TestCase):
    """Only watches that are concerned by what is new are looked at, and these are exactly those that it can settle."""

    def follow(self, script: Script, *watches: Watch) -> list[str]:
        """Read the history event by event; the paths of the watches that were looked at, each time one was."""
        looked: list[str] = []
        history, open_ = History(), OpenWatches()
        get = history.get
        history.get = lambda path, index=0: (looked.append(path), get(path, index))[1]  # type: ignore[method-assign]
        for watch in watches:
            open_.add(watch, history, False)
        looked.clear()
        for read in range(1, len(script.events) + 1):
            open_.settle(history, False, history.extend(script.events[:read]))
        self.assertEqual(bool(open_), not all(watch.future.done() for watch in watches))
        return looked

    def test_other_operations_do_not_concern_a_watch(self) -> None:
        script = Script().step("1", name="a").step("2", name="b").invocation().wait("3", 5, name="c")
        watch = Watch("c", 0, COMPLETED)
        self.assertEqual(self.follow(script, watch, Watch("d")), ["c"])
        self.assertFalse(watch.future.done())
        self.assertEqual(self.follow(script.op("WaitSucceeded", "3"), watch), ["c", "c"])
        self.assertTrue(watch.future.done())

    def test_every_way_to_mean_an_operation(self) -> None:
        script = Script().context("1", name="a").context("2", name="b/c", parent="1").step("3", name="d/e", parent="2")
        for path in ("d/e", "c/d/e", "b/c/d/e", "a/b/c/d/e", OperationId("3")):
            watch, other = Watch(path, 0, COMPLETED), Watch("e")
            with self.subTest(path):
                self.follow(script, watch, other)
                self.assertEqual((watch.future.done(), other.future.done()), (True, False))

    def test_what_is_inside_a_callback_concerns_those_that_wait_for_its_submission(self) -> None:
        for path in ("approval", OperationId("1")):
            for script, done in (
                (Script().wait_for_callback("1", "approval"), False),
                (Script().wait_for_callback("1", "approval").submitted("1"), True),
            ):
                watch = Watch(path, 0, SUBMITTED)
                with self.subTest(path=path, done=done):
                    self.follow(script, watch)
                    self.assertEqual(watch.future.done(), done)

    def test_at_the_end_every_watch_is_looked_at(self) -> None:
        script = Script().step("1", name="a").succeeded()
        history, open_, watch = History(), OpenWatches(), Watch("b")
        open_.add(watch, history, False)
        open_.settle(history, True, history.extend(script.events))
        self.assertIsInstance(watch.future.exception(timeout=0), OperationNotReachedError)
        self.assertFalse(open_)

    def test_what_was_cancelled_has_nobody_who_waits(self) -> None:
        history, open_, watch = History(), OpenWatches(), Watch("b")
        open_.add(watch, history, False)
        self.assertTrue(open_)
        watch.future.cancel()
        self.assertFalse(open_)

    def test_they_are_settled_in_the_order_in_which_they_came(self) -> None:
        history, open_, settled = History(), OpenWatches(), []
        names = ["d", "b", "a", "c"]
        for name in names:
            watch = Watch(name)
            watch.future.add_done_callback(lambda _, name=name: settled.append(name))
            open_.add(watch, history, False)
        script = Script()
        for number, name in enumerate(sorted(names)):
            script.step(str(number), name=name)
        open_.settle(history, False, history.extend(script.events))
        self.assertEqual(settled, names)

    def test_those_that_were_given_up_are_not_looked_at(self) -> None:
        history, open_, watch = History(), OpenWatches(), Watch("a")
        open_.add(watch, history, False)
        self.assertEqual(open_.take_all(), [watch])
        open_.settle(history, False, history.extend(Script().step("1", name="a").events))
        self.assertFalse(watch.future.done())
        self.assertFalse(open_)
