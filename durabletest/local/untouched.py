"""Modules in which freezegun replaces nothing.

It matches names by how they begin, and so would leave a user's ``gift_shop`` out for the sake of ``gi``: here an entry
is a package with the modules in it, and nothing else.
"""

from __future__ import annotations

import sys

import freezegun.config

_KEEP_REAL = (
    "durabletest",
    "_pytest",
    "pytest_timeout",
    "unittest",
    "hypothesis",
    "coverage",
    "concurrent.futures",
    "multiprocessing",
    "asyncio",
    "freezegun",
)
"""Packages that are left out of the scan, with the modules in them, and beside those that freezegun leaves out."""
_NOT_LEFT_OUT = ("threading", "queue")
"""freezegun leaves them out for their timeouts, which need no more than a real monotonic clock."""


def left_out() -> tuple[str, ...]:
    """The packages that are left out of the scan."""
    configured = freezegun.config.settings.default_ignore_list
    return tuple({*_KEEP_REAL, *(name.rstrip(".") for name in configured if name not in _NOT_LEFT_OUT)})


def configured() -> list[str]:
    """Those that the user has told freezegun to leave alone, as prefixes, which is what they are there."""
    known = {*freezegun.config.DEFAULT_IGNORE_LIST}
    return [name for name in freezegun.config.settings.default_ignore_list if name not in known]


def as_prefixes(packages: tuple[str, ...]) -> tuple[str, ...]:
    """As freezegun wants them; a package itself is one only if that hits no module which merely begins like it."""
    hits = [name for name in list(sys.modules) if name.startswith(packages)]
    safe = [package for package in packages if all(is_in(n, (package,)) for n in hits if n.startswith(package))]
    return (*(f"{package}." for package in packages), *safe)


def is_in(module: str, packages: tuple[str, ...]) -> bool:
    return module in packages or module.startswith(tuple(f"{package}." for package in packages))
