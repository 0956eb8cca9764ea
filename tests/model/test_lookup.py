from __future__ import annotations

import unittest
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

from durabletest.errors import AmbiguousOperationError, OperationNotFoundError, UsageError
from durabletest.model import lookup
from durabletest.model.history import History, title
from durabletest.model.lookup import member
from durabletest.model.records import OperationId, OperationType, WaitingStatus
from tests.model.histories import Script, history_of, order


def nested() -> History:
    """Two orders with a charge each, one inside an unnamed context, and a charge outside."""
    script = Script().context("1", name="order").step("1-1", name="charge", parent="1")
    script.step("2", name="charge").context("3", name="shop").context("3-1", name="order", parent="3")
    script.context("3-1-1", "Parallel", parent="3-1").step("3-1-1-1", name="charge", parent="3-1-1")
    return history_of(script.step("4"))


class GrowingTests(unittest.TestCase):
    """A question that was asked before is answered from what is new, and as if it were asked for the first time."""

    def assert_answers_as_new(self, *paths: str, script: Script) -> None:
        history = History()
        for read in range(1, len(script.events) + 1):
            history.extend(script.events[:read])
            for path in paths:
                new = [record.id for record in history_of(script.events[:read]).find_all(path)]
                self.assertEqual([record.id for record in history.find_all(path)], new, (read, path))

    def test_what_is_new_is_found_too(self) -> None:
        script = Script().context("1", name="a").context("2", name="a/b")
        for number in range(3):
            script.step(f"2-{number}", name="c", parent="2").step(f"1-{number}", name="b/c", parent="1")
            script.step(f"{number + 3}", name="c")
        self.assert_answers_as_new("c", "a/b/c", "a/c", "other", script=script)

    def test_events_that_come_late_change_the_answer(self) -> None:
        events = Script().context("1", name="a").step("2", name="b", parent="1").step("3", name="b", parent="1").events
        history = history_of([*events[:2], *events[4:]])
        self.assertEqual([record.id for record in history.find_all("a/b")], ["3"])
        history.extend(events)
        self.assertEqual([record.id for record in history.find_all("a/b")], ["2", "3"])

    def test_a_path_is_compared_with_each_operation_once(self) -> None:
        script = Script().context("0", name="a")
        for number in range(1, 6):
            script.step(str(number), name="b", parent="0")
        history, compared = History(), []
        with mock.patch.object(lookup, "_is_at", lambda _, record, __: compared.append(record.id) or True):
            for read in range(len(script.events) + 1):
                history.extend(script.events[:read])
                history.get("a/b", 4)
        self.assertEqual(compared, ["1", "2", "3", "4", "5"])

    def test_what_is_given_is_the_callers_own(self) -> None:
        history = nested()
        for path in ("charge", "order/charge"):
            with self.subTest(path):
                found = history.find_all(path)
                history.find_all(path).clear()
                self.assertEqual(history.find_all(path), found)

    def test_several_threads_may_ask(self) -> None:
        script = Script().context("0", name="a")
        for number in range(1, 200):
            script.step(str(number), name="b", parent="0")
        history = history_of(script)
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _: len(history.find_all("a/b")), range(8)))
            titles = set(pool.map(lambda _: title(history, history.by_id("199")), range(8)))
        self.assertEqual(found, [199] * 8)
        self.assertEqual(titles, {"step 'a/b' (index 198)"})


class GetTest(unittest.TestCase):
    def test_it_is_what_find_gives(self) -> None:
        for path in ("charge", "order/charge", OperationId("4")):
            with self.subTest(path):
                self.assertIs((history := nested()).get(path), history.find(path))

    def test_what_does_not_exist_is_none_and_costs_no_explanation(self) -> None:
        with mock.patch.object(lookup, "listing", side_effect=AssertionError("nobody asked")):
            for path, index in (("refund", 0), ("charge", 3), ("charge", -4), (OperationId("5"), 0)):
                with self.subTest(path=path, index=index):
                    self.assertIsNone(nested().get(path, index))


