"""``durabletest verify-parity``: runs a suite locally and in the cloud, and compares the executions."""
