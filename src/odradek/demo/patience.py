"""Waiting on the stage: as long as something moves, and no longer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from odradek.demo.worker import Worker

_TICK_S = 0.1


class DemoFailedError(Exception):
    """The play broke off; the message says where."""


class StalledError(DemoFailedError):
    """Nothing moved."""


def until(
    condition: Callable[[], bool],
    progress: Callable[[], object],
    workers: Callable[[], Iterable[Worker]],
    stall_s: float,
) -> Iterator[None]:
    """Tick by tick. Raises DemoFailedError when a worker fails, or when `progress` stays equal for too long."""
    before, moved_s = progress(), time.monotonic()
    while not condition():
        require_health(workers())
        yield
        now = progress()
        if now != before:
            before, moved_s = now, time.monotonic()
        elif time.monotonic() - moved_s > stall_s:
            raise StalledError(f"nothing moved for {stall_s:.0f} s")
        time.sleep(_TICK_S)
    require_health(workers())


def require_health(workers: Iterable[Worker]) -> None:
    for worker in workers:
        if worker.failure is not None:
            raise DemoFailedError(f"{worker.name}: {worker.failure}") from worker.failure