class FindTest(unittest.TestCase):
    def test_found(self) -> None:
        for path, index, id_ in (
            ("charge", 0, "1-1"),
            ("charge", 1, "2"),
            ("charge", 2, "3-1-1-1"),
            ("charge", -1, "3-1-1-1"),
            ("order", 0, "1"),
            ("order/charge", 0, "1-1"),
            ("order/charge", 1, "3-1-1-1"),
            ("shop/order", 0, "3-1"),
            ("shop/order/charge", 0, "3-1-1-1"),
            (OperationId("4"), 0, "4"),
        ):
            with self.subTest(path=path, index=index):
                self.assertEqual(nested().find(path, index).id, id_)

    def test_not_found(self) -> None:
        for path, index in (
            ("refund", 0),
            ("charge", 3),
            ("charge", -4),
            ("shop/charge", 0),
            ("rder/charge", 0),
            ("", 0),
        ):
            with self.subTest(path=path, index=index), self.assertRaises(OperationNotFoundError):
                nested().find(path, index)

    def test_order_counts_across_names_with_slashes(self) -> None:
        script = Script().context("1", name="a").context("2", name="a/b")
        script.step("2-1", name="c", parent="2").step("1-1", name="b/c", parent="1")
        self.assertEqual([record.id for record in history_of(script).find_all("a/b/c")], ["2-1", "1-1"])

    def test_a_name_with_a_slash_is_found(self) -> None:
        script = Script().context("1", name="eu/west").step("1-1", name="a/b", parent="1")
        for path in ("a/b", "eu/west/a/b"):
            with self.subTest(path):
                self.assertEqual(history_of(script).find(path).id, "1-1")

    def test_a_name_and_a_path_that_compete_are_ambiguous(self) -> None:
        script = Script().context("1", name="a").step("1-1", name="b", parent="1").wait("2", 5, name="a/b")
        with self.assertRaises(AmbiguousOperationError) as raised:
            history_of(script).find("a/b")
        self.assertEqual(
            str(raised.exception),
            "'a/b' can be read in two ways\n"
            "  the WAIT named 'a/b': get_operation_by_id('2')\n"
            "  the STEP 'b' in 'a': get_operation_by_id('1-1')\n"
            "The operations of the execution:\n"
            "  a    CONTEXT\n"
            "  a/b  STEP\n"
            "  a/b  WAIT",
        )

    def test_by_index(self) -> None:
        self.assertEqual([nested().by_index(index).id for index in (0, 1, -1)], ["1", "1-1", "4"])

    def test_by_id(self) -> None:
        self.assertEqual(nested().by_id("3-1").name, "order")

    def test_children_and_parents(self) -> None:
        history = nested()
        self.assertEqual([child.id for child in history.children(history.by_id("3"))], ["3-1"])
        self.assertEqual(history.children(history.by_id("4")), [])
        self.assertEqual(history.parent(history.by_id("3-1")), history.by_id("3"))
        self.assertIsNone(history.parent(history.by_id("3")))

    def test_paths_leave_out_what_nobody_can_write(self) -> None:
        history = nested()
        for id_, path in (
            ("1", "order"),
            ("3-1-1-1", "shop/order/charge"),
            ("3-1-1", "shop/order/(unnamed)"),
            ("4", "(unnamed)"),
        ):
            with self.subTest(id_):
                self.assertEqual(history.path_of(history.by_id(id_)), path)


class IndexTest(unittest.TestCase):
    def test_an_index_is_a_number(self) -> None:
        history = history_of(order())
        for index in (True, False, 1.0, "1", None):
            with self.subTest(index=index):
                for find in (lambda index: history.find("charge", index), history.by_index):
                    with self.assertRaises(UsageError) as caught:
                        find(index)
                    message = f"{index!r} is no index of an operation: give a number, counted from 0"
                    self.assertEqual(str(caught.exception), message)


