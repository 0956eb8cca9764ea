"""The arrows between the parts of the package point one way: who may import whom."""

from __future__ import annotations

import ast
import unittest
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "durabletest"
AWS_SDK = "aws_durable_execution_sdk_python"

ALLOWED = {
    "durabletest.local.server": ("durabletest.local.server", "durabletest.errors"),
    "durabletest.errors": (),
    "durabletest.routes": ("durabletest.errors",),
}
"""Parts that may import nothing of durabletest but this."""

FORBIDDEN = {
    "durabletest.model": (
        "durabletest.local",
        "durabletest.cloud",
        "durabletest.sdk",
        "durabletest.case",
        "durabletest.report",
        "durabletest.result",
    ),
    "durabletest.assertions": ("durabletest.local", "durabletest.cloud", "durabletest.sdk", "durabletest.case"),
    "durabletest.report": ("durabletest.local", "durabletest.cloud", "durabletest.sdk", "durabletest.case"),
    "durabletest.local": ("durabletest.cloud", "durabletest.case", "durabletest.assertions"),
    "durabletest.cloud": ("durabletest.local", "durabletest.case", "durabletest.assertions"),
    "durabletest.serve": ("durabletest.cloud", "durabletest.case", "durabletest.assertions"),
    "durabletest.sdk": ("durabletest.local", "durabletest.cloud", "durabletest.case"),
}
"""Parts that may not import those."""


def module_of(path: Path) -> str:
    """The dotted name of a file of the package."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(tree: ast.AST) -> Iterator[str]:
    """Every module that the source imports, wherever in it; ``from package import module`` counts as both."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_in(module: str, part: str) -> bool:
    return module == part or module.startswith(f"{part}.")


@cache
def all_modules() -> dict[str, tuple[set[str], set[str]]]:
    """What each module of the package imports, and its strings."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found[module_of(path)] = set(imports_of(tree)), strings_of(tree)
    return found


class ImportArrowTests(unittest.TestCase):
    def setUp(self) -> None:
        self.imports = {module: imports for module, (imports, _) in all_modules().items()}

    def of_part(self, part: str) -> dict[str, set[str]]:
        found = {module: names for module, names in self.imports.items() if is_in(module, part)}
        self.assertTrue(found, f"there is no {part}")
        return found

    def test_some_parts_import_nothing_but_what_is_below_them(self) -> None:
        for part, allowed in ALLOWED.items():
            for module, names in self.of_part(part).items():
                own = {name for name in names if is_in(name, "durabletest") and name != "durabletest"}
                with self.subTest(module):
                    self.assertEqual({name for name in own if not any(is_in(name, one) for one in allowed)}, set())

    def test_no_part_imports_what_is_above_or_beside_it(self) -> None:
        for part, forbidden in FORBIDDEN.items():
            for module, names in self.of_part(part).items():
                with self.subTest(module):
                    self.assertEqual({name for name in names if any(is_in(name, one) for one in forbidden)}, set())

    def test_only_one_module_imports_the_aws_sdk(self) -> None:
        importers = {module for module, names in self.imports.items() if any(is_in(name, AWS_SDK) for name in names)}
        self.assertLessEqual(importers, {"durabletest.sdk"})
        mentions = {module for module, (_, strings) in all_modules().items() if AWS_SDK in strings}
        self.assertEqual(mentions, {"durabletest.sdk"}, "by import_module, it is imported by its name in a string")

    def test_only_the_plugin_imports_pytest_and_nothing_imports_the_plugin(self) -> None:
        plugin = "durabletest.pytest_plugin"
        importers = {module for module, names in self.imports.items() if any(is_in(name, "pytest") for name in names)}
        self.assertEqual(importers, {plugin})
        self.assertEqual({module for module, names in self.imports.items() if plugin in names}, set())

    def test_the_package_itself_imports_all_its_public_names_from_below(self) -> None:
        names = {name for name in self.imports["durabletest"] if is_in(name, "durabletest")}
        self.assertGreater(len(names), 30)

    def test_an_arrow_that_points_the_wrong_way_would_be_seen(self) -> None:
        source = "def f():\n    from durabletest import sdk\n    import durabletest.cloud.runner as c\n"
        self.assertLessEqual({"durabletest.sdk", "durabletest.cloud.runner"}, set(imports_of(ast.parse(source))))


def strings_of(tree: ast.AST) -> set[str]:
    """All strings of the source."""
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


if __name__ == "__main__":
    unittest.main()
