"""What this broker holds, told to the controller now and then: its volumes, its replicas, the largest of them.

Only where there are other brokers, and only when it has changed enough to matter for a plan.
"""

import asyncio
import heapq
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from odradek.cluster.ids import uuid_text
from odradek.cluster.image import ImageDelta
from odradek.cluster.records import LoadRecord
from odradek.cluster.results import MetadataUnavailable
from odradek.host import FileSystem
from odradek.host.files import SpaceStat
from odradek.host.pace import paced
from odradek.metastore.store import LeaseLost

if TYPE_CHECKING:
    from odradek.broker.broker import Broker

logger = logging.getLogger(__name__)

LARGEST = 64
"""Replicas told by themselves; of the others a plan takes the mean."""
CHANGE_MIN = 0.05
"""Part of its bytes, of its replicas or of its free space that has to change before a broker says so."""


class LoadReport:
    """`run` is a task of the broker."""

    def __init__(self, broker: "Broker") -> None:
        self._broker = broker
        self._told: LoadRecord | None = None
        self._told_epoch = -1
        self._reason = asyncio.Event()

    def on_delta(self, delta: ImageDelta) -> None:
        """Another broker has come."""
        if len(delta.after.brokers) > len(delta.before.brokers):
            self._reason.set()

    async def run(self) -> None:
        while True:
            if len(self._broker.cluster.image.brokers) > 1:
                await self._tell()
            await self._wait()

    async def _wait(self) -> None:
        """For another broker, and where there are some for the time of the next look."""
        is_alone = len(self._broker.cluster.image.brokers) < 2
        interval_s = self._broker.config.get("leader.imbalance.check.interval.seconds")
        try:
            async with asyncio.timeout(None if is_alone else interval_s):
                await self._reason.wait()
            self._reason.clear()
        except TimeoutError:
            return

    async def _tell(self) -> None:
        """A registration ends with what was told in it."""
        load, epoch = await self._measured(), self._broker.cluster.broker_epoch
        if self._told is not None and epoch == self._told_epoch and not is_news(self._told, load):
            return
        try:
            await self._broker.cluster.report_load(load)
            self._told, self._told_epoch = load, epoch
        except (MetadataUnavailable, LeaseLost) as error:
            logger.info("What this broker holds is told later: %s", error)

    async def _measured(self) -> LoadRecord:
        logs = self._broker.logs
        paths = tuple(directory.path for directory in logs.directories if not logs.healths[directory.path].is_failed)
        spaces = await self._broker.loop.run_in_executor(None, volumes, logs.files, paths)
        sizes = [
            (log.size_bytes, uuid_text(log.topic_id), log.partition) async for log in paced(list(logs.logs.values()))
        ]
        return load_of(spaces, sizes)


def volumes(files: FileSystem, paths: Iterable[str]) -> set[SpaceStat]:
    """Of each volume once: directories on the same one say the same. In the executor."""
    found = set()
    for path in paths:
        try:
            found.add(files.space(path))
        except OSError as error:
            logger.warning("%s does not say how large it is: %s", path, error)
    return found


def load_of(spaces: Iterable[SpaceStat], sizes: list[tuple[int, str, int]]) -> LoadRecord:
    """`sizes`: bytes, topic id and partition of each replica."""
    known = list(spaces)
    largest = [(topic_id, index, size) for size, topic_id, index in heapq.nlargest(LARGEST, sizes) if size]
    return LoadRecord(
        disk_total_bytes=sum(space.total_bytes for space in known),
        disk_free_bytes=sum(space.free_bytes for space in known),
        replica_bytes=sum(size for size, _, _ in sizes),
        replicas=len(sizes),
        largest=tuple(largest),
    )


def is_news(told: LoadRecord, now: LoadRecord) -> bool:
    """Whether a plan could be another one."""
    pairs = [
        (told.replica_bytes, now.replica_bytes),
        (told.replicas, now.replicas),
        (told.disk_total_bytes, now.disk_total_bytes),
        (told.disk_free_bytes, now.disk_free_bytes),
    ]
    return any(abs(before - after) > CHANGE_MIN * before for before, after in pairs)
