"""Skips for versions of the AWS SDK that lack something."""

from __future__ import annotations

import unittest

from aws_durable_execution_sdk_python import durable_execution

from durabletest import sdk_threads

needs_turns = unittest.skipUnless(
    sdk_threads.can_take_turns(), "this version of the SDK has its threads run as the system lets them"
)
TELLS_NAMES = durable_execution(lambda event, context: None).__module__ == __name__
"""False where the decorated function has the name of a function of the SDK."""
needs_names = unittest.skipUnless(TELLS_NAMES, "this version of the SDK does not tell what it has decorated")
