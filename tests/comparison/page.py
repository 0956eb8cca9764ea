"""The page of the guide that shows both suites side by side, made of their files."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PAGE = ROOT / "docs" / "comparison.md"
OURS = HERE / "test_with_durabletest.py"
THEIRS = HERE / "with_aws_package.py"
WORKFLOWS = HERE / "workflows.py"

TESTED = {
    "test_a_step": ("greeting",),
    "test_a_retry": ("payment",),
    "test_a_wait": ("reminder",),
    "test_a_callback": ("approval",),
    "test_parallel_branches": ("quotes",),
    "test_a_map": ("squares",),
    "test_invokes": ("checkout", "charge_card", "locate"),
}
"""Which workflows each test is about."""


@dataclass(frozen=True)
class Piece:
    """A top-level function or class: the name of its test (or its own), and its code as it stands in the file."""

    test: str
    code: str


def lines(path: Path) -> int:
    """The lines of a file that are not blank."""
    return sum(1 for line in path.read_text(encoding="utf-8").splitlines() if line.strip())


def pieces(path: Path) -> list[Piece]:
    """The functions and classes of a file, in order."""
    source = path.read_text(encoding="utf-8")
    found = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            code = "\n".join(source.splitlines()[first - 1 : node.end_lineno])
            methods = [part.name for part in node.body if isinstance(part, ast.FunctionDef)]
            found.append(Piece(methods[0] if isinstance(node, ast.ClassDef) and methods else node.name, code))
    return found


def head(path: Path) -> str:
    """What stands above the first function or class, without the docstring."""
    source = path.read_text(encoding="utf-8")
    imports = [node for node in ast.parse(source).body if isinstance(node, ast.Import | ast.ImportFrom)]
    return "\n".join(source.splitlines()[imports[0].lineno - 1 : imports[-1].end_lineno])


def text() -> str:
    """The whole page."""
    workflows = {piece.test: piece.code for piece in pieces(WORKFLOWS)}
    theirs = {piece.test: piece.code for piece in pieces(THEIRS)}
    ours_lines, theirs_lines = lines(OURS), lines(THEIRS)
    share = round(100 * ours_lines / theirs_lines)
    parts = [_INTRODUCTION.format(ours=ours_lines, theirs=theirs_lines, share=share)]
    parts += [_both(head(THEIRS), head(OURS))]
    for piece in pieces(OURS):
        code = "\n\n\n".join(workflows[name] for name in TESTED[piece.test])
        parts += [f"## {_title(piece.test)}", _block(code), _both(theirs[piece.test], piece.code)]
    return "\n\n".join([*parts, _REST]) + "\n"


def _title(test: str) -> str:
    return test.removeprefix("test_").replace("_", " ").capitalize()


def _both(theirs: str, ours: str) -> str:
    return f"With AWS's package:\n\n{_block(theirs)}\n\nWith durabletest:\n\n{_block(ours)}"


def _block(code: str) -> str:
    return f"```python\n{code}\n```"


_INTRODUCTION = """\
# Seven tests, written twice

The same seven durable functions are tested with AWS's own testing package,
[`aws-durable-execution-sdk-python-testing`](https://pypi.org/project/aws-durable-execution-sdk-python-testing/) 1.4,
in the style of its README, and with durabletest. Both suites claim the same, test by test. AWS's takes {theirs} lines,
durabletest's {ours}: {share} %. (Lines that are not blank, imports included, the functions under test not.)

The code is that of [`tests/comparison/`](../tests/comparison); both suites are run by the checks of this project. To
see for yourself how long each test takes:

```sh
pip install -e '.[test,comparison]' && python -m tests.comparison
```

Where the lines go: payloads and results are Python values in one, JSON text in the other; several facts of an operation
are one chain; an operation is found at any depth by its name; a callback's answer is a line before the run instead of a
conversation with a thread. And where the time goes: AWS's package costs a tenth of a second for each invocation of the
handler. On the machine where this was written its seven tests take 1.6 s, durabletest's 0.1 s."""

_ROWS = (
    ("", "AWS's package 1.4", "durabletest"),
    ("---", "---", "---"),
    (
        "virtual time",
        "real time plus what was skipped; moves when a timer is armed, so that a long timer can win against short ones",
        "moves when nothing runs, exactly to the earliest timer; durations compare with `==`",
    ),
    ("time in handler code", "real", "virtual, frozen between two moves"),
    ("callback, heartbeat and execution timeouts", "real seconds", "virtual"),
    ("results", "JSON text of the SDK's serialiser", "values"),
    (
        "an operation in a context",
        "context by context, with the names that the SDK gives to branches",
        "any name, at any depth",
    ),
    ("an operation of another type", "`get_step` of a wait gives the wait", "an error that names both types"),
    (
        "a failing test shows",
        "the two values of the `assert`",
        "expected and actual, the operations, a timeline, the log",
    ),
    ("SDK", "3", "2 and 3"),
)
_REST = "## What the lines do not show\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in _ROWS)
