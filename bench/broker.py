"""Brokers and clusters as processes that the bench starts, stops and kills, each with a directory of its own."""

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

from bench.ending import end_processes
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
    """One broker, or several that are one cluster (`bench.cluster`). `settings` are Kafka's configuration keys."""

    name: str
    warm_up_s = 0.3
    """How long a row runs unmeasured before it counts."""

    def __init__(self, scratch: Path, settings: Mapping[str, str] | None = None) -> None:
        self.settings = dict(settings or {})
        self.directory = Path(tempfile.mkdtemp(prefix=f"{self.name.lower().replace(' ', '-')}-", dir=scratch))
        self.port = free_port()
        self._processes: list[subprocess.Popen[bytes]] = []

    @abstractmethod
    def commands(self) -> Sequence[Sequence[str]]:
        """What starts it in the foreground, a command for each process."""

    def prepare(self) -> None:  # noqa: B027 - most need nothing
        """What has to be done once before the first start, and is not measured."""

    @property
    def data_dir(self) -> Path:
        """Where partition directories are."""
        return self.directory / "data"

    @property
    def target(self) -> Target:
        """As its clients see it."""
        return Target(("127.0.0.1", self.port), *self.pids)

    @property
    def pids(self) -> list[int]:
        """Of the processes that the bench started; what those started is not among them."""
        return [process.pid for process in self._processes]

    def launch(self) -> float:
        """Start the processes without waiting for anything; the time at which."""
        begin = time.perf_counter()
        for command in self.commands():
            self._processes.append(self._launched(command))
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
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        try:
            for process in self._processes:
                process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise BenchError(f"{self.name} did not stop within {DEADLINE_S:g} s") from None
        self._processes.clear()

    def kill(self) -> None:
        """SIGKILL for its processes and all that they started; returns when they are gone."""
        end_processes(*self.pids)
        for process in self._processes:
            process.wait()
        self._processes.clear()

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

    def _launched(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """In a session of its own: Ctrl-C in the terminal is for the bench, which ends what it started."""
        with (self.directory / "output.log").open("ab") as output:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )

    def _connected(self, begin: float, port: int | None = None) -> Connection:
        while True:
            try:
                return Connection(("127.0.0.1", port or self.port))
            except ConnectionRefusedError:
                has_ended = any(process.poll() is not None for process in self._processes)
                if has_ended or time.perf_counter() - begin > DEADLINE_S:
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

    def commands(self) -> Sequence[Sequence[str]]:
        settings = [part for key, value in self.settings.items() for part in ("--set", f"{key}={value}")]
        place = ["--listen", f"127.0.0.1:{self.port}", "--data-dir", str(self.data_dir)]
        return [[sys.executable, "-m", "odradek", "start", *place, *settings]]


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