class NotFoundMessageTest(unittest.TestCase):
    maxDiff = None

    def message(self, history: History, path: str, index: int = 0) -> str:
        with self.assertRaises(OperationNotFoundError) as raised:
            history.find(path, index)
        return str(raised.exception)

    def test_what_exists_and_what_is_closest(self) -> None:
        self.assertEqual(
            self.message(history_of(order()), "chrage"),
            "operation 'chrage' not found: no operation has that name; did you mean 'charge'?\n"
            "The operations of the execution:\n"
            "  order                                 CONTEXT\n"
            "  order/charge                          STEP\n"
            "  cool-down                             WAIT\n"
            "  approval                              CONTEXT\n"
            "  approval/approval create callback id  CALLBACK\n"
            "  approval/approval submitter           STEP",
        )

    def test_reasons(self) -> None:
        unknown = "no operation has that name"
        for path, index, reason in (
            ("zzz", 0, unknown),
            ("ordre/charge", 0, f"{unknown}; did you mean 'order/charge'?"),
            ("some/thing/else/charge", 0, f"{unknown}; did you mean 'charge'?"),
            ("charge", 1, "1 operation has that name, so there is no index 1"),
            ("charge", -2, "1 operation has that name, so there is no index -2"),
        ):
            with self.subTest(path=path, index=index):
                asked = f"operation {path!r}" + (f" (index {index})" if index else "")
                line = self.message(history_of(order()), path, index).splitlines()[0]
                self.assertEqual(line, f"{asked} not found: {reason}")

    def test_several_of_that_name(self) -> None:
        line = self.message(nested(), "charge", 3).splitlines()[0]
        self.assertTrue(line.endswith("3 operations have that name, so there is no index 3"), line)

    def test_unnamed_operations_show_their_id(self) -> None:
        self.assertIn("  (unnamed)  WAIT (id '1')", self.message(history_of(Script().wait("1", 5)), "x"))

    def test_an_execution_without_operations(self) -> None:
        self.assertEqual(
            self.message(History(), "charge"),
            "operation 'charge' not found: no operation has that name\nThe execution has no operations.",
        )

    def test_long_lists_are_cut(self) -> None:
        script = Script()
        for number in range(45):
            script.step(str(number), name=f"step-{number}")
        lines = self.message(history_of(script), "x").splitlines()
        self.assertEqual((len(lines), lines[-1]), (43, "  ... and 5 more"))

    def test_by_index(self) -> None:
        with self.assertRaises(OperationNotFoundError) as raised:
            history_of(Script().step("1", name="a")).by_index(1)
        self.assertEqual(
            str(raised.exception), "there is no operation with index 1\nThe operations of the execution:\n  a  STEP"
        )

    def test_by_id(self) -> None:
        history = history_of(Script().step("abcdef", name="a"))
        for id_, line in (
            ("abcdeg", "there is no operation with id 'abcdeg'; did you mean 'abcdef'?"),
            ("zzz", "there is no operation with id 'zzz'"),
        ):
            with self.subTest(id_), self.assertRaises(OperationNotFoundError) as raised:
                history.by_id(id_)
            self.assertEqual(str(raised.exception).splitlines()[0], line)


class MemberTest(unittest.TestCase):
    def test_value_and_member(self) -> None:
        for value in ("STEP", OperationType.STEP):
            with self.subTest(type(value)):
                self.assertIs(member(OperationType, value, "operation type"), OperationType.STEP)

    def test_messages(self) -> None:
        for value, message in (
            ("submited", "'submited' is no status; did you mean 'SUBMITTED'? There are STARTED, SUBMITTED, COMPLETED."),
            ("zzz", "'zzz' is no status. There are STARTED, SUBMITTED, COMPLETED."),
        ):
            with self.subTest(value), self.assertRaises(UsageError) as raised:
                member(WaitingStatus, value, "status")
            self.assertEqual(str(raised.exception), message)
