"""Responses, at once or later."""

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from odradek.broker.connection import Connection


class PooledResponse(NamedTuple):
    """A frame in a buffer of the pool, which the connection gives back once the transport has sent it."""

    buffer: bytearray
    size: int


Response = bytes | PooledResponse | None
"""A whole frame; None where the client gets no answer (acks=0)."""


class DelayedResponse:
    """The place of a response that is not there yet; those of later requests wait behind it.

    While an `exclusive` one is pending the connection's later requests are not begun, as in Kafka, which begins none
    before the last is answered. Produce and Fetch do their part of the order before they wait, so they are not.
    """

    __slots__ = ("connection", "is_done", "request_size", "response")

    exclusive = False

    def __init__(self, connection: "Connection") -> None:
        self.connection = connection
        self.is_done = False
        self.response: Response = None
        self.request_size = 0
        """Bytes of the request, while it waits for its response."""

    def complete(self, response: Response) -> None:
        """The response is there. Once only; after `cancel` it goes nowhere."""
        self.response = response
        self.is_done = True
        self.connection.completed(self)

    def cancel(self) -> None:
        """The connection is gone: give up what was waited for, if nobody else profits from it."""


class TaskResponse(DelayedResponse):
    """The response of an asynchronous handler. The handler runs to its end even when its client has left."""

    __slots__ = ("_task",)

    exclusive = True

    def __init__(
        self,
        connection: "Connection",
        loop: asyncio.AbstractEventLoop,
        work: Coroutine[Any, Any, Response],
    ) -> None:
        super().__init__(connection)
        self._task = loop.create_task(work)
        self._task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[Response]") -> None:
        if task.cancelled():
            self.connection.close("the broker is stopping")
            return
        try:
            response = task.result()
        except Exception as error:
            self.connection.failed(error)
            return
        self.complete(response)
