"""The functions of a module, what their names stand for, and which of them replay.

Code of a handler, of child contexts and of branches *replays*: it runs again in each invocation. Functions given to
``context.step``, ``wait_for_callback`` and ``wait_for_condition`` run in a step, whose result is recorded.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of the context: where its function stands among the arguments, and whether that is a step."""

    position: int | None = None
    keyword: str = "func"
    is_step: bool = False


OPERATIONS = {
    "step": Operation(0, is_step=True),
    "wait_for_callback": Operation(0, "submitter", is_step=True),
    "wait_for_condition": Operation(0, "check", is_step=True),
    "run_in_child_context": Operation(0),
    "map": Operation(1),
    "parallel": Operation(0, "functions"),
    "invoke": Operation(),
    "create_callback": Operation(),
    "wait": Operation(),
}
_HANDLER, _CHILDREN = "durable_execution", ("durable_with_child_context", "durable_parallel_branch")
_STEPS = ("durable_step", "durable_wait_for_callback")
_AT_ONCE = {f"builtins.{name}" for name in ("sorted", "map", "filter", "min", "max", "any", "all", "sum")}
"""Builtins that call a function that they are given, there and then."""


@dataclass(eq=False)
class Scope:
    """A module, class or function. ``nodes`` are its own ones, without those of functions inside.

    ``values`` holds by name what it is bound to: an expression, a function's or class's node, the dotted name of an
    import, or None for what is not known.
    """

    node: ast.AST
    parent: Scope | None
    nodes: list[ast.AST] = field(default_factory=list)
    values: dict[str, list[ast.AST | str | None]] = field(default_factory=dict)
    elsewhere: set[str] = field(default_factory=set)
    """Names that a ``global`` or ``nonlocal`` statement makes those of a scope outside."""
    parameters: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of a function; a lambda has none, and is called as its function is."""
        if isinstance(self.node, ast.Lambda) and self.parent is not None:
            return self.parent.name
        return getattr(self.node, "name", "the module")

    @property
    def around(self) -> Iterator[Scope]:
        """The scopes around it, from the inside."""
        scope = self.parent
        while scope is not None:
            yield scope
            scope = scope.parent

    def owner(self, name: str) -> Scope | None:
        """The scope whose variable that name is, seen from here; None for builtins."""
        if name in self.values and name not in self.elsewhere:
            return self
        outer = (scope for scope in self.around if not isinstance(scope.node, ast.ClassDef))
        return next((scope for scope in outer if name in scope.values and name not in scope.elsewhere), None)

    def bind(self, name: str, value: ast.AST | str | None) -> None:
        self.values.setdefault(name, []).append(value)


class Code:
    """A module's source. ``replaying`` maps each function that replays to the one that calls it, None for a handler.

    ``checkpointed`` maps each function that runs in a step, child context or branch to the calls that run it; what it
    does to variables is not done again once that has ended. ``steps`` are those of them that are steps.
    """

    def __init__(self, tree: ast.Module) -> None:
        self.scopes: dict[ast.AST, Scope] = {}
        self.parents: dict[ast.AST, ast.AST] = {}
        self.replaying: dict[Scope, Scope | None] = {}
        self.checkpointed: dict[Scope, list[ast.Call | None]] = {}
        self.steps: set[Scope] = set()
        self.handlers: list[Scope] = []
        self._contexts: set[tuple[Scope, str]] = set()
        self.module = self._scope(tree, None)
        for statement in tree.body:
            self._collect(statement, self.module)
        self._find_beginnings()

    # --- scopes ---

    def _scope(self, node: ast.AST, parent: Scope | None) -> Scope:
        scope = self.scopes[node] = Scope(node, parent)
        return scope

    def _collect(self, node: ast.AST, scope: Scope) -> None:
        """Put a node and those below it into their scopes."""
        scope.nodes.append(node)
        self._bind(node, scope)
        inside: Sequence[ast.AST] = ()
        function = scope
        if isinstance(node, _FUNCTIONS):
            inside = node.body if isinstance(node.body, list) else [node.body]
            function = self._scope(node, scope)
            arguments = node.args
            every = (*arguments.posonlyargs, *arguments.args, arguments.vararg, *arguments.kwonlyargs, arguments.kwarg)
            for argument in filter(None, every):
                function.parameters.append(argument.arg)
                function.bind(argument.arg, None)
        elif isinstance(node, ast.ClassDef):
            inside, function = node.body, self._scope(node, scope)
        for child in ast.iter_child_nodes(node):
            self.parents[child] = node
            self._collect(child, function if child in inside else scope)

    def _bind(self, node: ast.AST, scope: Scope) -> None:
        match node:
            case ast.Import(names=names):
                for alias in names:
                    package = alias.name.split(".")[0]
                    scope.bind(alias.asname or package, alias.name if alias.asname else package)
            case ast.ImportFrom(module=module, names=names, level=level):
                for alias in names:
                    scope.bind(alias.asname or alias.name, f"{'.' * level}{module or ''}.{alias.name}")
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                scope.bind(name, node)
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                scope.elsewhere.update(names)
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._bind_target(target, value, scope)
            case ast.AnnAssign(target=target, value=value) | ast.NamedExpr(target=target, value=value):
                self._bind_target(target, value, scope)
            case ast.withitem(optional_vars=ast.expr() as target, context_expr=value):
                self._bind_target(target, value, scope)
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                scope.values.setdefault(name, [])
            case ast.ExceptHandler(name=str(name)):
                scope.bind(name, None)

    def _bind_target(self, target: ast.AST, value: ast.AST | None, scope: Scope) -> None:
        if isinstance(target, ast.Name):
            scope.bind(target.id, value)

    # --- names ---

    def values_of(self, node: ast.expr, scope: Scope) -> Iterator[tuple[ast.AST | str | None, Scope]]:
        """The values of a name, each with the scope in which it is bound."""
        if isinstance(node, ast.Name) and (owner := scope.owner(node.id)) is not None:
            yield from ((value, owner) for value in owner.values[node.id])

    def origin(self, node: ast.AST | None, scope: Scope, depth: int = 8) -> str | None:
        """The dotted name of what an expression stands for, ``boto3.client().put_item``; None if it is not known."""
        if depth == 0:
            return None
        match node:
            case ast.Name(id=name):
                if scope.owner(name) is None:
                    return f"builtins.{name}"
                for value, owner in self.values_of(node, scope):
                    if isinstance(value, str):
                        return value
                    found = None if isinstance(value, (*_FUNCTIONS, ast.ClassDef)) else value
                    known = self.origin(found, owner, depth - 1)
                    if known is not None:
                        return known
            case ast.Attribute(value=value, attr=attr):
                base = self.origin(value, scope, depth - 1)
                return None if base is None else f"{base}.{attr}"
            case ast.Call(func=function):
                base = self.origin(function, scope, depth - 1)
                return None if base is None else f"{base}()"
            case ast.Await(value=value):
                return self.origin(value, scope, depth)
        return None

    def last_name(self, node: ast.AST, scope: Scope) -> str:
        """The last part of the dotted name of a decorator or a called function."""
        function = node.func if isinstance(node, ast.Call) else node
        name = self.origin(function, scope) or str(getattr(function, "attr", ""))
        return name.rpartition(".")[2]

    def functions(self, node: ast.AST | str | None, scope: Scope, depth: int = 8) -> Iterator[Scope]:
        """The functions that an expression stands for or holds: in lists, partials, branches, factories."""
        if depth == 0 or node is None or isinstance(node, str):
            return
        parts: Sequence[ast.AST] = ()
        match node:
            case ast.Lambda() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield self.scopes[node]
            case ast.Name(id=name):
                for value, owner in self.values_of(node, scope):
                    yield from self.functions(value, owner, depth - 1)
                parts = self._appended(name, scope)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=attr):
                for outer in scope.around:
                    if isinstance(outer.node, ast.ClassDef):
                        parts = [value for value in outer.values.get(attr, ()) if isinstance(value, ast.AST)]
            case ast.Call(func=function, args=arguments, keywords=keywords):
                if self.last_name(node, scope) in ("partial", "ParallelBranch", "list", "tuple"):
                    parts = [*arguments[:1], *(one.value for one in keywords if one.arg == "func")]
                else:
                    yield from self._made_by(function, scope, depth)
            case ast.ListComp(elt=element) | ast.GeneratorExp(elt=element) | ast.Starred(value=element):
                parts = [element]
            case ast.List() | ast.Tuple() | ast.IfExp() | ast.BinOp():
                parts = list(ast.iter_child_nodes(node))
        for part in parts:
            yield from self.functions(part, scope, depth - 1)

    def _made_by(self, function: ast.expr, scope: Scope, depth: int) -> Iterator[Scope]:
        """The functions that come of a call: the decorated one itself, or those that a factory returns."""
        for called in self.functions(function, scope, depth - 1):
            if self._decorators(called) & {*_CHILDREN, *_STEPS}:
                yield called
                continue
            for node in called.nodes:
                if isinstance(node, ast.Return):
                    yield from self.functions(node.value, called, depth - 1)

    def _appended(self, name: str, scope: Scope) -> list[ast.AST]:
        owner = scope.owner(name)
        found: list[ast.AST] = []
        for node in () if owner is None else owner.nodes:
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id=base), attr="append" | "extend"), args=[value]):
                    found += [value] if base == name else []
        return found

    def _decorators(self, function: Scope) -> set[str]:
        outside = function.parent or function
        return {self.last_name(one, outside) for one in getattr(function.node, "decorator_list", ())}

    # --- which functions replay ---

    def operation(self, node: ast.AST, scope: Scope) -> Operation | None:
        """The operation that a call is, or whose result it waits for; None if it is none."""
        match node:
            case ast.Call(func=ast.Attribute(value=base, attr=method)) if method in OPERATIONS:
                return OPERATIONS[method] if self.is_context(base, scope) else None
            case ast.Call(func=ast.Attribute(value=ast.Name() as base, attr="result")):
                created = (value for value, owner in self.values_of(base, scope) if self._is_callback(value, owner))
                return OPERATIONS["create_callback"] if next(created, None) is not None else None
        return None

    def _is_callback(self, value: ast.AST | str | None, scope: Scope) -> bool:
        match value:
            case ast.Call(func=ast.Attribute(value=base, attr="create_callback")):
                return self.is_context(base, scope)
        return False

    def is_context(self, node: ast.AST | None, scope: Scope, depth: int = 8) -> bool:
        """Whether an expression stands for a durable context."""
        match node:
            case ast.Name(id=name):
                owner = scope.owner(name)
                if owner is None or depth == 0:
                    return False
                bound = [value for value in owner.values[name] if isinstance(value, ast.Name | ast.Attribute)]
                return (owner, name) in self._contexts or any(self.is_context(one, owner, depth - 1) for one in bound)
            case ast.Attribute(value=ast.Name(id="self"), attr="context" | "ctx"):
                return True
        return False

    def called(self, scope: Scope) -> Iterator[tuple[ast.Call, Scope]]:
        """The calls of functions of this module, directly or by a builtin that is given one."""
        for node in scope.nodes:
            if isinstance(node, ast.Call) and self.operation(node, scope) is None:
                given = node.args if self.origin(node.func, scope) in _AT_ONCE else ()
                for function in (node.func, *given, *(one.value for one in node.keywords if given and one.arg)):
                    if isinstance(function, ast.Name | ast.Attribute | ast.Lambda):
                        for found in self.functions(function, scope):
                            yield node, found

    def _find_beginnings(self) -> None:
        functions = [scope for scope in self.scopes.values() if isinstance(scope.node, _FUNCTIONS)]
        wrapped = [
            function
            for scope in self.scopes.values()
            for node in scope.nodes
            if isinstance(node, ast.Call) and self.last_name(node, scope) == _HANDLER
            for function in self.functions(next(iter(node.args), None), scope)
        ]
        begin: list[Scope] = []
        for function in functions:
            decorators = self._decorators(function)
            annotated = _annotated(function)
            if _HANDLER in decorators or function in wrapped:
                self.handlers.append(function)
                annotated += function.parameters[1:2]
            if decorators & {*_CHILDREN}:
                annotated += function.parameters[:1]
                self.checkpointed.setdefault(function, [None])
            self._contexts.update((function, name) for name in annotated)
            if decorators & {*_STEPS}:
                self.steps.add(function)
                self.checkpointed.setdefault(function, [None])
            elif annotated:
                begin.append(function)
        for function in begin:
            self._replays(function, None)

    def _replays(self, scope: Scope, caller: Scope | None) -> None:
        if scope in self.replaying or scope in self.steps:
            return
        self.replaying[scope] = caller
        for node in scope.nodes:
            if isinstance(node, ast.Call):
                self._follow(node, scope)
        for call, function in list(self.called(scope)):
            for argument, name in zip(call.args, function.parameters, strict=False):
                if self.is_context(argument, scope):
                    self._contexts.add((function, name))
            self._replays(function, scope)

    def _follow(self, call: ast.Call, scope: Scope) -> None:
        """Find the functions that an operation, or a branch, is given."""
        operation = self.operation(call, scope)
        if operation is None or operation.position is None:
            return
        given = [one.value for one in call.keywords if one.arg == operation.keyword]
        for function in self.functions(next(iter([*given, *call.args[operation.position :]]), None), scope):
            self.checkpointed.setdefault(function, []).append(call)
            if operation.is_step:
                self.steps.add(function)
            else:
                self._contexts.update((function, name) for name in function.parameters[:1])
                self._replays(function, scope)


def _annotated(function: Scope) -> list[str]:
    """The parameters that are annotated as a durable context."""
    arguments: ast.arguments = function.node.args  # type: ignore[attr-defined]
    every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    return [one.arg for one in every if one.annotation is not None and "DurableContext" in ast.unparse(one.annotation)]
