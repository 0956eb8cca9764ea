"""The places where the AWS SDK's threads wait, patched so that the threads take turns, and what a thread did in words.

A *trail* is the list of what one thread did, as the primitives were told: first the arguments that the thread's task
was made with, then the SDK's own objects: updates and identifiers of operations, and operations that were replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial, wraps
from types import SimpleNamespace
from typing import Any, Protocol

from durabletest.model.history import word_for
from durabletest.patches import PatchGroup
from durabletest.sdk import module

_VERBS = {"START": "began", "SUCCEED": "succeeded", "FAIL": "failed", "RETRY": "failed"}
_ON_THE_WAY = ("STARTED", "PENDING", "READY")


class PrimitiveFactory(Protocol):
    """A factory of what the SDK's threads wait with; ``original`` is the class or function that is replaced."""

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
        """The checkpoint thread's queue, which ends the loop of that thread by an exception where it would wait.

        It has ``begin_round``, ``begin_batch`` and ``first``; None to keep the SDK's own queue, and the thread.
        """
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

    def enter_sdk(self, doing: object) -> None:
        """The calling thread enters the SDK from the author's code to write this update; None if there is none."""
        ...

    def replay_listener(self) -> Callable[[object], None] | None:
        """A function to call with each operation that is replayed because it has ended before; None to call nothing."""
        ...

    def leave_sdk(self, doing: object) -> None:
        """The calling thread leaves the SDK for the author's code: the function of the operation so identified."""
        ...


def told(trail: Sequence[object], position: int) -> str:
    """What the thread did from that position of its trail on, and what it had done before, in words."""
    itself = _identity(_context_of_branch(trail))
    came_from = next((step for step in reversed(trail[:position]) if _kind(step)), None)
    ahead = [step for step in trail[position:] if _kind(step)]
    does = next((step for step in ahead if not (_opens(step) and _identity(step) == itself)), next(iter(ahead), None))
    text = f"{owner(trail)} went on" if does is None else f"{named(does, trail)} {_verb(does)}"
    if came_from is None or _opens(came_from) or _identity(came_from) in (itself, _identity(does)):
        return text
    return f"{text} (after {named(came_from, trail)})"


def doings(trail: Sequence[object], position: int, until: int | None, beginnings: bool = False) -> list[str]:
    """The operations in a part of a trail, each once, in order.

    Beginnings of contexts are left out, unless ``beginnings`` is true and there is nothing else.
    """
    steps = [step for step in trail[position:until] if _kind(step)]
    telling = [named(step, trail) for step in steps if not _opens(step)]
    if beginnings and not telling:
        telling = [f"the beginning of {named(step, trail)}" for step in steps]
    return list(dict.fromkeys(telling))


def latest(trail: Sequence[object]) -> str:
    """The last operation of a trail."""
    step = next((step for step in reversed(trail) if _kind(step)), None)
    return owner(trail) if step is None else named(step, trail)


def owner(trail: Sequence[object]) -> str:
    """The branch whose trail it is, or the handler."""
    name = _branch(trail)
    return f"branch {name!r}" if name else "the handler"


def named(step: object, trail: Sequence[object]) -> str:
    """An operation by its type and name, and by the branch whose trail it is in."""
    kind, name, branch = _kind(step), getattr(step, "name", None), _branch(trail)
    assert kind is not None, "only operations are told of"
    word = word_for(getattr(step, "sub_type", None), kind)
    if not name:
        return f"a {word}" if branch is None else f"a {word} in branch {branch!r}"
    return f"{word} {name!r}" if branch in (None, name) else f"{word} {f'{branch}/{name}'!r}"


def _branch(trail: Sequence[object]) -> str | None:
    """The name of the trail's branch; None for the handler's trail."""
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
    """Whether the step begins or resumes a context: the operations inside say more."""
    if _kind(step) != "CONTEXT":
        return False
    return _value(step, "action") == "START" or not (_value(step, "action") or _is_over(step))


def _is_over(step: object) -> bool:
    """Whether the step is an operation that has ended before."""
    status = _value(step, "status")
    return status is not None and status not in _ON_THE_WAY


def _verb(step: object) -> str:
    if _is_over(step):
        return "was replayed"
    action = _value(step, "action")
    return "ran" if action is None else _VERBS.get(action, "went on")


def can_take_turns() -> bool:
    """Whether this SDK has all the places, as 3.0 has; threads of older ones run as the system lets them."""
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
                "fetch_paginated_operations",
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


