"""The names in requirement files: what they look like, and values in their place."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Mapping
from typing import Any

NAME = re.compile(r"\$\{([A-Za-z][A-Za-z0-9_]*)\}")
_GENERATED = re.compile(r"\$\{GEN_STR:(\d+)\}")
_ALPHABET = string.ascii_letters + string.digits


def fill(document: Any, names: Mapping[str, Any]) -> Any:
    """The document with the names that are known replaced by their values; others stay as they are."""
    if isinstance(document, Mapping):
        return {key: fill(value, names) for key, value in document.items()}
    if isinstance(document, list):
        return [fill(item, names) for item in document]
    if isinstance(document, str):
        return NAME.sub(lambda found: str(names.get(found[1], found[0])), document)
    return document


def generate(variables: Mapping[str, str], seed: str) -> dict[str, str]:
    """Values for the variables of a requirement: random, and the same in every run."""
    source = random.Random(seed)

    def text(found: re.Match[str]) -> str:
        return "".join(source.choices(_ALPHABET, k=int(found[1])))

    return {name: _GENERATED.sub(text, value) for name, value in variables.items()}
