"""Workflows with branches: in every run, in every process and beside whatever else, what they do is the same."""
