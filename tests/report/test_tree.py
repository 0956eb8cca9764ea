from __future__ import annotations

import random
import unittest
from dataclasses import dataclass

from durabletest.report.tree import tree_order


@dataclass(frozen=True)
class Node:
    id: str
    parent_id: str | None = None
    name: str | None = None
    sub_type: str | None = None


class TreeTests(unittest.TestCase):
    def assertOrder(self, nodes: list[Node], expected: list[str]) -> None:
        placed = tree_order(nodes)
        self.assertEqual(["  " * len(one.ancestors) + one.node.id for one in placed], expected)

    def test_what_is_in_a_context_follows_it_in_the_order_it_started(self) -> None:
        nodes = [Node("b"), Node("a"), Node("z", "b"), Node("y", "b"), Node("x", "z")]
        self.assertOrder(nodes, ["b", "  z", "    x", "  y", "a"])

    def test_branches_come_by_name_however_they_started(self) -> None:
        branches = [Node(f"id{i}", "fan", f"branch-{i}") for i in range(12)]
        for seed in range(5):
            random.Random(seed).shuffle(branches)
            for kind in ("Parallel", "Map"):
                nodes = [Node("fan", sub_type=kind), *branches]
                self.assertOrder(nodes, ["fan", *(f"  id{i}" for i in range(12))])

    def test_branches_of_one_name_come_by_id(self) -> None:
        nodes = [Node("fan", sub_type="Map"), Node("2", "fan", "item"), Node("1", "fan", "item"), Node("3", "fan")]
        self.assertOrder(nodes, ["fan", "  3", "  1", "  2"])

    def test_an_operation_whose_context_is_left_out_stands_outside(self) -> None:
        self.assertOrder([Node("a", "gone"), Node("b")], ["a", "b"])

    def test_contexts_may_be_nested_deeply(self) -> None:
        nodes = [Node(str(i), str(i - 1) if i else None) for i in range(3000)]
        self.assertEqual(len(tree_order(nodes)[-1].ancestors), 2999)
