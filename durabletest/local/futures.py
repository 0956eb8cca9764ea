"""What one thread finds out for others that wait for it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from durabletest.errors import CheckpointServerError, DurableTestError

AnswerT = TypeVar("AnswerT")


def again(error: Exception) -> Exception:
    """The same error for another thread; one of the author's own cannot be copied without knowing it, and is shared."""
    return error.again() if isinstance(error, DurableTestError) else error


def settling(future: Future[AnswerT], question: Callable[[], AnswerT]) -> None:
    """Put the answer in the future, or why there is none."""
    failing(future, lambda: future.set_result(question()))


def failing(future: Future[Any], act: Callable[[], None]) -> None:
    """Act; why that failed is for those who wait for the future, and no harm to others."""
    try:
        act()
    except Exception as error:
        if isinstance(error, CheckpointServerError):
            raise
        if not future.done():
            future.set_exception(error)
