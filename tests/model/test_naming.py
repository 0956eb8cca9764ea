from __future__ import annotations

import unittest

from durabletest.model.history import History, execution_name, execution_title, title
from tests.model.histories import ARN, Script, history_of


class TitleTest(unittest.TestCase):
    def test_words(self) -> None:
        for kind, sub_type, word in (
            ("StepStarted", "Step", "step"),
            ("StepStarted", "WaitForCondition", "condition"),
            ("StepStarted", "of-my-own", "step"),
            ("WaitStarted", "Wait", "wait"),
            ("CallbackStarted", "Callback", "callback"),
            ("ChainedInvokeStarted", "ChainedInvoke", "invoke"),
            ("ContextStarted", "RunInChildContext", "context"),
            ("ContextStarted", "WaitForCallback", "callback"),
            ("ContextStarted", "Map", "map"),
            ("ContextStarted", "MapIteration", "map iteration"),
            ("ContextStarted", "Parallel", "parallel"),
            ("ContextStarted", "ParallelBranch", "branch"),
        ):
            with self.subTest(sub_type):
                history = history_of(Script().op(kind, "1", name="x", sub_type=sub_type))
                self.assertEqual(title(history, history.by_id("1")), f"{word} 'x'")

    def test_the_second_of_a_name_has_its_index(self) -> None:
        script = Script().context("1", name="order").step("2", name="charge", parent="1").step("3", name="charge")
        history = history_of(script.step("4", name="charge"))
        titles = [title(history, history.by_id(id_)) for id_ in "234"]
        self.assertEqual(titles, ["step 'order/charge'", "step 'charge'", "step 'charge' (index 1)"])

    def test_the_indices_go_on_as_the_history_grows(self) -> None:
        script, history = Script().context("0", name="order"), History()
        for number in range(1, 4):
            history.extend(script.step(str(number), name="charge", parent="0").events)
            history.extend(script.step(f"{number}-", name="charge").events)
            titles = [title(history, history.by_id(id_)) for id_ in (str(number), f"{number}-")]
            index = f" (index {number - 1})" if number > 1 else ""
            self.assertEqual(titles, [f"step 'order/charge'{index}", f"step 'charge'{index}"])

    def test_namesakes_are_counted(self) -> None:
        script = Script()
        for number in range(20):
            script.step(str(number), name="charge")
        history = history_of(script)
        self.assertEqual(title(history, history.operations[-1]), "step 'charge' (index 19)")

    def test_unnamed(self) -> None:
        history = history_of(Script().wait("abc", 5))
        self.assertEqual(title(history, history.by_id("abc")), "unnamed wait 'abc'")

    def test_executions(self) -> None:
        for arn, name in (
            (ARN, "order-42"),
            ("arn:aws:lambda:us-east-1:1:function:f", "arn:aws:lambda:us-east-1:1:function:f"),
            ("/durable-execution/a/b", "/durable-execution/a/b"),
        ):
            with self.subTest(arn):
                self.assertEqual(execution_name(arn), name)
                self.assertEqual(execution_title(arn), f"execution {name!r}")
