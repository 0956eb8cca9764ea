"""The tests of durabletest; importing any of them sets two guards.

One checks every answer and event of the local server, the other what is left when the process ends.
"""

from tests import leftovers
from tests.local.model_guard import install

MODEL_GUARD = install()
"""There is one for the whole process, and nothing that switches it off."""
leftovers.watch()
