"""Faults put into a copy of the package one at a time, to see whether a test notices: ``python -m tests.mutants``."""
