"""Workflows with bugs that only some orders of their branches show, and correct ones that no order may fail."""
