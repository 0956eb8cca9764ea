"""The functions that chained invokes can name, and the forms in which they can be named."""

from __future__ import annotations

import re
from dataclasses import dataclass

from durabletest.errors import ConfigurationError

REGION = "us-east-1"
ACCOUNT = "123456789012"
LATEST = "$LATEST"

_ARN_PREFIX = re.compile(r"^(arn:[^:]+:lambda:)?([a-z0-9-]+-\d:)?(\d{12}:)?(function:)?")
_DURABLE_NAME = re.compile(r"[a-zA-Z0-9_-]+")
_VERSION = re.compile(r"\$LATEST(\.PUBLISHED)?|[0-9]+")


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """A function: its bare name, its version, whether it is durable, and its execution timeout in seconds, if set."""

    name: str
    durable: bool = True
    timeout: int | None = None
    version: str = LATEST

    @property
    def arn(self) -> str:
        """The function's ARN without a version."""
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.name}"

    @property
    def qualified_arn(self) -> str:
        """The function's ARN with its version, as execution ARNs begin."""
        return f"{self.arn}:{self.version}"


def split_name(name: str) -> tuple[str, str | None]:
    """The bare name and the qualifier of a function's name, ``name:qualifier``, partial or full ARN."""
    bare, _, qualifier = _ARN_PREFIX.sub("", name, count=1).partition(":")
    return bare, qualifier or None


def check_durable_name(bare: str) -> None:
    """Raise for a name that can be no part of a durable execution's ARN, though a function may have it."""
    if _DURABLE_NAME.fullmatch(bare) is None:
        raise ConfigurationError(
            f"{bare!r} cannot be the name of a durable function: write letters, digits, '-' and '_' only"
        )


def executed_version(qualifier: str | None) -> str:
    """The version that runs for a qualifier: a version number itself, else ``$LATEST`` (an alias points to it here)."""
    return qualifier if qualifier is not None and _VERSION.fullmatch(qualifier) else LATEST


class FunctionDirectory:
    """The functions registered for one runner, by the name they were registered with."""

    def __init__(self) -> None:
        self._specs: dict[str, FunctionSpec] = {}

    def register(self, name: str, *, durable: bool, timeout: int | None = None) -> None:
        """Register a function, in place of one that had the same name."""
        bare, qualifier = split_name(name)
        if durable:
            check_durable_name(bare)
        self._specs[name] = FunctionSpec(bare, durable, timeout, executed_version(qualifier))

    def has(self, bare: str) -> bool:
        """Whether a function of that bare name is registered, with whatever qualifier."""
        return any(spec.name == bare for spec in self._specs.values())

    def find(self, target: str) -> tuple[str, FunctionSpec] | None:
        """The registered name and function that ``target`` means.

        As written, else with its qualifier, else the bare name.
        """
        bare, qualifier = split_name(target)
        for candidate in (target, f"{bare}:{qualifier}", bare):
            if candidate in self._specs:
                return candidate, self._specs[candidate]
        return next(((name, spec) for name, spec in self._specs.items() if self._is(spec, name, bare, qualifier)), None)

    def _is(self, spec: FunctionSpec, name: str, bare: str, qualifier: str | None) -> bool:
        return spec.name == bare and split_name(name)[1] in (None, qualifier)
