"""Where the AWS SDK waits: the places at which its threads can be made to take turns."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any, Protocol

from durabletest.model.naming import word_for
from durabletest.sdk import module

_VERBS = {"START": "began", "SUCCEED": "succeeded", "FAIL": "failed", "RETRY": "failed"}
_ON_THE_WAY = ("STARTED", "PENDING", "READY")


class Primitives(Protocol):
    """Makes what the SDK's threads wait with, in the place of ``original``."""

    def event(self, original: Callable[[], Any]) -> Any:
        """A completion event: ``set(error)``, ``wait(timeout)``, ``is_set()``."""
        ...

    def thread(self, original: Callable[..., Any], *, target: Callable[[], None], **named: Any) -> Any:
        """A thread: ``start``, ``join``."""
        ...

    def condition(self, original: Callable[[], Any]) -> Any:
        """A condition: ``with``, ``wait``, ``notify``."""
        ...

    def queue(self, original: Callable[[], Any]) -> Any:
        """A queue: ``put``, ``get(timeout)``, ``get_nowait``."""
        ...

    def checkpoint_queue(self) -> Any:
        """The queue of the checkpoint thread, with ``begin_batch``; None to keep the SDK's own."""
        ...

    def pool(self, original: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """A thread pool: ``submit``, ``shutdown(wait, cancel_futures)``."""
        ...

    def wait(self, original: Callable[..., Any], futures: Iterable[Any]) -> Any:
        """Wait for futures of such a pool."""
        ...

    def time(self) -> float:
        """Seconds since the epoch."""
        ...

    def random(self) -> float:
        """A number from 0 to 1, for the jitter of delays."""
        ...

    def entering(self, doing: object) -> None:
        """A thread comes to the SDK from the author's code, to write this update (None: no update)."""
        ...

    def replaying(self) -> Callable[[object], None] | None:
        """What is to be called with each operation that a thread finds to have ended already; None to call nothing."""
        ...

    def leaving(self, doing: object) -> None:
        """A thread goes from the SDK to the author's code, the function of the operation with this identifier."""
        ...


def told(trail: Sequence[object], position: int) -> str:
    """What a thread did from a position of its trail on, and what it came from, in words.

    A trail has what the primitives were told: updates and identifiers of operations, operations that were replayed, and
    the arguments of a branch.
    """
    itself = _identity(_context_of_branch(trail))
    came_from = next((step for step in reversed(trail[:position]) if _kind(step)), None)
    ahead = [step for step in trail[position:] if _kind(step)]
    does = next((step for step in ahead if not (_opens(step) and _identity(step) == itself)), next(iter(ahead), None))
    text = f"{owner(trail)} went on" if does is None else f"{named(does, trail)} {_verb(does)}"
    if came_from is None or _opens(came_from) or _identity(came_from) in (itself, _identity(does)):
        return text
    return f"{text} (after {named(came_from, trail)})"


def doings(trail: Sequence[object], position: int, until: int | None, beginnings: bool = False) -> list[str]:
    """The operations that a thread went on with in a part of its trail, each once, in order.

    Beginnings of contexts are told of only if they are wanted, and there is nothing else.
    """
    steps = [step for step in trail[position:until] if _kind(step)]
    telling = [named(step, trail) for step in steps if not _opens(step)]
    if beginnings and not telling:
        telling = [f"the beginning of {named(step, trail)}" for step in steps]
    return list(dict.fromkeys(telling))


def latest(trail: Sequence[object]) -> str:
    """The operation that a thread came to last."""
    step = next((step for step in reversed(trail) if _kind(step)), None)
    return owner(trail) if step is None else named(step, trail)


def owner(trail: Sequence[object]) -> str:
    """Whose trail it is: that of a branch, or of the handler."""
    name = _branch(trail)
    return f"branch {name!r}" if name else "the handler"


def named(step: object, trail: Sequence[object]) -> str:
    """An operation, by its name and that of the branch whose trail it is in."""
    kind, name, branch = _kind(step), getattr(step, "name", None), _branch(trail)
    assert kind is not None, "only operations are told of"
    word = word_for(getattr(step, "sub_type", None), kind)
    if not name:
        return f"a {word}" if branch is None else f"a {word} in branch {branch!r}"
    return f"{word} {name!r}" if branch in (None, name) else f"{word} {f'{branch}/{name}'!r}"


def _branch(trail: Sequence[object]) -> str | None:
    """The name of the branch that a trail is of; None for that of the handler."""
    for argument in trail[0] if isinstance(trail[0], tuple) else ():
        if hasattr(argument, "func") and hasattr(argument, "index"):
            name = getattr(_context_of_branch(trail), "name", None) or argument.name
            return name if isinstance(name, str) else str(argument.index)
    return None


def _context_of_branch(trail: Sequence[object]) -> object:
    contexts = (step for step in trail if getattr(step, "sub_type", None) in ("ParallelBranch", "MapIteration"))
    return next(contexts, None)


def _kind(step: object) -> str | None:
    return _value(step, "operation_type")


def _identity(step: object) -> object:
    return getattr(step, "operation_id", None)


def _value(step: object, name: str) -> str | None:
    value: str | None = getattr(getattr(step, name, None), "value", None)
    return value


def _opens(step: object) -> bool:
    """Whether a context begins or goes on, so that more telling things follow."""
    if _kind(step) != "CONTEXT":
        return False
    return _value(step, "action") == "START" or not (_value(step, "action") or _is_over(step))


def _is_over(step: object) -> bool:
    """Whether it is an operation that has ended before."""
    status = _value(step, "status")
    return status is not None and status not in _ON_THE_WAY


def _verb(step: object) -> str:
    if _is_over(step):
        return "was replayed"
    action = _value(step, "action")
    return "ran" if action is None else _VERBS.get(action, "went on")


def can_take_turns() -> bool:
    """Whether this SDK has all the places; 2.0 lacks some, and its threads run as the system lets them."""
    state, execution, executor = module("state"), module("execution"), module("concurrency.executor")
    places = (
        (state, ("CompletionEvent", "time")),
        (
            getattr(state, "ExecutionState", None),
            (
                "_collect_checkpoint_batch",
                "_wait_for_first_operation",
                "checkpoint_batches_forever",
                "close",
                "create_checkpoint",
                "get_checkpoint_result",
                "register_branch_pool",
                "schedule_refresh",
                "wrap_user_function",
            ),
        ),
        (execution, ("ThreadPoolExecutor", "wait")),
        (module("config"), ("random",)),
        (executor, ("ThreadPoolExecutor", "queue", "time")),
        (module("plugin"), ("threading",)),
    )
    return all(hasattr(owner, name) for owner, names in places for name in names)


class ThreadSeams:
    """Puts other primitives in the places where the SDK's threads wait, and the SDK's own back."""

    def __init__(self, primitives: Primitives) -> None:
        self._primitives = primitives
        self._undo: list[tuple[Any, str, Any]] = []

    def install(self) -> None:
        """Put them in place."""
        primitives = self._primitives
        state, execution, executor = module("state"), module("execution"), module("concurrency.executor")
        real = executor.queue
        config = module("config")
        chance = SimpleNamespace(random=primitives.random)
        queues = SimpleNamespace(Queue=functools.partial(primitives.queue, real.Queue), Empty=real.Empty)
        self._replace(state, "CompletionEvent", lambda event: functools.partial(primitives.event, event))
        self._replace(execution, "ThreadPoolExecutor", lambda pool: functools.partial(primitives.pool, pool))
        self._replace(execution, "wait", lambda wait: functools.partial(primitives.wait, wait))
        self._replace(executor, "ThreadPoolExecutor", lambda pool: functools.partial(primitives.pool, pool))
        self._replace(executor, "queue", lambda _module: queues)
        self._replace(config, "random", lambda _module: chance)
        self._replace(module("plugin"), "threading", self._threading)
        for owner in (state, executor):
            self._replace(owner, "time", lambda _module: SimpleNamespace(time=primitives.time))
        for name, make in (
            ("__init__", self._giving_queue),
            ("_collect_checkpoint_batch", _beginning_batch),
            ("_wait_for_first_operation", _waiting_for_first),
            ("checkpoint_batches_forever", _marked),
            ("create_checkpoint", self._entering),
            ("schedule_refresh", self._entering),
            ("wrap_user_function", self._leaving),
        ):
            self._replace(state.ExecutionState, name, make)

    def remove(self) -> None:
        """Put the SDK back as it was."""
        for owner, name, original in reversed(self._undo):
            setattr(owner, name, original)
        self._undo.clear()

    def _replace(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        original = getattr(owner, name)
        self._undo.append((owner, name, original))
        setattr(owner, name, make(original))

    def _threading(self, original: Any) -> SimpleNamespace:
        """What the SDK's plugins use of :mod:`threading`: they hear of changes in a thread of their own."""
        primitives = self._primitives
        made = {
            "Condition": functools.partial(primitives.condition, original.Condition),
            "Event": functools.partial(primitives.event, original.Event),
            "Thread": functools.partial(primitives.thread, original.Thread),
        }
        return SimpleNamespace(**{**vars(original), **made})

    def _giving_queue(self, original: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(original)
        def initialise(state: Any, *arguments: Any, **named: Any) -> None:
            original(state, *arguments, **named)
            queue = self._primitives.checkpoint_queue()
            if queue is not None:
                state._checkpoint_queue = queue
            replaying = self._primitives.replaying()
            if replaying is not None:
                state.get_checkpoint_result = _replaying(state.get_checkpoint_result, replaying)

        return initialise

    def _entering(self, original: Callable[..., Any]) -> Callable[..., Any]:
        entering = self._primitives.entering

        @functools.wraps(original)
        def entered(state: Any, *arguments: Any, **named: Any) -> Any:
            entering(arguments[0] if arguments else named.get("operation_update"))
            return original(state, *arguments, **named)

        return entered

    def _leaving(self, original: Callable[..., Any]) -> Callable[..., Any]:
        leaving = self._primitives.leaving

        @functools.wraps(original)
        def wrap_user_function(state: Any, function: Any, identifier: Any, *arguments: Any, **named: Any) -> Any:
            wrapped = original(state, function, identifier, *arguments, **named)

            def left(*arguments: Any, **named: Any) -> Any:
                leaving(identifier)
                return wrapped(*arguments, **named)

            return left

        return wrap_user_function


def _replaying(original: Callable[..., Any], replaying: Callable[[object], None]) -> Callable[..., Any]:
    @functools.wraps(original)
    def get_checkpoint_result(*arguments: Any, **named: Any) -> Any:
        found = original(*arguments, **named)
        if _is_over(found.operation):
            replaying(found.operation)
        return found

    return get_checkpoint_result


def _beginning_batch(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @functools.wraps(original)
    def collect(state: Any) -> Any:
        begin = getattr(state._checkpoint_queue, "begin_batch", None)
        if begin is not None:
            begin()
        return original(state)

    return collect


def _waiting_for_first(original: Callable[..., bool]) -> Callable[..., bool]:
    @functools.wraps(original)
    def wait_for_first_operation(state: Any, batch: Any) -> bool:
        queue = state._checkpoint_queue
        queue.first = True
        try:
            return original(state, batch)
        finally:
            queue.first = False

    return wait_for_first_operation


def _marked(original: Callable[[Any], None]) -> Callable[[Any], None]:
    """The pool sees by the mark that the call is the one that sends checkpoints."""

    @functools.wraps(original)
    def checkpoint_batches_forever(state: Any) -> None:
        original(state)

    checkpoint_batches_forever.sends_checkpoints = True  # type: ignore[attr-defined]
    return checkpoint_batches_forever
