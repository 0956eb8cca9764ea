"""The rules of the linter, and the violations of them in the source of one module."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from durabletest.lint.scopes import COMPREHENSIONS, Code, Scope
from durabletest.lint.sources import CURES, source_of

RULES = {
    "clock": "the clock is read outside of a step",
    "random": "a random value is drawn outside of a step",
    "uuid": "a random or time-based UUID is made outside of a step",
    "environment": "the environment, the process or the machine is asked outside of a step",
    "network": "a service or database is called outside of a step",
    "files": "files or processes are used outside of a step",
    "unordered": "operations in the order of a set, which is another one in each process",
    "late-binding": "a branch made in a loop uses the loop's variable when the loop is over",
    "mutated-closure": "a step, child context or branch changes a variable of the code around it",
    "module-state": "code that replays changes a variable of the module",
    "swallowed-suspension": "the exception with which the SDK suspends is caught around operations",
    "swallowed-interruption": "an interrupted at-most-once step is taken for one that has failed",
    "nested-operation": "an operation of the context is called inside of a step",
    "ignore": "a comment that ignores a rule that does not exist",
}
"""The rules by name, each with its subject."""
_MUTATING = re.compile(
    "append|appendleft|extend|extendleft|insert|remove|pop|popleft|popitem|clear|sort|reverse|add|discard|update"
    "|setdefault|(symmetric_)?difference_update|intersection_update"
)
_STATEFUL = ("list", "dict", "set", "bytearray", "deque", "defaultdict", "Counter", "OrderedDict", "count", "cycle")
_LOGGING = ("debug", "info", "warning", "error", "exception", "critical", "log", "print")
_DISPLAYS = (ast.List, ast.Dict, ast.Set, *COMPREHENSIONS)


@dataclass(frozen=True, order=True, slots=True)
class Violation:
    """A complaint; ``line`` and ``column`` count from 1, ``last_line`` is where the code it is about ends."""

    path: str
    line: int
    column: int
    rule: str
    message: str
    last_line: int


def findings_in(source: str, path: str) -> tuple[list[Violation], int]:
    """The findings in a module's source, in order, and the number of its handlers; raises SyntaxError."""
    checker = _Checker(Code(ast.parse(source, path)), path)
    return sorted(set(checker.findings())), len(checker.code.handlers)


