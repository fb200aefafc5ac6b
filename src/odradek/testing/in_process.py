"""A broker inside the test's own process: a thread with an event loop of its own, gone with the test."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from odradek.testing.directory import DataDirectory
from odradek.testing.errors import BrokerFailedError

if TYPE_CHECKING:
    from odradek.broker.options import ReadyInfo


class InProcessBroker:
    """One broker on a thread, on a free port of 127.0.0.1.

    Starts faster than a process and can be stepped into with a debugger, but shares the interpreter with the test, so
    measure nothing against it and use `BrokerProcess` to test what a crash does.

    Args:
        data_dir: Kept data; None for a temporary directory that lives as long as this object is open.
        settings: Kafka's broker configuration.
        timeout_s: How long a start or a stop may take.
    """

    def __init__(
        self,
        *,
        data_dir: str | Path | None = None,
        settings: Mapping[str, str | int | bool] | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        self._settings = {
            key: str(value).lower() if isinstance(value, bool) else str(value)
            for key, value in (settings or {}).items()
        }
        self._timeout_s = timeout_s
        self._directory = DataDirectory(data_dir)
        self._listen = "127.0.0.1:0"
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop_requested: asyncio.Event | None = None
        self._info: ReadyInfo | None = None

    @property
    def bootstrap(self) -> str:
        """`HOST:PORT` for a client's bootstrap servers."""
        if self._info is None:
            raise BrokerFailedError("the broker was never started")
        return self._info.advertise

    @property
    def data_dir(self) -> Path:
        """Where the broker keeps its data."""
        return self._directory.path

    @property
    def is_running(self) -> bool:
        """Whether the broker's thread is alive."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> Self:
        """Start the thread and return once the broker accepts clients."""
        if self.is_running:
            raise BrokerFailedError("the broker is running already")
        self._directory.require_open()
        ready: concurrent.futures.Future[ReadyInfo] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="odradek-broker", daemon=True)
        self._thread.start()
        try:
            self._info = ready.result(self._timeout_s)
        except TimeoutError:
            raise BrokerFailedError(f"the broker was not ready within {self._timeout_s:g} s") from None
        except Exception as error:
            self._thread.join(self._timeout_s)
            raise BrokerFailedError(f"the broker did not start: {error}") from error
        self._listen = self._info.listen
        return self

    def stop(self) -> None:
        """Stop the broker cleanly and end its thread. Data stays until the object is closed."""
        thread, self._thread = self._thread, None
        if thread is None or not thread.is_alive():
            return
        assert self._loop is not None
        assert self._stop_requested is not None
        self._loop.call_soon_threadsafe(self._stop_requested.set)
        thread.join(self._timeout_s)
        if thread.is_alive():
            raise BrokerFailedError(f"the broker did not stop within {self._timeout_s:g} s")

    def restart(self) -> Self:
        """Stop cleanly and start again on the same port with the same data."""
        self.stop()
        return self.start()

    def close(self) -> None:
        """Stop, and remove temporary data."""
        try:
            self.stop()
        finally:
            self._directory.remove()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self._directory.remove()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.__exit__, kind, error, trace)

    def _run(self, ready: concurrent.futures.Future[ReadyInfo]) -> None:
        import uvloop

        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve(ready))
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    async def _serve(self, ready: concurrent.futures.Future[ReadyInfo]) -> None:
        from odradek.broker import server
        from odradek.broker.options import StartOptions
        from odradek.broker.settings import load_config

        self._loop, self._stop_requested = asyncio.get_running_loop(), asyncio.Event()
        options = StartOptions(listen=self._listen, data_dir=str(self.data_dir), overrides=self._settings)
        config = load_config(options)
        broker = server.make_broker(options, config, self._loop)
        try:
            await server.start(broker, config)
            ready.set_result(server.ready_info(broker, options, config))
            await self._stop_requested.wait()
        finally:
            await broker.stop()
