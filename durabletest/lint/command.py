"""The command ``durabletest lint``: files in, findings out, as text, JSON or annotations of GitHub."""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import sys
import tokenize
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from durabletest.errors import UsageError
from durabletest.lint.rules import RULES, Violation, findings_in
from durabletest.model.lookup import listed, nearest
from durabletest.report.table import printable

CLEAN, COMPLAINS, UNREADABLE = 0, 1, 2
_COMMENT = re.compile(r"#\s*durabletest:\s*ignore\b\s*(?:\[(?P<rules>[^\]]*)\])?")
_SKIPPED = ("node_modules", "site-packages", "venv", "__pycache__")
_EPILOG = """\
A comment at the end of a line, or of the last line of an expression, ignores a finding: # durabletest: ignore[clock]
The exit status is 0 if there is nothing to complain of, 1 if there is, 2 if a file cannot be read."""


def add_to(commands: Any) -> None:
    """Add the command to the subparsers of ``durabletest``."""
    rules = "\n".join(f"  {rule:<24}{text}" for rule, text in RULES.items())
    parser = commands.add_parser(
        "lint",
        help="find what durable functions must not do",
        description="Find what durable functions must not do, in their source and without running it.",
        epilog=f"rules:\n{rules}\n\n{_EPILOG}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", metavar="PATH", nargs="+", help="a file, or a folder with files *.py")
    parser.add_argument("--format", choices=tuple(_FORMATS), default="text", help="text, json, or github annotations")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    files = [file for path in options.paths for file in files_of(path)]
    findings: list[Violation] = []
    unreadable: list[str] = []
    handlers = 0
    for file in dict.fromkeys(files):
        try:
            found, number = lint(file)
        except UsageError as error:
            unreadable.append(str(error))
            continue
        findings += found
        handlers += number
    sys.stdout.write(printable(_FORMATS[options.format](findings), sys.stdout))
    if options.format == "text":
        sys.stdout.write(f"{_summary(len(findings), handlers, len(set(files)) - len(unreadable))}\n")
    sys.stderr.writelines(f"durabletest: {text}\n" for text in unreadable)
    return UNREADABLE if unreadable else COMPLAINS if findings else CLEAN


def files_of(path: str) -> list[Path]:
    """The file of that path, or all Python files of that folder; raises UsageError if there is none.

    Folders of installed packages, and those whose names begin with a dot, are left out.
    """
    given = Path(path)
    if not given.exists():
        beside = [one.name for one in given.parent.glob("*")] if given.parent.is_dir() else []
        raise UsageError(f"there is no file or folder {path!r}, seen from {Path.cwd()}{nearest(given.name, beside)}")
    if given.is_file():
        return [given]
    found: list[Path] = []
    for folder, folders, names in os.walk(given):
        folders[:] = sorted(one for one in folders if not one.startswith(".") and one not in _SKIPPED)
        found += [Path(folder, name) for name in sorted(names) if name.endswith(".py")]
    if not found:
        raise UsageError(f"the folder {path!r} has no files *.py")
    return found


def lint(file: Path) -> tuple[list[Violation], int]:
    """The findings in a file that no comment ignores, and the number of its handlers.

    Raises UsageError if it cannot be read, or is not Python.
    """
    try:
        with tokenize.open(file) as stream:
            source = stream.read()
        found, handlers = findings_in(source, str(file))
    except OSError as error:
        raise UsageError(f"{str(file)!r} cannot be read: {error.strerror}") from error
    except (SyntaxError, ValueError, RecursionError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise UsageError(f"{str(file)!r} is not Python{line}: {getattr(error, 'msg', error)}") from error
    ignored = dict(_ignored(source))
    kept = [
        one
        for one in found
        if not any(one.rule in ignored.get(line, ()) for line in range(one.line, one.last_line + 1))
    ]
    return sorted([*kept, *_misspelt(ignored, str(file))]), handlers


def _ignored(source: str) -> Iterator[tuple[int, Sequence[str]]]:
    """The rules that comments ignore, by line; an empty text stands for a comment that names none."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        match = _COMMENT.search(token.string) if token.type == tokenize.COMMENT else None
        if match is not None:
            yield token.start[0], [rule.strip() for rule in (match["rules"] or "").split(",")]


def _misspelt(ignored: Mapping[int, Sequence[str]], path: str) -> Iterator[Violation]:
    for line, rules in ignored.items():
        for rule in rules:
            if rule not in RULES:
                text = f"there is no rule {rule!r}{nearest(rule, [*RULES])}" if rule else "the comment names no rule"
                message = f"{text}; write # durabletest: ignore[RULE] with one of {listed([*RULES])}"
                yield Violation(path, line, 1, "ignore", message, line)


def _text(findings: Sequence[Violation]) -> str:
    return "".join(f"{one.path}:{one.line}:{one.column}: {one.rule}: {one.message}\n" for one in findings)


def _json(findings: Sequence[Violation]) -> str:
    return json.dumps([asdict(one) for one in findings], indent=2) + "\n"  # in ASCII, for terminals of any encoding


def _github(findings: Sequence[Violation]) -> str:
    """Workflow commands, of which GitHub makes annotations at the lines of a pull request."""
    return "".join(
        f"::error file={_escaped(one.path, ',:')},line={one.line},col={one.column},"
        f"title=durabletest {one.rule}::{_escaped(one.message)}\n"
        for one in findings
    )


def _escaped(text: str, more: str = "") -> str:
    return "".join(f"%{ord(one):02X}" if one in f"%\r\n{more}" else one for one in text)


_FORMATS: Mapping[str, Callable[[Sequence[Violation]], str]] = {"text": _text, "json": _json, "github": _github}


def _summary(findings: int, handlers: int, files: int) -> str:
    where = "1 file" if files == 1 else f"{files} files"
    if not handlers and not findings:
        return f"No findings: there is no durable function in {where}."
    functions = "1 durable function" if handlers == 1 else f"{handlers} durable functions"
    return f"{findings or 'No'} finding{'' if findings == 1 else 's'} in {functions} of {where}."
