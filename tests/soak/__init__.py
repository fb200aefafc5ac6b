"""Longer runs than CI has time for: `python -m tests.soak --minutes 10` (`make soak MINUTES=10`)."""
