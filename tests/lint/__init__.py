"""The linter: what it finds, and what it leaves alone."""
