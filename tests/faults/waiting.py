"""Waiting for something to become true, with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

DEADLINE_S = 60.0
PAUSE_S = 0.02


def wait_for(what: str, condition: Callable[[], T], deadline_s: float = DEADLINE_S) -> T:
    """What the condition returned once it is true. AssertionError, naming what was waited for, after the deadline."""
    end = time.monotonic() + deadline_s
    while not (outcome := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline_s:g} s in vain for {what}")
        time.sleep(PAUSE_S)
    return outcome
