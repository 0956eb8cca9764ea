"""The command ``durabletest``, and ``python -m durabletest``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from durabletest import __version__, coverage_command, deploy_check, parity, serve, show
from durabletest.errors import UsageError
from durabletest.lint import command as lint

WRONG_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, by default those of the process, and return the exit status."""
    parser = argparse.ArgumentParser(prog="durabletest", description="Tests for AWS Lambda durable functions.")
    parser.add_argument("--version", action="version", version=f"durabletest {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (parity, show, deploy_check, coverage_command, lint, serve):
        command.add_to(commands)
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except UsageError as error:
        print(f"durabletest: {error}", file=sys.stderr)
        return WRONG_USAGE


if __name__ == "__main__":
    sys.exit(main())
