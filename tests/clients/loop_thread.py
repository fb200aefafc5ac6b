"""An event loop in a thread of its own, so that scenarios of an async client stay synchronous."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

DEADLINE_S = 60.0
T = TypeVar("T")


class LoopThread:
    """`run` waits for a coroutine's result."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(DEADLINE_S)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE_S)
        self._loop.close()