class ThreadPatches(PatchGroup):
    """Patches that put other primitives in the places where the SDK's threads wait.

    They are for an SDK for which :func:`can_take_turns` holds (since 3.0), and so look for nothing themselves.
    """

    def __init__(self, primitives: PrimitiveFactory) -> None:
        self._primitives = primitives
        super().__init__()

    def install(self) -> None:
        primitives, replace, wrap = self._primitives, self._patches.replace, self._patches.wrap
        state, execution, executor = module("state"), module("execution"), module("concurrency.executor")
        # Callers wait for the checkpoint thread with this event.
        replace(state, "CompletionEvent", partial(primitives.event, state.CompletionEvent))
        # The pool of the handler and the checkpoint thread, and the wait of the first for the second.
        replace(execution, "ThreadPoolExecutor", partial(primitives.pool, execution.ThreadPoolExecutor))
        replace(execution, "wait", partial(primitives.wait, execution.wait))
        # The pool of the branches of ``parallel`` and ``map``, and the queue by which they report to their caller.
        replace(executor, "ThreadPoolExecutor", partial(primitives.pool, executor.ThreadPoolExecutor))
        queue = executor.queue
        replace(executor, "queue", SimpleNamespace(Queue=partial(primitives.queue, queue.Queue), Empty=queue.Empty))
        # The jitter of retries and waits, which a schedule chooses.
        replace(module("config"), "random", SimpleNamespace(random=primitives.random))
        # Plugins hear of changes in a thread of their own.
        wrap(module("plugin"), "threading", self._patched_threading)
        # Deadlines of batches, of refreshes and of branches that wait: virtual time, by whatever clock.
        for owner in (state, executor):
            replace(owner, "time", SimpleNamespace(time=primitives.time))
        # The checkpoint queue is made in ``__init__``; the others are where its thread waits for the first update, and
        # for more of them, and where the pool has to tell that thread from the handler's.
        wrap(state.ExecutionState, "__init__", self._patched_init)
        wrap(state.ExecutionState, "_collect_checkpoint_batch", _patched_collect)
        wrap(state.ExecutionState, "_wait_for_first_operation", _patched_wait_for_first)
        wrap(state.ExecutionState, "checkpoint_batches_forever", _patched_checkpoint_loop)
        wrap(state.ExecutionState, "fetch_paginated_operations", _patched_fetch)
        # The borders between the author's code and the SDK: a thread that has lost its turn gets in line here.
        wrap(state.ExecutionState, "create_checkpoint", self._patched_to_enter)
        wrap(state.ExecutionState, "schedule_refresh", self._patched_to_enter)
        wrap(state.ExecutionState, "wrap_user_function", self._patched_to_leave)

    def _patched_threading(self, original: Any) -> SimpleNamespace:
        """The module :mod:`threading`, with the primitives that plugins use replaced."""
        primitives = self._primitives
        made = {
            "Condition": partial(primitives.condition, original.Condition),
            "Event": partial(primitives.event, original.Event),
            "Thread": partial(primitives.thread, original.Thread),
        }
        return SimpleNamespace(**{**vars(original), **made})

    def _patched_init(self, original: Callable[..., None]) -> Callable[..., None]:
        @wraps(original)
        def initialise(state: Any, *arguments: Any, **named: Any) -> None:
            original(state, *arguments, **named)
            queue = self._primitives.checkpoint_queue()
            if queue is not None:
                state._checkpoint_queue = queue
            replay_listener = self._primitives.replay_listener()
            if replay_listener is not None:
                state.get_checkpoint_result = _patched_get_result(state.get_checkpoint_result, replay_listener)

        return initialise

    def _patched_to_enter(self, original: Callable[..., Any]) -> Callable[..., Any]:
        enter_sdk = self._primitives.enter_sdk

        @wraps(original)
        def entered(state: Any, *arguments: Any, **named: Any) -> Any:
            enter_sdk(arguments[0] if arguments else named.get("operation_update"))
            return original(state, *arguments, **named)

        return entered

    def _patched_to_leave(self, original: Callable[..., Any]) -> Callable[..., Any]:
        leave_sdk = self._primitives.leave_sdk

        @wraps(original)
        def wrap_user_function(state: Any, function: Any, identifier: Any, *arguments: Any, **named: Any) -> Any:
            wrapped = original(state, function, identifier, *arguments, **named)

            def left(*arguments: Any, **named: Any) -> Any:
                leave_sdk(identifier)
                return wrapped(*arguments, **named)

            return left

        return wrap_user_function


def _patched_get_result(original: Callable[..., Any], replay_listener: Callable[[object], None]) -> Callable[..., Any]:
    @wraps(original)
    def get_checkpoint_result(*arguments: Any, **named: Any) -> Any:
        found = original(*arguments, **named)
        if _is_over(found.operation):
            replay_listener(found.operation)
        return found

    return get_checkpoint_result


def _patched_collect(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @wraps(original)
    def collect(state: Any) -> Any:
        begin = getattr(state._checkpoint_queue, "begin_batch", None)
        if begin is not None:
            begin(lambda: not state._overflow_queue.empty())
        return original(state)

    return collect


def _patched_wait_for_first(original: Callable[..., bool]) -> Callable[..., bool]:
    @wraps(original)
    def wait_for_first_operation(state: Any, batch: Any) -> bool:
        queue = state._checkpoint_queue
        queue.first = True
        try:
            return original(state, batch)
        finally:
            queue.first = False

    return wait_for_first_operation


def _patched_checkpoint_loop(original: Callable[[Any], None]) -> Callable[[Any], None]:
    """Tell the queue of each beginning of the loop; mark it, so that the pool can tell it from the handler."""

    @wraps(original)
    def checkpoint_batches_forever(state: Any) -> None:
        begin = getattr(state._checkpoint_queue, "begin_round", None)
        if begin is not None:
            begin()
        original(state)

    checkpoint_batches_forever.sends_checkpoints = True  # type: ignore[attr-defined]
    return checkpoint_batches_forever


def _patched_fetch(original: Callable[..., Any]) -> Callable[..., Any]:
    """The loop keeps the newest token to itself, but for this call after each checkpoint; its next round needs it."""

    @wraps(original)
    def fetch_paginated_operations(
        state: Any, operations: Any, checkpoint_token: str, *arguments: Any, **named: Any
    ) -> Any:
        state._current_checkpoint_token = checkpoint_token
        return original(state, operations, checkpoint_token, *arguments, **named)

    return fetch_paginated_operations
