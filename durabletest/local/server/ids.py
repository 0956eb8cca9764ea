"""Identifiers that are the same in every run: they come from counters and from operations, not from chance."""

from __future__ import annotations

import itertools
from base64 import b64encode
from uuid import UUID

_EXECUTION_SPACE = 1 << 96
_REQUEST_SPACE = 2 << 96


class IdSource:
    """Gives out ids in the shapes that the service model asks for; replace it to choose others."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin to count anew."""
        self._executions = itertools.count(1)
        self._requests = itertools.count(1)
        self._tokens = itertools.count(1)

    def execution(self) -> str:
        """The last segment of an execution's ARN, also the id of its EXECUTION operation."""
        return str(UUID(int=_EXECUTION_SPACE + next(self._executions)))

    def request(self) -> str:
        """The request id of one invocation."""
        return str(UUID(int=_REQUEST_SPACE + next(self._requests)))

    def callback(self, arn: str, operation_id: str) -> str:
        """A callback id, which does not depend on what else was created before; base64, as the model wants it."""
        execution = UUID(arn.rsplit("/", 1)[-1]).int - _EXECUTION_SPACE
        return _base64(f"callback/{execution}/{operation_id}")

    def token(self, execution_id: str) -> str:
        """A checkpoint token; base64, as the service model's pattern wants it."""
        return _base64(f"{execution_id}/{next(self._tokens)}")


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()
