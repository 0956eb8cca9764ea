"""The acceptance criteria: the index of the tests that prove them, and those tests that stand nowhere else."""
