"""The linter: what a durable function must not do, found in its source without running it."""
