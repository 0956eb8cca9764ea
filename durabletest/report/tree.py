"""Operations in the order in which people read them: each context, then what is inside it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from durabletest.model.canonical import Branch, by_name
from durabletest.model.enums import SIDE_BY_SIDE


class TreeNode(Branch, Protocol):
    """What places an operation in the tree."""

    @property
    def sub_type(self) -> str | None: ...
    @property
    def parent_id(self) -> str | None: ...


NodeT = TypeVar("NodeT", bound=TreeNode)


@dataclass(frozen=True)
class Placed(Generic[NodeT]):
    """An operation and the contexts around it, the outermost first."""

    node: NodeT
    ancestors: tuple[NodeT, ...]


def tree_order(nodes: Iterable[NodeT]) -> list[Placed[NodeT]]:
    """The nodes, given in execution order, as a tree that is the same in every run.

    Which of two parallel branches starts first is open, so the branches of a parallel or map come by their names,
    and those of one name by their ids. An operation whose context is not among the nodes stands at the outermost level.
    """
    known = {node.id: node for node in nodes}
    inside: dict[str | None, list[NodeT]] = {}
    for node in known.values():
        inside.setdefault(node.parent_id if node.parent_id in known else None, []).append(node)
    return _placed(inside)


def _placed(inside: dict[str | None, list[NodeT]]) -> list[Placed[NodeT]]:
    """Without recursion: contexts may be nested deeply."""
    placed: list[Placed[NodeT]] = []
    waiting: list[Placed[NodeT]] = [Placed(node, ()) for node in reversed(inside.get(None, []))]
    while waiting:
        current = waiting.pop()
        placed.append(current)
        around = (*current.ancestors, current.node)
        waiting.extend(Placed(child, around) for child in reversed(_children(inside, current.node)))
    return placed


def _children(inside: dict[str | None, list[NodeT]], parent: NodeT) -> list[NodeT]:
    children = inside.get(parent.id, [])
    if parent.sub_type not in SIDE_BY_SIDE:
        return children
    return sorted(children, key=by_name)
