"""Names and ids as the service shapes them: functions' names and ARNs, and ids that are the same in every run."""

from __future__ import annotations

import itertools
import re
from base64 import b64encode
from dataclasses import dataclass
from uuid import UUID

from durabletest.errors import ConfigurationError

REGION = "us-east-1"
ACCOUNT = "123456789012"
LATEST = "$LATEST"

_ARN_PREFIX = re.compile(r"^(arn:[^:]+:lambda:)?([a-z0-9-]+-\d:(?=\d{12}:|function:))?(\d{12}:)?(function:)?")
_DURABLE_NAME = re.compile(r"[a-zA-Z0-9_-]+")
_VERSION = re.compile(r"\$LATEST(\.PUBLISHED)?|[0-9]+")
_EXECUTION_SPACE = 1 << 96
_REQUEST_SPACE = 2 << 96


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """A function: its bare name, its version, whether it is durable, and its execution timeout in seconds, if set."""

    name: str
    durable: bool = True
    timeout: int | None = None
    version: str = LATEST

    @property
    def qualified_arn(self) -> str:
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.name}:{self.version}"


def split_name(name: str) -> tuple[str, str | None]:
    """The bare name and the qualifier of a function's name, ``name:qualifier``, partial or full ARN."""
    bare, _, qualifier = _ARN_PREFIX.sub("", name, count=1).partition(":")
    return bare, qualifier or None


def check_durable_name(bare: str) -> None:
    """Raise for a function's name that cannot be part of a durable execution's ARN."""
    if _DURABLE_NAME.fullmatch(bare) is None:
        raise ConfigurationError(
            f"{bare!r} cannot be the name of a durable function: write letters, digits, '-' and '_' only"
        )


def executed_version(qualifier: str | None) -> str:
    """The version that runs for a qualifier: a version number itself, else ``$LATEST``, to which aliases point here."""
    return qualifier if qualifier is not None and _VERSION.fullmatch(qualifier) else LATEST


class IdSource:
    """Issues ids in the shapes that the service model asks for, from counters and operations instead of chance."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self._executions = itertools.count(1)
        self._requests = itertools.count(1)
        self._tokens = itertools.count(1)

    def execution(self) -> str:
        """The last segment of an execution's ARN, and the id of its EXECUTION operation."""
        return str(UUID(int=_EXECUTION_SPACE + next(self._executions)))

    def request(self) -> str:
        return str(UUID(int=_REQUEST_SPACE + next(self._requests)))

    def callback(self, arn: str, operation_id: str) -> str:
        """A callback id, which does not depend on what was created before; base64, as the model asks for."""
        execution = UUID(arn.rsplit("/", 1)[-1]).int - _EXECUTION_SPACE
        return _base64(f"callback/{execution}/{operation_id}")

    def token(self, execution_id: str) -> str:
        return _base64(f"{execution_id}/{next(self._tokens)}")


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()
