"""Who waits for what, in an environment."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from threading import Thread
from typing import Any


@dataclass(slots=True, eq=False)
class Wait:
    """Somebody waits for the end of an execution, for an instant, or (neither is given) for a future of the model.

    ``thread`` is blocked by it. The future's result is None; its exception says why the wait is in vain.
    """

    arn: str | None
    thread: Thread
    until: datetime | None = None
    future: Future[Any] = field(default_factory=Future)
