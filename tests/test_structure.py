"""The size and the names of the package's modules, classes and functions: one idea in each, one name for each."""

from __future__ import annotations

import ast
import unittest
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "durabletest"
MODULE_LINES = 400
FUNCTION_LINES = 50
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
HALVES = {"cloud", "local"}
"""A file or class of the one may have the name of its counterpart in the other."""


def modules() -> dict[str, str]:
    """The source of each module, by its path inside the package."""
    return {str(path.relative_to(PACKAGE)): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}


@cache
def definitions() -> list[tuple[str, Definition]]:
    """The functions and classes of the package, each with its module's path."""
    return [
        (path, node)
        for path, source in modules().items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, Definition)
    ]


def more_than_halves(paths: Iterable[str]) -> bool:
    """Whether more stand there than a local and a cloud half."""
    folders = [Path(path).parts[0] for path in paths]
    return len(folders) > 1 and (len(folders) > len(HALVES) or set(folders) != HALVES)


def repeated(places: dict[str, list[str]]) -> dict[str, list[str]]:
    """The names that stand for more than one thing."""
    return {name: paths for name, paths in places.items() if more_than_halves(paths)}


class StructureTests(unittest.TestCase):
    def test_no_module_is_longer_than_one_idea(self) -> None:
        lengths = {path: source.count("\n") for path, source in modules().items()}
        self.assertEqual({path: lines for path, lines in lengths.items() if lines > MODULE_LINES}, {})

    def test_no_function_is_longer_than_a_screen(self) -> None:
        long = [
            f"{path}:{node.lineno} {node.name}"
            for path, node in definitions()
            if not isinstance(node, ast.ClassDef) and (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES
        ]
        self.assertEqual(long, [])

    def test_a_file_name_stands_for_one_thing(self) -> None:
        places: defaultdict[str, list[str]] = defaultdict(list)
        for path in modules():
            if not Path(path).name.startswith("__"):
                places[Path(path).name].append(path)
        self.assertEqual(repeated(places), {})

    def test_a_class_name_stands_for_one_thing(self) -> None:
        places: defaultdict[str, list[str]] = defaultdict(list)
        for path, node in definitions():
            if isinstance(node, ast.ClassDef):
                places[node.name].append(path)
        self.assertEqual(repeated(places), {})

    def test_a_name_that_stands_twice_would_be_seen(self) -> None:
        self.assertFalse(more_than_halves(["local/runner.py"]))
        self.assertFalse(more_than_halves(["local/runner.py", "cloud/runner.py"]))
        self.assertTrue(more_than_halves(["execution.py", "local/execution.py"]))
        self.assertTrue(more_than_halves(["local/a.py", "local/server/a.py"]))
        self.assertTrue(more_than_halves(["execution.py", "local/execution.py", "cloud/execution.py"]))


if __name__ == "__main__":
    unittest.main()
