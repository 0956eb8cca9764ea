"""The types of event that a history can have, as botocore's model of the service names them."""

from __future__ import annotations

from functools import cache

import botocore.session


@cache
def event_types() -> tuple[str, ...]:
    """All of them, in the model's order."""
    model = botocore.session.get_session().get_service_model("lambda")
    return tuple(model.shape_for("EventType").enum)
