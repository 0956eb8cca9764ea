"""Suites by random schedules: what they claim has to hold in whatever order the threads go on."""
