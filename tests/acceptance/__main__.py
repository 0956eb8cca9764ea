"""Print the criteria with the tests that prove them."""

from __future__ import annotations

import sys

from tests.acceptance.criteria import proofs, suite

for criterion, tests in proofs(suite()).items():
    sys.stdout.write("\n    ".join([criterion, *(test.id() for test in tests)]) + "\n")
