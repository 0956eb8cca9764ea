"""The linter, which finds mistakes of durable functions in their source, without running it."""
