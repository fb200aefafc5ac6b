"""Waiting for what a broker does in its own time."""

import time
from collections.abc import Callable

TIMEOUT_S = 30.0
PAUSE_S = 0.02


def wait_until(holds: Callable[[], object], what: str, timeout_s: float = TIMEOUT_S) -> None:
    """Return once the condition holds; fail when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}"
        time.sleep(PAUSE_S)
