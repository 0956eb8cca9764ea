"""The tests of durabletest; importing any of them sets a guard on every answer and event of the local server."""

from tests.local.model_guard import install
from tests.sdk20 import poll_quickly

MODEL_GUARD = install()
"""There is one for the whole process, and nothing that switches it off."""
poll_quickly()
