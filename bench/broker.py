"""Brokers as processes that the bench starts, stops and kills, each with a data directory of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from odradek.benchmark import frames
from odradek.benchmark.connection import Connection
from odradek.benchmark.errors import BenchError
from odradek.benchmark.rows import batch
from odradek.benchmark.target import Target

DEADLINE_S = 120.0
_POLL_S = 0.002


class Started(NamedTuple):
    """Seconds from the command to the open port and to the first record that was acknowledged with acks=all."""

    port_s: float
    ack_s: float


class Broker(ABC):
    """One broker process. `settings` are Kafka's configuration keys."""

    name: str
    warm_up_s = 0.3
    """How long a row runs unmeasured before it counts."""

    def __init__(self, scratch: Path, settings: Mapping[str, str] | None = None) -> None:
        self.settings = dict(settings or {})
        self.directory = Path(tempfile.mkdtemp(prefix=f"{self.name.lower().replace(' ', '-')}-", dir=scratch))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> Sequence[str]:
        """What starts it in the foreground."""

    def prepare(self) -> None:  # noqa: B027 - most need nothing
        """What has to be done once before the first start, and is not measured."""

    @property
    def data_dir(self) -> Path:
        """Where partition directories are."""
        return self.directory / "data"

    @property
    def target(self) -> Target:
        """As its clients see it."""
        assert self._process is not None
        return Target(("127.0.0.1", self.port), self._process.pid)

    def launch(self) -> float:
        """Start the process without waiting for anything; the time at which."""
        begin = time.perf_counter()
        with (self.directory / "output.log").open("ab") as output:
            self._process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        return begin

    def start(self) -> Self:
        """Start it and return when it takes records."""
        self.start_measured()
        return self

    def start_measured(self, topic: str = "started") -> Started:
        """As `start`; the topic is created by its first record where it is not there."""
        begin = self.launch()
        try:
            with self._connected(begin) as connection:
                port_s = time.perf_counter() - begin
                self._first_ack(connection, topic, begin)
                return Started(port_s, time.perf_counter() - begin)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """SIGTERM, and wait for the clean end."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                self.kill()
                raise BenchError(f"{self.name} did not stop within {DEADLINE_S:g} s") from None
            self._process = None

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End it and remove its data."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.prepare()
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _connected(self, begin: float) -> Connection:
        assert self._process is not None
        while True:
            try:
                return Connection(("127.0.0.1", self.port))
            except ConnectionRefusedError:
                if self._process.poll() is not None or time.perf_counter() - begin > DEADLINE_S:
                    raise BenchError(f"{self.name} did not start: {self._last_output()}") from None
                time.sleep(_POLL_S)

    def _first_ack(self, connection: Connection, topic: str, begin: float) -> None:
        ask, record = frames.metadata(topic, creates=True), frames.produce(topic, 0, batch(1, 100), acks=-1)
        connection.call(ask)
        while frames.produced(connection.call(record), topic).error_code:
            if time.perf_counter() - begin > DEADLINE_S:
                raise BenchError(f"{self.name} took no record: {self._last_output()}")
            connection.call(ask)
            time.sleep(_POLL_S)

    def _last_output(self) -> str:
        lines = (self.directory / "output.log").read_text(errors="replace").splitlines()
        return lines[-1] if lines else "it wrote nothing"


class Odradek(Broker):
    """The broker of this checkout, by the command that users type."""

    name = "Odradek"

    def command(self) -> Sequence[str]:
        settings = [part for key, value in self.settings.items() for part in ("--set", f"{key}={value}")]
        place = ["--listen", f"127.0.0.1:{self.port}", "--data-dir", str(self.data_dir)]
        return [sys.executable, "-m", "odradek", "start", *place, *settings]


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def drop_from_cache(directory: Path) -> None:
    """Make the kernel forget the pages of all files there, after writing them."""
    for path in directory.rglob("*.log"):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fdatasync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
