"""Several brokers that are one cluster, under one supervisor: `odradek start --workers N`."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Self

from odradek.metastore.shared.address import SOCKET_NAME
from odradek.testing.errors import BrokerFailedError
from odradek.testing.process import BrokerProcess

FIRST_PORTS = range(10_000, 30_000)
"""Below those that systems give to clients' connections."""
START_TRIES = 5
PAUSE_S = 0.01


class ClusterProcess(BrokerProcess):
    """Brokers 1 to `workers` on consecutive free ports of 127.0.0.1, as processes under one supervisor.

    `pid`, `stop`, `restart`, `close` are the supervisor's and so everybody's; `kill` and `pids` know the brokers. A
    broker that dies is started again by the supervisor, at the same address with the same data. `joining` makes more
    brokers, which are to be stopped before the cluster is.

    Args:
        workers: How many brokers.
        data_dir, settings, arguments, environment, timeout_s: As of BrokerProcess.
    """

    def __init__(
        self,
        workers: int = 3,
        *,
        data_dir: str | Path | None = None,
        settings: Mapping[str, str | int | bool] | None = None,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
    ) -> None:
        super().__init__(
            data_dir=data_dir,
            settings=settings,
            arguments=["--workers", str(workers), *arguments],
            environment=environment,
            timeout_s=timeout_s,
        )
        self._workers = workers

    @property
    def addresses(self) -> dict[int, str]:
        """`HOST:PORT` by broker id."""
        if not self.info:
            raise BrokerFailedError("the cluster was never started")
        return {broker["node_id"]: broker["advertise"] for broker in self.info["brokers"]}

    @property
    def bootstrap(self) -> str:
        """All brokers, for a client's bootstrap servers."""
        return ",".join(self.addresses.values())

    @property
    def pids(self) -> dict[int, int]:
        """Process id by broker id, of now; of a broker that is dead, the one it had."""
        return {node_id: self._pid_of(node_id) for node_id in self.addresses}

    def start(self) -> Self:
        """Start everything and return once every broker accepts clients."""
        if self.info:
            return super().start()
        for tries_left in reversed(range(START_TRIES)):
            self._listen = f"127.0.0.1:{consecutive_ports(self._workers)}"
            try:
                return super().start()
            except BrokerFailedError as error:
                if not tries_left or "cannot listen" not in str(error):
                    raise
        raise AssertionError("unreachable: the last try returns or raises")

    def kill(self, broker_id: int | None = None) -> None:
        """SIGKILL for one broker; without an id for the supervisor, with which all brokers end."""
        if broker_id is not None:
            os.kill(self.pids[broker_id], signal.SIGKILL)
            return
        super().kill()
        if self.info:
            for node_id in self.addresses:
                self._wait_for(f"the end of broker {node_id}", partial(self._is_unlocked, node_id))

    def joining(self, broker_id: int, *, settings: Mapping[str, str | int | bool] | None = None) -> BrokerProcess:
        """One more broker of this cluster, to be started: a process of its own that no supervisor starts again."""
        socket_path = self.data_dir.absolute() / SOCKET_NAME
        return BrokerProcess(
            settings={**self._settings, **(settings or {})},
            arguments=["--node-id", str(broker_id), "--metadata", f"unix:{socket_path}"],
            environment=self._environment,
            timeout_s=self._timeout_s,
        )

    def wait_until_restarted(self, broker_id: int, killed_pid: int) -> None:
        """Returns once the broker, whose process was the killed one, accepts clients again."""
        self._wait_for(
            f"broker {broker_id}, started again",
            lambda: self._pid_of(broker_id) not in (0, killed_pid) and is_listening(self.addresses[broker_id]),
        )

    def _wait_for(self, what: str, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self._timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise self._failed(f"cluster showed no sign of {what} in {self._timeout_s:g} s")
            time.sleep(PAUSE_S)

    def _pid_of(self, node_id: int) -> int:
        """As it has told it in its lock; 0 in the moment in which it does."""
        return int(self._lock_file(node_id).read_text().split("\n")[0] or 0)

    def _lock_file(self, node_id: int) -> Path:
        return self.data_dir / f"broker-{node_id}" / ".lock"

    def _is_unlocked(self, node_id: int) -> bool:
        """The lock goes with the process that held it."""
        if not self._lock_file(node_id).exists():
            return True
        with self._lock_file(node_id).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True


def consecutive_ports(count: int) -> int:
    """The first of some ports of 127.0.0.1 that nobody uses now."""
    source = random.Random()
    while True:
        first = source.choice(FIRST_PORTS)
        if all(_is_free(port) for port in range(first, first + count)):
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def is_listening(address: str) -> bool:
    """Whether a connection is accepted there."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1.0).close()
    except OSError:
        return False
    return True
