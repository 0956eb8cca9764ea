"""Local execution: the runner, the orchestrator and the checkpoint server behind it."""
