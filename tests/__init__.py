"""The tests of durabletest."""
