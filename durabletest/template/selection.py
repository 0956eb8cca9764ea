"""The function under test, in the template that a test names."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from durabletest.errors import ConfigurationError
from durabletest.template.documents import documents_at
from durabletest.template.functions import Template, TemplateFunction

TEMPLATE_VARIABLE = "DURABLETEST_TEMPLATE"


def function_of(settings: type[Any]) -> TemplateFunction | None:
    """The function that these settings choose from their template; None if they have no template.

    The environment variable wins over the template of a class. It counts for a class without a template, too, unless
    that has a handler, which may be another function's.
    """
    variable = os.environ.get(TEMPLATE_VARIABLE)
    if settings.template is None and (not variable or settings.handler is not None):
        if settings.template_function is not None:
            raise ConfigurationError(
                f"{settings.__qualname__}.template_function is {settings.template_function!r}, and there is no "
                "template to choose it from: write template = 'template.yaml'"
            )
        return None
    path = Path(variable) if variable else _found(settings)
    if not path.exists():
        raise ConfigurationError(f"the environment variable {TEMPLATE_VARIABLE} is {variable!r}: there is no such file")
    return choose(path, settings.template_function, settings.__qualname__)


def _found(settings: type[Any]) -> Path:
    """The template of a class: beside its module or in a folder above, or else in the current folder."""
    module = getattr(sys.modules.get(settings.__module__), "__file__", None)
    above = [] if module is None else list(Path(module).resolve().parents)
    for folder in (*above, Path.cwd()):
        if (folder / settings.template).exists():
            return folder / Path(settings.template)
    raise ConfigurationError(
        f"{settings.__qualname__}.template is {os.fspath(settings.template)!r}, which is neither in "
        f"{above[0] if above else Path.cwd()} nor in a folder above: give the path of template.yaml or cdk.out"
    )


def choose(path: Path, wanted: str | None, where: str) -> TemplateFunction:
    """The function under test: the wanted one, ``Id`` or ``Id:alias``, or else the only durable one."""
    functions = [one for document in documents_at(path) for one in Template(document).functions]
    durable = [one for one in functions if one.durable]
    listing = ", ".join(one.names[-1] for one in durable) or "none"
    if wanted is None:
        if len(durable) == 1:
            return durable[0]
        if not durable:
            raise ConfigurationError(f"{where}: {path} has no durable function, which is one with a DurableConfig")
        raise ConfigurationError(
            f"{where}: {path} has {len(durable)} durable functions, {listing}: choose one, "
            f"template_function = {durable[0].names[-1]!r}"
        )
    name, _, alias = wanted.partition(":")
    chosen = [one for one in functions if name in one.names]
    if len(chosen) != 1:
        ids = ", ".join(one.logical_id for one in chosen)
        found = f"has several, {ids}: write the whole id" if chosen else f"has none of that name; durable are {listing}"
        raise ConfigurationError(f"{where}.template_function is {wanted!r}: {path} {found}")
    if not chosen[0].durable:
        raise ConfigurationError(
            f"{where}.template_function is {wanted!r}, which has no DurableConfig, so that Lambda does not run it as a "
            f"durable function. Durable in {path} are: {listing}"
        )
    if alias:
        chosen[0].aliases[:] = [alias]
    return chosen[0]
