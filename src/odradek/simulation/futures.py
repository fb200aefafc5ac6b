"""Tasks and futures that hash by creation number.

asyncio keeps tasks in sets (TaskGroup, `wait`, `all_tasks`) and walks them. Hashed by address, as they are by default,
they are walked in another order in each run.
"""

import asyncio
from typing import Any, TypeVar

T = TypeVar("T")


class SimulatedFuture(asyncio.Future[T]):
    """A future whose place in a set depends on the run's seed alone."""

    def __init__(self, number: int, *, loop: asyncio.AbstractEventLoop) -> None:
        self.number = number
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self.number


class SimulatedTask(asyncio.Task[T]):
    """A task whose place in a set depends on the run's seed alone."""

    def __init__(self, number: int, coroutine: Any, **options: Any) -> None:
        self.number = number  # before the base class, which puts the task into a set
        super().__init__(coroutine, **options)

    def __hash__(self) -> int:
        return self.number
