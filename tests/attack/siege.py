"""A broker under attack, and what must be true of it all the time."""

import hashlib
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import psutil
from kio.schema.errors import ErrorCode

from odradek.testing import BrokerProcess
from odradek.testing.topics import create_topic
from odradek.wire.record_codec import Record, encode_batch
from tests.attack.frames import framed, receive
from tests.support.requests import request
from tests.support.wire_client import produce_request

SCALE = float(os.environ.get("ODRADEK_ATTACK_SCALE", "1"))
MIB = 1 << 20
SAMPLE_SECONDS = 0.01
PATIENCE_SECONDS = 60.0
QUIET = "bystander"
STORED = "stored"
STORED_PARTITIONS = 3
STORED_BATCHES = 20
STORED_BATCH_BYTES = 60_000
"""So that each partition holds more than the 1 MiB that is fetched from it at once."""
BACKLOG = 25
"""Connections made before the broker must have accepted them: fewer than the system keeps waiting."""


def times(count: int) -> int:
    """The count in this run's scale."""
    return max(1, int(count * SCALE))


class Siege:
    """Use as a context manager. `attack(name)` encloses one attack; after it the promises are checked."""

    def __init__(self, **settings: str | int | bool) -> None:
        defaults: dict[str, str | int | bool] = {"group.initial.rebalance.delay.ms": 0}
        self.broker = BrokerProcess(settings=defaults | settings, arguments=["--metrics", "127.0.0.1:0"])

    def __enter__(self) -> Self:
        self.broker.__enter__()
        host, port = self.broker.bootstrap.rsplit(":", 1)
        self.address = (host, int(port))
        self.process = psutil.Process(self.broker.pid)
        create_topic(self.broker.bootstrap, QUIET)
        create_topic(self.broker.bootstrap, STORED, partitions=STORED_PARTITIONS)
        self._fill()
        self._bystander = self._start_bystander()
        self._log_seen = 0
        return self

    def __exit__(self, *error: Any) -> None:
        with suppress(BrokenPipeError):
            self._bystander.stdin.close()  # type: ignore[union-attr]
        self._bystander.wait(PATIENCE_SECONDS)
        self._bystander.stdout.close()  # type: ignore[union-attr]
        self.broker.__exit__(*error)

    # -- attacking ------------------------------------------------------------------------------------------------

    @contextmanager
    def attack(self, name: str, *, growth_max: int, keeps_stored: bool = True) -> Iterator[None]:
        """Resident memory may rise by `growth_max` bytes at any moment within."""
        before, stored = self._report(), self.stored()
        assert before["rounds"] > 0
        with self._watched() as watch:
            yield
        report = self._report()
        print(f"{name}: {watch.growth / MIB:.1f} MiB more at the most, {json.dumps(report)}")
        self.check_alive()
        assert report["rounds"] > 0
        assert watch.growth <= growth_max, f"{watch.growth / MIB:.0f} MiB more, {growth_max / MIB:.0f} are allowed"
        if keeps_stored:
            assert self.stored() == stored

    def connect(self) -> socket.socket:
        """A new connection."""
        connection = socket.create_connection(self.address, timeout=PATIENCE_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def connect_many(self, stack: ExitStack, count: int) -> list[socket.socket]:
        """As many new connections, closed with the stack; none is lost because the broker had to accept others."""
        made = []
        for number in range(count):
            made.append(stack.enter_context(self.connect()))
            if number % BACKLOG == 0:
                self.ask("metadata", 12, topics=[])
        return made

    def connections(self) -> int:
        """TCP connections that the broker has not closed."""
        return sum(each.status != psutil.CONN_LISTEN for each in self.process.net_connections("tcp"))

    def wait_until_alone(self) -> None:
        """Until the broker has noticed that nobody is connected but the bystander."""
        self.wait_until(lambda: self.connections() == 1, "closed connections are kept")

    def ask(self, api: str, version: int, /, **values: object) -> Any:
        """One well-formed request on a connection of its own, and its answer."""
        entity = request(api, version, **values)
        with self.connect() as connection:
            connection.sendall(framed(entity))
            return receive(connection, type(entity))

    # -- looking --------------------------------------------------------------------------------------------------

    def check_alive(self) -> None:
        """The process runs and has logged no traceback since the last look."""
        assert self.broker.is_running, self.broker.log[-4000:]
        log = self.broker.log
        news, self._log_seen = log[self._log_seen :], len(log)
        assert "Traceback" not in news, news[news.index("Traceback") - 300 :][:4000]

    def _fill(self) -> None:
        """Give what is to be compared afterwards some content."""
        batch = encode_batch(
            [Record(0, int(time.time() * 1000), b"key", random.Random(0).randbytes(STORED_BATCH_BYTES))]
        )
        with self.connect() as connection:
            for index in [*range(STORED_PARTITIONS)] * STORED_BATCHES:
                entity = produce_request(STORED, index, batch)
                connection.sendall(framed(entity))
                answer = receive(connection, type(entity)).responses[0].partition_responses[0]
                assert answer.error_code is ErrorCode.none, answer

    def stored(self) -> dict[str, str]:
        """A digest of every file of the topic that nobody writes to."""
        files = self._stored_files()
        return {f"{each.parent.name}/{each.name}": hashlib.sha256(each.read_bytes()).hexdigest() for each in files}

    def _stored_files(self) -> list[Path]:
        return sorted(Path(self.broker.data_dir).glob(f"{STORED}-*/*"))

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Fails when it does not come true in time."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, what
            time.sleep(SAMPLE_SECONDS)

    @contextmanager
    def _watched(self) -> "Iterator[Watch]":
        watch = Watch(self.process)
        watch.start()
        try:
            yield watch
        finally:
            watch.ended.set()
            watch.join()

    # -- the bystander --------------------------------------------------------------------------------------------

    def _start_bystander(self) -> subprocess.Popen[str]:
        host, port = self.address
        command = [sys.executable, "-m", "tests.attack.bystander", host, str(port), QUIET, str(self.broker.pid)]
        root = Path(__file__).parents[2]
        started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root)
        assert started.stdout is not None
        assert started.stdout.readline() == "ready\n"
        return started

    def _report(self) -> dict[str, Any]:
        """Fails with the bystander's traceback on stderr when it was not served well."""
        assert self._bystander.stdin is not None
        assert self._bystander.stdout is not None
        self._bystander.stdin.write("report\n")
        self._bystander.stdin.flush()
        line = self._bystander.stdout.readline()
        assert line, "the bystander has ended: it was not served"
        report: dict[str, Any] = json.loads(line)
        return report


class Watch(threading.Thread):
    """Samples a process's resident memory until `ended`."""

    def __init__(self, process: psutil.Process) -> None:
        super().__init__(daemon=True)
        self.ended = threading.Event()
        self._process = process
        self._first = self._most = process.memory_info().rss

    @property
    def growth(self) -> int:
        """Bytes by which the highest sample exceeds the first."""
        return self._most - self._first

    def run(self) -> None:
        with suppress(psutil.NoSuchProcess):
            while not self.ended.wait(SAMPLE_SECONDS):
                self._most = max(self._most, self._process.memory_info().rss)
