"""Skips for versions of the AWS SDK that lack something."""

from __future__ import annotations

import unittest

from aws_durable_execution_sdk_python import durable_execution

from durabletest import sdk, sdk_threads

needs_turns = unittest.skipUnless(
    sdk_threads.can_take_turns(), "this version of the SDK has its threads run as the system lets them"
)
needs_names = unittest.skipUnless(
    sdk.decorated(durable_execution(needs_turns)) is needs_turns,
    "behind the decorator of this version of the SDK the function is not found",
)
