"""The brokers of the cluster's play: three under one supervisor, one that joins, and what is done to them."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from odradek.demo.command import Command
from odradek.testing import BrokerProcess, ClusterProcess

SETTINGS = {"group.initial.rebalance.delay.ms": 500, "offsets.topic.num.partitions": 6}
FIRST = 3
JOINING = FIRST + 1


class Troupe:
    """Use it in a `with` block; everything is temporary. Raises BrokerFailedError."""

    def __init__(self) -> None:
        self._cluster = ClusterProcess(FIRST, settings=SETTINGS)
        self._joined: BrokerProcess | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._cluster)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def bootstrap(self) -> str:
        return self._cluster.bootstrap

    @property
    def directory(self) -> str:
        return str(self._cluster.data_dir)

    @property
    def addresses(self) -> dict[int, str]:
        """Of every broker that ever was, by id."""
        joined = {JOINING: self._joined.bootstrap} if self._joined is not None else {}
        return {**self._cluster.addresses, **joined}

    def kill(self, broker: int) -> None:
        """SIGKILL; the supervisor starts it again."""
        os.kill(self._cluster.pids[broker], signal.SIGKILL)

    def add(self) -> None:
        """Broker 4; returns when it serves."""
        self._joined = self._stack.enter_context(self._cluster.joining(JOINING))

    def stop(self, broker: int) -> None:
        """SIGTERM for one of the first three."""
        os.kill(self._cluster.pids[broker], signal.SIGTERM)

    def command(self, *arguments: str) -> Command:
        """Not started yet."""
        return Command(self.bootstrap, arguments)
