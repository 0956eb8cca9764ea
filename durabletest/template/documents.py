"""Template files: SAM and CloudFormation in YAML or JSON, and the folder that ``cdk synth`` writes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from durabletest.errors import ConfigurationError

_MANIFEST = "manifest.json"
_IN_A_FOLDER = ("template.yaml", "template.yml", "template.json")
"""The names that a template has in a folder, one of ``sam build`` for example."""
_STACK, _ASSEMBLY = "aws:cloudformation:stack", "cdk:cloud-assembly"
"""The types of artifacts of CDK that are templates, or folders with a manifest of their own."""


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """The parsed template in a file; paths in it begin in the file's folder. ``stack`` is the name of CDK's stack."""

    file: Path
    body: Mapping[str, Any]
    stack: str | None = None


def documents_at(path: Path) -> tuple[Document, ...]:
    """The template in that file, or those in that folder: one of SAM, or one for each stack of CDK."""
    if not path.is_dir():
        return (Document(path, _body(path)),)
    if (path / _MANIFEST).is_file():
        found = tuple(_of_assembly(path))
        if not found:
            raise ConfigurationError(f"{path / _MANIFEST} names no stack: run cdk synth")
        return found
    for name in _IN_A_FOLDER:
        if (path / name).is_file():
            return (Document(path / name, _body(path / name)),)
    raise ConfigurationError(
        f"the folder {path} has no template: neither the {_MANIFEST} of cdk synth, nor {' or '.join(_IN_A_FOLDER)}"
    )


def _of_assembly(folder: Path) -> Iterator[Document]:
    manifest = _body(folder / _MANIFEST)
    for name, artifact in manifest.get("artifacts", {}).items():
        properties = artifact.get("properties", {})
        if artifact.get("type") == _STACK:
            file = folder / properties["templateFile"]
            yield Document(file, _body(file), properties.get("stackName", name))
        elif artifact.get("type") == _ASSEMBLY:
            yield from _of_assembly(folder / properties["directoryName"])


def _body(file: Path) -> Mapping[str, Any]:
    try:
        status = file.stat()
    except OSError as error:
        raise ConfigurationError(f"the template {file} cannot be read: {error.strerror}") from None
    return _parsed(file, status.st_mtime_ns, status.st_size)


@cache
def _parsed(file: Path, _modified: int, _size: int) -> Mapping[str, Any]:
    """The content of a file, which is read again when it has changed."""
    text = file.read_text(encoding="utf-8")
    body = _json(text, file) if file.suffix == ".json" else _yaml(text, file)
    if not isinstance(body, dict):
        raise ConfigurationError(f"{file} is no template: it holds {type(body).__name__}, not Resources by their names")
    return body


def _json(text: str, file: Path) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"{file} is no JSON: {error}") from None


def _yaml(text: str, file: Path) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise ConfigurationError(
            f"{file} is read with PyYAML, which cannot be imported ({error}): pip install 'durabletest[template]'"
        ) from error

    class Loader(yaml.SafeLoader):
        """Knows CloudFormation's short forms, ``!Ref`` for example, and leaves dates as they are written."""

        yaml_implicit_resolvers = {
            first: [one for one in resolvers if one[0] != "tag:yaml.org,2002:timestamp"]
            for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    def long_form(loader: Any, name: str, node: Any) -> dict[str, Any]:
        if isinstance(node, yaml.ScalarNode):
            value: Any = loader.construct_scalar(node)
        elif isinstance(node, yaml.SequenceNode):
            value = loader.construct_sequence(node, deep=True)
        else:
            value = loader.construct_mapping(node, deep=True)
        if name == "GetAtt" and isinstance(value, str):
            value = value.split(".", 1)
        return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}

    Loader.add_multi_constructor("!", long_form)
    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{file} is no YAML: {error}") from None
