"""The command ``durabletest lint``: paths, formats, comments that ignore findings, exit status, bad input."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import textwrap
import unittest
from errno import EACCES
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import TextIO
from unittest import mock

from durabletest.__main__ import main

ROOT = Path(__file__).parents[2]
ORDER = """\
import uuid
from aws_durable_execution_sdk_python import durable_execution

@durable_execution
def order(event, context):
    return str(uuid.uuid4()){comment}
"""


class LintTestCase(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.enterContext(contextlib.chdir(self.folder))

    def write(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text, "utf-8")

    def lint(self, *arguments: str) -> tuple[int, str, str]:
        """The exit status, and what was printed to stdout and to stderr."""
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            status = main(["lint", *arguments])
        return status, out.getvalue(), err.getvalue()


class FormatTests(LintTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.write("app.py", ORDER.format(comment=""))

    def test_text_names_place_rule_and_cure(self) -> None:
        expected = (
            "app.py:6:16: uuid: uuid.uuid4() is another value in each replay: call it in a step\n"
            "1 finding in 1 durable function of 1 file.\n"
        )
        self.assertEqual(self.lint("app.py"), (1, expected, ""))

    def test_json_is_a_list_of_objects(self) -> None:
        status, text, _ = self.lint("app.py", "--format", "json")
        self.assertEqual(status, 1)
        [found] = json.loads(text)
        self.assertEqual((found["path"], found["line"], found["column"], found["rule"]), ("app.py", 6, 16, "uuid"))

    def test_stdout_of_any_encoding(self) -> None:
        self.write("grüße.py", ORDER.format(comment=""))
        for given, path in (((), "gr\\xfc\\xdfe.py:6"), (("--format", "github"), "file=gr\\xfc\\xdfe.py,")):
            self.assertIn(path, self.in_ascii("grüße.py", *given))
        [found] = json.loads(self.in_ascii("grüße.py", "--format=json"))
        self.assertEqual(found["path"], "grüße.py")

    def in_ascii(self, *arguments: str) -> str:
        written = BytesIO()
        out = TextIOWrapper(written, "ascii")
        with contextlib.redirect_stdout(out):
            self.assertEqual(main(["lint", *arguments]), 1)
        out.flush()
        return written.getvalue().decode("ascii")

    def test_json_without_findings_is_an_empty_list(self) -> None:
        self.write("clean.py", "x = 1\n")
        self.assertEqual(self.lint("clean.py", "--format=json"), (0, "[]\n", ""))

    def test_github_makes_annotations_of_it(self) -> None:
        self.write("50%,a.py", ORDER.format(comment=""))
        status, text, _ = self.lint("50%,a.py", "--format", "github")
        self.assertEqual(status, 1)
        self.assertEqual(
            text,
            "::error file=50%25%2Ca.py,line=6,col=16,title=durabletest uuid::"
            "uuid.uuid4() is another value in each replay: call it in a step\n",
        )

    def test_the_function_that_runs_a_helper_is_named(self) -> None:
        self.write(
            "app.py",
            ORDER.replace("str(uuid.uuid4()){comment}", "reference()") + "def reference():\n    return uuid.uuid4()\n",
        )
        self.assertIn("call it in a step (in 'reference', which 'order' runs)\n", self.lint("app.py")[1])


class PathTests(LintTestCase):
    def test_a_folder_means_all_its_files_but_those_of_packages(self) -> None:
        for name in ("a.py", "b/c.py", ".venv/d.py", "b/node_modules/e.py", "b/site-packages/f.py", "b/notes.txt"):
            self.write(name, ORDER.format(comment=""))
        status, text, _ = self.lint(".", "a.py")
        self.assertEqual(status, 1)
        self.assertEqual([line.split(":")[0] for line in text.splitlines()[:-1]], ["a.py", "b/c.py"])
        self.assertIn("2 findings in 2 durable functions of 2 files.", text)

    def test_a_file_without_a_handler_is_said_to_have_none(self) -> None:
        self.write("app.py", "import uuid\nuuid.uuid4()\n")
        self.assertEqual(self.lint("app.py"), (0, "No findings: there is no durable function in 1 file.\n", ""))

    def test_a_path_that_is_not_there_suggests_another(self) -> None:
        self.write("app.py", "")
        status, _, text = self.lint("ap.py")
        self.assertEqual(status, 2)
        self.assertIn("there is no file or folder 'ap.py'", text)
        self.assertIn("did you mean 'app.py'", text)

    def test_a_folder_without_python_is_an_error(self) -> None:
        self.write("docs/a.md", "")
        status, _, text = self.lint("docs")
        self.assertEqual((status, text), (2, "durabletest: the folder 'docs' has no files *.py\n"))

    def test_a_file_that_is_not_python_costs_no_findings_of_others(self) -> None:
        self.write("app.py", ORDER.format(comment=""))
        self.write("broken.py", "def f(:\n")
        (self.folder / "latin.py").write_bytes(b"# caf\xe9\n")
        self.write("locked.py", "x = 1\n")
        (self.folder / "null.py").write_bytes(b"x = '\x00'\n")
        with mock.patch("tokenize.open", self.opened):
            status, out, err = self.lint("broken.py", "latin.py", "null.py", "locked.py", "app.py")
        self.assertEqual(status, 2)
        self.assertIn("app.py:6:16: uuid", out)
        self.assertIn("1 finding in 1 durable function of 1 file.", out)
        self.assertIn("'broken.py' is not Python, line 1: invalid syntax", err)
        self.assertIn("'latin.py' is not Python: ", err)
        self.assertIn("'null.py' is not Python", err)
        self.assertIn("'locked.py' cannot be read: Permission denied", err)

    def opened(self, file: Path) -> TextIO:
        """The file, unless it is the locked one."""
        if file.name == "locked.py":
            raise PermissionError(EACCES, "Permission denied")
        return TextIOWrapper(BytesIO(file.read_bytes()), "utf-8")


class IgnoreTests(LintTestCase):
    def test_a_comment_ignores_a_rule_in_its_line(self) -> None:
        for comment in ("[uuid]", "[clock, uuid]", "[uuid] - it is only logged"):
            with self.subTest(comment):
                self.write("app.py", ORDER.format(comment=f"  # durabletest: ignore{comment}"))
                self.assertEqual(self.lint("app.py")[0], 0)

    def test_it_may_stand_on_any_line_of_the_expression(self) -> None:
        self.write(
            "app.py", ORDER.format(comment="").replace("uuid4()", "uuid4(\n    )  # durabletest: ignore[uuid]\n")
        )
        self.assertEqual(self.lint("app.py")[0], 0)

    def test_another_rule_another_line_or_a_text_does_not(self) -> None:
        self.write("app.py", ORDER.format(comment="  # durabletest: ignore[clock]"))
        self.assertEqual(self.lint("app.py")[0], 1)
        self.write("app.py", "# durabletest: ignore[uuid]\n" + ORDER.format(comment=""))
        self.assertEqual(self.lint("app.py")[0], 1)
        self.write("app.py", ORDER.format(comment=' + "# durabletest: ignore[uuid]"'))
        self.assertEqual(self.lint("app.py")[0], 1)

    def test_a_rule_that_does_not_exist_is_complained_of(self) -> None:
        self.write("app.py", "x = 1  # durabletest: ignore[uid]\ny = 2  # durabletest: ignore\n")
        status, text, _ = self.lint("app.py")
        self.assertEqual(status, 1)
        self.assertIn("app.py:1:1: ignore: there is no rule 'uid'; did you mean 'uuid'?; write", text)
        self.assertIn("app.py:2:1: ignore: the comment names no rule; write", text)


class CorrectTests(LintTestCase):
    def test_there_is_no_false_alarm(self) -> None:
        for path in ("examples", "tests/lint/aws_shapes.py", "tests/durability/correct.py", "tests/conformance"):
            with self.subTest(path):
                status, text, _ = self.lint(str(ROOT / path))
                self.assertEqual(status, 0, text)
                self.assertNotIn("no durable function", text)

    def test_the_bugs_of_the_corpus_that_show_in_the_source_are_found(self) -> None:
        text = self.lint(str(ROOT / "tests/durability/bugs.py"))[1]
        self.assertIn("19 findings in 33 durable functions", text)

    def test_of_explored_workflows_only_the_one_that_a_replay_breaks_is_found(self) -> None:
        text = self.lint(str(ROOT / "tests/exploration/correct.py"))[1]
        self.assertRegex(text, r"^[^\n]*: mutated-closure: 'offers' [^\n]*\n1 finding in ")

    def test_the_help_lists_the_rules(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()) as out, self.assertRaises(SystemExit):
            main(["lint", "--help"])
        self.assertIn("  mutated-closure ", out.getvalue())
        self.assertNotIn("\n\n\n", textwrap.dedent(out.getvalue()))


if __name__ == "__main__":
    unittest.main()
