"""A plain function."""

from __future__ import annotations

from typing import Any


def handler(event: dict[str, Any], context: Any) -> list[Any]:
    return ["NL", context.get_remaining_time_in_millis()]
