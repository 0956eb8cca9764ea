"""Stubs by operation name: what stands in for the work of steps and for the targets of chained invokes."""
