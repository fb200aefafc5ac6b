"""A broker as a process: the same command a user runs, so it can be stopped, killed and started again."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from odradek.testing.directory import DataDirectory
from odradek.testing.errors import BrokerFailedError


class BrokerProcess:
    """One `odradek start` on a free port of 127.0.0.1.

    The first start picks the port; `restart`, or `start` after `stop` and `kill`, uses it again, so that clients find
    the broker where it was. Leaving the `with` block stops the process and removes temporary data; when a failure
    leaves it, the end of the broker's log goes to stderr, which pytest shows with the failure.

    Args:
        data_dir: Kept data; None for a temporary directory that lives as long as this object is open.
        settings: Kafka's broker configuration, as `--set KEY=VALUE`.
        arguments: More arguments for `odradek start`.
        environment: Variables added to this process's environment.
        timeout_s: How long a start or a stop may take.
    """

    def __init__(
        self,
        *,
        data_dir: str | Path | None = None,
        settings: Mapping[str, str | int | bool] | None = None,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        self._settings = dict(settings or {})
        self._arguments = list(arguments)
        self._environment = dict(environment or {})
        self._timeout_s = timeout_s
        self._directory = DataDirectory(data_dir)
        self._listen = "127.0.0.1:0"
        self._process: subprocess.Popen[bytes] | None = None
        self.info: dict[str, Any] = {}
        """What the broker reported when it got ready: listen, advertise, data_dir, node_id, cluster_id, pid."""

    @property
    def bootstrap(self) -> str:
        """`HOST:PORT` for a client's bootstrap servers."""
        if not self.info:
            raise BrokerFailedError("the broker was never started")
        return str(self.info["advertise"])

    @property
    def pid(self) -> int:
        """The broker's process id."""
        if self._process is None:
            raise BrokerFailedError("the broker is not running")
        return self._process.pid

    @property
    def data_dir(self) -> Path:
        """Where the broker keeps its data."""
        return self._directory.path

    @property
    def log(self) -> str:
        """Everything the broker has logged so far, over all its starts."""
        return self._directory.log_file.read_text(errors="replace") if self._directory.log_file.exists() else ""

    @property
    def is_running(self) -> bool:
        """Whether the process exists and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start the process and return once it accepts clients."""
        if self.is_running:
            raise BrokerFailedError("the broker is running already")
        self._directory.require_open()
        with self._directory.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=self._variables()
            )
        try:
            self.info = self._wait_until_ready()
        except BaseException:
            self.kill()
            raise
        self._listen = self.info["listen"]
        return self

    def stop(self) -> None:
        """SIGTERM, and wait for the clean end. Data stays until the object is closed."""
        if self._process is not None and self.is_running:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(self._timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()
                raise self._failed(f"did not stop within {self._timeout_s:g} s of SIGTERM") from None
        self._forget_process()

    def kill(self) -> None:
        """SIGKILL: what the broker had not written is gone."""
        if self._process is not None and self.is_running:
            self._process.kill()
            self._process.wait()
        self._forget_process()

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
        if error is not None and not isinstance(error, KeyboardInterrupt | SystemExit):
            sys.stderr.write(f"--- log of the broker at {self._listen} ---\n{self._directory.log_tail()}\n")
        self.close()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.__exit__, kind, error, trace)

    def _command(self) -> list[str]:
        settings = [part for key, value in self._settings.items() for part in ("--set", f"{key}={_text(value)}")]
        place = ["--listen", self._listen, "--data-dir", str(self.data_dir)]
        return [sys.executable, "-m", "odradek", "--json", "start", *place, *settings, *self._arguments]

    def _variables(self) -> dict[str, str]:
        return {**os.environ, **self._environment}

    def _wait_until_ready(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        descriptor, deadline, received = self._process.stdout.fileno(), time.monotonic() + self._timeout_s, b""
        readable = select.poll()  # Not `select`: a test process may have more descriptors than that can name.
        readable.register(descriptor, select.POLLIN)
        while b"\n" not in received:
            remaining_s = deadline - time.monotonic()
            if remaining_s <= 0 or not readable.poll(remaining_s * 1000):
                raise self._failed(f"was not ready within {self._timeout_s:g} s")
            chunk = os.read(descriptor, 65536)
            if not chunk:
                raise self._failed(f"ended with exit code {self._process.wait()} before it was ready")
            received += chunk
        ready: dict[str, Any] = json.loads(received)
        return ready

    def _failed(self, what: str) -> BrokerFailedError:
        return BrokerFailedError(f"the broker {what}; its log ends:\n{self._directory.log_tail()}")

    def _forget_process(self) -> None:
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None


def _text(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
