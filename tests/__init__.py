"""The tests of durabletest; importing any of them sets a guard on every answer and event of the local server."""

from tests.local.model_guard import install

MODEL_GUARD = install()
"""There is one for the whole process, and nothing that switches it off."""
