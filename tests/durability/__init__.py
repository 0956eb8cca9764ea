"""Crashes, replays, side effects, determinism: small workflows with bugs that must be found, and correct ones."""