class _Checker:
    def __init__(self, code: Code, path: str) -> None:
        self.code = code
        self._path = path
        self._operating: dict[Scope, bool] = {}

    def findings(self) -> Iterator[Violation]:
        """Everything to complain of, in no order."""
        for scope in self.code.replaying:
            yield from self._sources(scope)
            yield from self._loops(scope)
            yield from self._module_state(scope)
            yield from self._swallowed(scope)
        for scope, calls in self.code.checkpointed.items():
            yield from self._mutated(scope)
            yield from (found for call in calls if call is not None for found in self._late_binding(scope, call))
        for scope in self.code.steps:
            yield from self._nested(scope)

    def _finding(self, rule: str, node: ast.AST, scope: Scope, message: str) -> Violation:
        caller = self.code.replaying.get(scope)
        where = f" (in {scope.name!r}, which {caller.name!r} runs)" if caller and caller.name != scope.name else ""
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        last_line = getattr(node, "end_lineno", line) if isinstance(node, ast.expr) else line
        return Violation(self._path, line, column + 1, rule, message + where, last_line)

    # --- values from outside ---

    def _sources(self, scope: Scope) -> Iterator[Violation]:
        for node in scope.nodes:
            if not self._is_logged(node):
                rule = self._source(node, scope)
                if rule is not None:
                    text = ast.unparse(node.func) + "()" if isinstance(node, ast.Call) else ast.unparse(node)
                    yield self._finding(rule, node, scope, f"{text} {CURES[rule]}")

    def _source(self, node: ast.AST, scope: Scope) -> str | None:
        """The rule for a call, or for a look at the environment; None if it may be."""
        if isinstance(node, ast.Attribute | ast.Name):
            parent = self.code.parents.get(node)
            is_part = isinstance(parent, ast.Attribute) or (isinstance(parent, ast.Call) and parent.func is node)
            origin = None if is_part else self.code.origin(node, scope)
            return "environment" if origin in ("os.environ", "os.environb") else None
        origin = self.code.origin(node.func, scope) if isinstance(node, ast.Call) else None
        return source_of(origin, len(node.args) + len(node.keywords)) if origin and isinstance(node, ast.Call) else None

    def _is_logged(self, node: ast.AST) -> bool:
        """Whether a value goes to a log only."""
        above: ast.AST | None = self.code.parents.get(node)
        while above is not None and not isinstance(above, ast.stmt):
            if isinstance(above, ast.Call):
                function = above.func
                name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
                if name in _LOGGING and isinstance(self.code.parents.get(above), ast.Expr):
                    return True
            above = self.code.parents.get(above)
        return False

    # --- order ---

    def _loops(self, scope: Scope) -> Iterator[Violation]:
        for node in scope.nodes:
            iterated: ast.expr | None = None
            if isinstance(node, ast.For) and any(self._operates(one, scope) for one in node.body):
                iterated = node.iter
            elif isinstance(node, COMPREHENSIONS) and self._operates(node, scope):
                iterated = node.generators[0].iter
            elif isinstance(node, ast.Call) and self.code.operation(node, scope) is not None:
                inputs = [one.value for one in node.keywords if one.arg in ("inputs", "functions")]
                if node.func.attr in ("map", "parallel"):  # type: ignore[attr-defined]
                    iterated = next(iter([*inputs, *node.args]), None)
            if iterated is not None and self._is_unordered(iterated, scope):
                text = ast.unparse(iterated)
                message = f"operations in the order of the set {text}, which is another one in each process: "
                yield self._finding("unordered", node, scope, f"{message}sort it")

    def _is_unordered(self, node: ast.AST | None, scope: Scope, depth: int = 5) -> bool:
        match node:
            case ast.Set(elts=elements):
                return not all(isinstance(one, ast.Constant) and isinstance(one.value, int) for one in elements)
            case ast.SetComp():
                return True
            case ast.Call(func=function, args=arguments):
                origin = self.code.origin(function, scope)
                if origin in ("builtins.set", "builtins.frozenset"):
                    return bool(arguments)
                again = ("builtins.list", "builtins.tuple", "builtins.enumerate", "builtins.iter")
                return origin in again and self._is_unordered(next(iter(arguments), None), scope, depth)
            case ast.BinOp(left=left, op=ast.BitOr() | ast.BitAnd() | ast.Sub()):
                return self._is_unordered(left, scope, depth)
            case ast.Name() if depth:
                values = [one for one in self.code.values_of(node, scope) if isinstance(one[0], ast.AST)]
                return bool(values) and all(self._is_unordered(one, at, depth - 1) for one, at in values)  # type: ignore[arg-type]
        return False

    def _operates(self, node: ast.AST, scope: Scope) -> bool:
        """Whether operations are called in a piece of a function, or in functions of the module that it calls."""
        own = set(map(id, scope.nodes))
        inside = {id(one): one for one in ast.walk(node) if id(one) in own and isinstance(one, ast.Call)}
        return self._is_operating(list(inside.values()), scope) or any(
            self._has_operations(function) for call, function in self.code.called(scope) if id(call) in inside
        )

    def _has_operations(self, scope: Scope) -> bool:
        if scope not in self._operating:
            self._operating[scope] = False  # until it is known, for functions that call each other
            calls = [node for node in scope.nodes if isinstance(node, ast.Call)]
            self._operating[scope] = self._is_operating(calls, scope) or any(
                self._has_operations(function) for _, function in self.code.called(scope)
            )
        return self._operating[scope]

    def _is_operating(self, calls: list[ast.Call], scope: Scope) -> bool:
        """Whether one of the calls is an operation, or gives the context away."""
        return any(
            self.code.operation(call, scope) or any(self.code.is_context(value, scope) for value in call.args)
            for call in calls
        )

    def _late_binding(self, scope: Scope, call: ast.Call) -> Iterator[Violation]:
        if scope in self.code.steps or scope.parent is None:
            return
        node: ast.AST = scope.node
        loops: list[tuple[ast.AST, list[ast.expr]]] = []
        while node is not scope.parent.node:
            node = self.code.parents.get(node, scope.parent.node)
            if isinstance(node, ast.For):
                loops.append((node, [node.target]))
            elif isinstance(node, COMPREHENSIONS):
                loops.append((node, [one.target for one in node.generators]))
        for loop, targets in loops:
            names = {one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)}
            used = {name for name in names if name in self._read(scope, scope.parent)}
            if used and not any(one is call for one in ast.walk(loop)):
                name = min(used)
                yield self._finding(
                    "late-binding",
                    scope.node,
                    scope.parent,
                    f"each branch sees the last value of {name!r}, for they run when the loop is over: bind it, by "
                    f"a default, {name}={name}, or by a function that makes the branch",
                )

    def _read(self, scope: Scope, owner: Scope) -> set[str]:
        """The variables of the owner that a function, or one inside of it, reads."""
        inside = [one for one in self.code.scopes.values() if one is scope or scope in one.around]
        names = {(node.id, one) for one in inside for node in one.nodes if _is_read(node)}  # type: ignore[attr-defined]
        return {name for name, one in names if one.owner(name) is owner}

    # --- state ---

    def _mutated(self, begun: Scope) -> Iterator[Violation]:
        """Changes that a checkpointed function, or one that it calls, makes to variables of the code around it."""
        functions, waiting = [begun], [begun]
        while waiting:
            for _, function in self.code.called(waiting.pop()):
                if function not in functions and function not in self.code.checkpointed:
                    functions.append(function)
                    waiting.append(function)
        outside = {one for one in begun.around if isinstance(one.node, ast.FunctionDef | ast.AsyncFunctionDef)}
        kind = "a step" if begun in self.code.steps else "a child context or branch"
        for function in functions:
            for node, name in _mutations(function):
                owner = function.owner(name)
                if owner is None or owner not in outside or not self._is_data(node, name, owner):
                    continue
                if self._is_read_elsewhere(name, owner, functions):
                    message = (
                        f"{name!r} is changed in {kind}, which does not run again in a replay: use what it returns"
                    )
                    yield self._finding("mutated-closure", node, function, message)

    def _is_data(self, node: ast.AST, name: str, owner: Scope) -> bool:
        """Whether a mutation is one of plain data, as far as can be seen."""
        if name in ("self", "cls") or self.code.is_context(ast.Name(name, ast.Load()), owner):
            return False
        if not isinstance(node, ast.Call):
            return not any(isinstance(value, str) for value in owner.values[name])
        values = owner.values[name]
        return name in owner.parameters or any(
            isinstance(value, _DISPLAYS)
            or (isinstance(value, ast.Call) and self.code.last_name(value, owner) in _STATEFUL)
            for value in values
        )

    def _is_read_elsewhere(self, name: str, owner: Scope, functions: list[Scope]) -> bool:
        inside = [one for one in self.code.scopes.values() if one is owner or owner in one.around]
        readers = (one for one in inside if one not in functions and one.owner(name) is owner)
        return any(_is_read(node) and node.id == name for one in readers for node in one.nodes)  # type: ignore[attr-defined]

    def _module_state(self, scope: Scope) -> Iterator[Violation]:
        for node, name in _mutations(scope):
            owner = scope.owner(name)
            is_of_module = owner is self.code.module and self._is_data(node, name, self.code.module)
            if is_of_module and not self._is_memo(node, name, scope):
                yield self._finding(
                    "module-state",
                    node,
                    scope,
                    f"{name!r} is a variable of the module, which each replay changes again, and another process does "
                    "not have: keep the state in steps",
                )

    def _is_memo(self, node: ast.AST, name: str, scope: Scope) -> bool:
        """Whether a value is only remembered: made once, without operations, where it is found to be missing."""
        above = node
        while above is not scope.node:
            above = self.code.parents.get(above, scope.node)
            if isinstance(above, ast.If) and name in map(_named, ast.walk(above.test)):
                return not any(self._operates(one, scope) for one in above.body)
        return False

    # --- exceptions and nesting ---

    def _swallowed(self, scope: Scope) -> Iterator[Violation]:
        for node in scope.nodes:
            if isinstance(node, ast.Try) and any(self._operates(one, scope) for one in node.body):
                yield from self._caught(node, scope)
            elif isinstance(node, ast.With) and any(self._operates(one, scope) for one in node.body):
                for item in node.items:
                    call = item.context_expr
                    suppresses = isinstance(call, ast.Call) and self.code.last_name(call, scope) == "suppress"
                    if suppresses and any(_named(one) == "BaseException" for one in call.args):  # type: ignore[attr-defined]
                        yield self._finding("swallowed-suspension", call, scope, _SWALLOWED.format("suppress()"))

    def _caught(self, node: ast.Try, scope: Scope) -> Iterator[Violation]:
        passed_on: set[str] = set()
        for handler in node.handlers:
            caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
            names = {"BaseException" if one is None else _named(one) for one in caught}
            if any(isinstance(one, ast.Raise) for one in ast.walk(handler)):
                passed_on |= names
                if "BaseException" in passed_on:
                    break
            elif "BaseException" in names and "SuspendExecution" not in passed_on:
                how = "except:" if handler.type is None else "except BaseException:"
                yield self._finding("swallowed-suspension", handler, scope, _SWALLOWED.format(how))
            elif names & {"Exception", "StepError"} and not passed_on & {"StepInterruptedError", "InvocationError"}:
                yield from self._interruption(node, handler, scope)
        for statement in node.finalbody:
            for one in ast.walk(statement):
                if isinstance(one, ast.Return) and one in scope.nodes:
                    yield self._finding("swallowed-suspension", one, scope, _SWALLOWED.format("return in finally"))

    def _interruption(self, node: ast.Try, handler: ast.ExceptHandler, scope: Scope) -> Iterator[Violation]:
        looked_at = {getattr(one, "attr", getattr(one, "id", "")) for one in ast.walk(handler)}
        if looked_at & {"error_type", "StepInterruptedError", "isinstance"}:
            return
        calls = [one for statement in node.body for one in ast.walk(statement) if isinstance(one, ast.Call)]
        if any(self.code.operation(one, scope) and self._is_at_most_once(one, scope) for one in calls):
            message = "the step may have had its effect, and was interrupted then, which is no failure: look whether "
            message += "error.error_type is 'StepInterruptedError'"
            yield self._finding("swallowed-interruption", handler, scope, message)

    def _is_at_most_once(self, call: ast.Call, scope: Scope) -> bool:
        given = [one.value for one in call.keywords if one.arg == "config"] or call.args[2:3]
        configs: list[ast.AST | str | None] = [*given]
        for one in given:
            configs += [value for value, _ in self.code.values_of(one, scope)]
        parts = (part for one in configs if isinstance(one, ast.AST) for part in ast.walk(one))
        return any(isinstance(part, ast.Attribute) and part.attr == "AT_MOST_ONCE_PER_RETRY" for part in parts)

    def _nested(self, scope: Scope) -> Iterator[Violation]:
        for node in scope.nodes:
            if isinstance(node, ast.Call) and self.code.operation(node, scope) is not None:
                yield self._finding(
                    "nested-operation",
                    node,
                    scope,
                    f"{ast.unparse(node.func)}() is called in a step, which cannot hold operations: use "
                    "run_in_child_context in the place of the step",
                )


_SWALLOWED = "{} catches the exception with which the SDK suspends the execution: catch Exception, or raise it again"


def _named(node: ast.AST) -> str:
    return getattr(node, "attr", getattr(node, "id", ""))


def _is_read(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)


def _mutations(scope: Scope) -> Iterator[tuple[ast.AST, str]]:
    """The places at which a function changes a variable, or what it holds, by its name."""
    for node in scope.nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) if name in scope.elsewhere:
                yield node, name
            case ast.Subscript(ctx=ast.Store() | ast.Del()) | ast.Attribute(ctx=ast.Store() | ast.Del()):
                base = _base(node)
                if base is not None:
                    yield node, base
            case ast.Call(func=ast.Attribute(value=value, attr=method)) if _MUTATING.fullmatch(method):
                base = _base(value)
                if base is not None:
                    yield node, base
            case ast.Call(func=ast.Name(id="next"), args=[ast.Name(id=name), *_]):
                yield node, name


def _base(node: ast.AST) -> str | None:
    """The variable that an attribute or item is one of."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None
