"""The tests of durabletest; importing any of them sets a guard on every answer and event of the local server."""

import os

from tests.quicker import poll_sdk_quickly, share_service_models

os.environ["COLUMNS"] = "100"  # reports are compared, and as wide as the terminal otherwise
share_service_models()

from tests.local.model_guard import install  # noqa: E402 - it reads a service model

MODEL_GUARD = install()
"""There is one for the whole process, and nothing that switches it off."""
poll_sdk_quickly()
