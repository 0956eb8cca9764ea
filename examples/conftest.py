"""For pytest, which finds the workflows of this folder by it, also from the suites in ``pytest_style``."""
