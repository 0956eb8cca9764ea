"""The public names: imported when they are first used, and the same to readers, type checkers and ``import *``."""

from __future__ import annotations

import ast
import subprocess
import sys
import unittest
from importlib import import_module
from pathlib import Path

import durabletest

PACKAGE = Path(durabletest.__file__).parent
HEAVY = (
    "aws_durable_execution_sdk_python",
    "boto3",
    "botocore",
    "freezegun",
    "hypothesis",
    "jinja2",
    "tabulate",
    "time_machine",
)


def names_for_type_checkers() -> dict[str, str]:
    """The public names that are imported under ``TYPE_CHECKING``, with their modules."""
    tree = ast.parse(Path(durabletest.__file__).read_text(encoding="utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


class PublicNamesTests(unittest.TestCase):
    def output_of(self, program: str) -> str:
        """What a new interpreter prints."""
        run = subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            check=True,
            cwd=PACKAGE.parent,
            text=True,
            capture_output=True,
            timeout=60,
        )
        return run.stdout.strip()

    def test_importing_the_package_loads_nothing_heavy(self) -> None:
        program = f"import sys, durabletest; print([name for name in {HEAVY!r} if name in sys.modules])"
        self.assertEqual(self.output_of(program), "[]")

    def test_the_heavy_modules_are_loaded_when_a_test_case_is_used(self) -> None:
        program = f"import sys, durabletest as d; d.DurableTestCase; print([n for n in {HEAVY!r} if n in sys.modules])"
        self.assertIn("'botocore', 'freezegun'", self.output_of(program))

    def test_a_tool_that_looks_at_every_attribute_of_every_module_imports_nothing(self) -> None:
        program = (
            "import sys, durabletest, freezegun\n"
            "with freezegun.freeze_time('2026-01-01'): pass\n"
            "print('durabletest.case' in sys.modules)"
        )
        self.assertEqual(self.output_of(program), "False")

    def test_type_checkers_are_told_the_modules_that_names_come_from(self) -> None:
        self.assertEqual(names_for_type_checkers(), durabletest._MODULE_OF)

    def test_each_name_is_that_of_its_module_also_after_all_modules_were_imported(self) -> None:
        for path in PACKAGE.rglob("*.py"):
            if path.stem != "__main__":
                parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
                import_module(".".join(part for part in parts if part != "__init__"))
        for name, module in durabletest._MODULE_OF.items():
            with self.subTest(name):
                self.assertIs(getattr(durabletest, name), getattr(sys.modules[module], name))

    def test_import_star_gives_all_of_them(self) -> None:
        names: dict[str, object] = {}
        exec("from durabletest import *", names)
        self.assertLessEqual({*durabletest.__all__}, {*names})
        self.assertEqual(len(durabletest.__all__), len({*durabletest.__all__}))
        self.assertLessEqual({*durabletest._MODULE_OF}, {*durabletest.__all__})

    def test_another_name_is_an_error(self) -> None:
        with self.assertRaisesRegex(AttributeError, "^module 'durabletest' has no attribute 'DurableTestCas'"):
            _ = durabletest.DurableTestCas  # type: ignore[attr-defined]
        with self.assertRaises(ImportError):
            exec("from durabletest import DurableTestCas")


if __name__ == "__main__":
    unittest.main()
