"""Whole brokers on simulated machines over one metadata store, and what can be done to them.

A broker that ends is started again by itself after a while, as an init system would do. Power is cut only where that
cannot take anything promised: by default a record acknowledged with acks=all survives the power loss of a host as long
as another in-sync replica keeps it, so of those that hold a partition's committed records one always keeps its power.
With every message flushed any number of hosts may lose it.
"""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Any

from odradek.broker.broker import Broker
from odradek.cluster.image import ClusterImage, PartitionImage
from odradek.cluster.image_builder import ImageBuilder
from odradek.cluster.keys import Keys
from odradek.cluster.results import ClusterStartError, MetadataUnavailable
from odradek.config import BrokerConfig
from odradek.log.errors import LogError
from odradek.log.log import Log
from odradek.metastore.memory import Faults, Link, MemoryServer, MemoryStore
from odradek.metastore.store import StoreError
from odradek.replication.partition import Partition
from odradek.simulation import CrashKind, Machine, Process, World
from odradek.simulation.inode import FileInode
from odradek.wire.records import batches

PORT, DIRECTORY, CLIENT = 9092, "/data", "client"
SIZES = (3, 3, 3, 4, 5, 5, 7)
SESSION_MS, LAG_MS = (3000, 5000, 9000), (1500, 4000, 10000)
FETCH_BYTES = (600, 1 << 20)
KEEPER_SECONDS = 0.1
RESTART_SECONDS = (0.0, 0.5, 2.0, 15.0)
START_SECONDS_MAX = 65.0
"""How long a start takes that fails for want of the metadata."""
NEVER = 1 << 60


def host_of(broker_id: int) -> str:
    return f"broker-{broker_id}"


class ClusterWorld:
    """`flushed`: with log.flush.interval.messages=1, so that nothing promised depends on power."""

    def __init__(self, seed: int, *, flushed: bool, replay: str | None = None) -> None:
        self.world = World(seed, replay=replay)
        self.chance = Random(f"{seed} cluster")
        self.flushed = flushed
        self.ids = tuple(range(1, self.chance.choice(SIZES) + 1))
        self.store_faults = Faults(Random(f"{seed} store"))
        self.server = MemoryServer(faults=self.store_faults)
        self.session_s = self.chance.choice(SESSION_MS) / 1000
        self.config = self._draw_config()
        self.links = {broker_id: Link() for broker_id in self.ids}
        self.brokers: dict[int, Broker] = {}
        self.stores: dict[int, MemoryStore] = {}
        self.machines = {broker_id: self._machine(broker_id) for broker_id in self.ids}
        self.rests_until: dict[int, float] = {}
        """Brokers that are not to be started before."""
        self.power_lost_at: dict[int, int] = {}
        """Broker -> the store's revision when it last lost what was not on its disk."""
        self.store_troubled_until = 0.0
        self.disk_troubled_until: dict[int, float] = {}
        self.leaving: dict[int, asyncio.Future[None]] = {}
        self.deaths: list[tuple[int, Exception]] = []
        """Brokers that ended by themselves, and of what."""

    def _draw_config(self) -> dict[str, Any]:
        config: dict[str, Any] = {
            "log.dirs": DIRECTORY,
            "odradek.disk.reserve.bytes": 0,
            "offsets.topic.num.partitions": 2,
            "group.initial.rebalance.delay.ms": 0,
            "broker.session.timeout.ms": int(self.session_s * 1000),
            "replica.lag.time.max.ms": self.chance.choice(LAG_MS),
            "replica.socket.timeout.ms": 2000,
            "replica.fetch.max.bytes": self.chance.choice(FETCH_BYTES),
            "num.replica.fetchers": self.chance.choice((1, 2)),
            "odradek.gray.after.ms": 2000,
            "odradek.gray.calm.ms": 3000,
        }
        return config | ({"log.flush.interval.messages": 1} if self.flushed else {})

    def _machine(self, broker_id: int) -> Machine:
        machine = self.world.machine(host_of(broker_id))
        machine.disk.make_directories(DIRECTORY)
        machine.disk.on_crash = partial(self.crash, broker_id)
        return machine

    @property
    def now(self) -> float:
        return self.world.schedule.now

    # Lives of brokers

    def start(self, broker_id: int) -> None:
        self.machines[broker_id].start(partial(self._serve, broker_id))

    async def _serve(self, broker_id: int, process: Process) -> None:
        listeners = f"PLAINTEXT://{host_of(broker_id)}:{PORT}"
        config = BrokerConfig.parse({**self.config, "node.id": broker_id, "listeners": listeners})
        seen = self.stores[broker_id].seen if broker_id in self.stores else 0
        store = self.stores[broker_id] = MemoryStore(self.server, seen=seen, link=self.links[broker_id])
        broker = self.brokers[broker_id] = Broker(process.host, process.loop, config, store)
        leaving = self.leaving[broker_id] = process.loop.create_future()
        try:
            await broker.start()
            await asyncio.wait((broker.failed, leaving), return_when=asyncio.FIRST_COMPLETED)
            if broker.failed.done():
                raise broker.failed.result()
            await broker.stop()
        except Exception as error:
            if not self.is_explained(broker_id, error):
                raise
            self.deaths.append((broker_id, error))
        self.rest(broker_id, self.chance.choice(RESTART_SECONDS))

    def is_explained(self, broker_id: int, error: Exception) -> bool:
        """Whether what a broker ended of is what was done to it."""
        if isinstance(error, LogError):
            return self.now < self.disk_troubled_until.get(broker_id, 0.0)
        is_about_store = isinstance(error, StoreError | MetadataUnavailable | ClusterStartError)
        return is_about_store and self.now < self.store_troubled_until

    def disk_trouble(self, broker_id: int, seconds: float) -> None:
        """For so long its disk takes no writes: it serves what it has, but does not start."""
        self.disk_troubled_until[broker_id] = self.now + seconds

    def store_trouble(self, seconds: float) -> None:
        """For so long, and until the last attempt to start that began meanwhile has ended, the store may fail."""
        self.store_troubled_until = max(self.store_troubled_until, self.now + seconds + START_SECONDS_MAX)

    async def keep_running(self) -> None:
        """Start whatever has ended, when it has rested."""
        while True:
            for broker_id in self.ids:
                is_down = self.machines[broker_id].process is None
                if is_down and self.now >= self.rests_until.get(broker_id, 0.0):
                    self.machines[broker_id].disk.crash_at(NEVER, "process")
                    self.start(broker_id)
            await asyncio.sleep(KEEPER_SECONDS)

    def rest(self, broker_id: int, seconds: float) -> None:
        self.rests_until[broker_id] = self.now + seconds * (0.5 + self.chance.random())

    def crash(self, broker_id: int, kind: CrashKind) -> None:
        """Power is cut where that is allowed now, else the process dies."""
        if kind == "power" and self.may_lose_power(broker_id):
            self.power_lost_at[broker_id] = self.server.keyspace.revision
        else:
            kind = "process"
        self.rest(broker_id, self.chance.choice(RESTART_SECONDS))
        self.machines[broker_id].crash(kind)

    def is_up(self, broker_id: int) -> bool:
        """Its process lives and serves clients."""
        broker = self.brokers.get(broker_id)
        return self.machines[broker_id].process is not None and broker is not None and broker.is_serving

    # What the power may take

    def may_lose_power(self, broker_id: int) -> bool:
        if self.flushed:
            return True
        parts = self.truth().parts.values()
        return all(self._is_kept_without(broker_id, each) for indexes in parts for each in indexes.values())

    def _is_kept_without(self, broker_id: int, partition: PartitionImage) -> bool:
        """Whether somebody else has the partition's committed records, and has had power since it was in sync."""
        entries = [*zip(partition.isr, partition.isr_epochs, strict=True)]
        entries += zip(partition.elr, partition.elr_epochs, strict=True)
        return any(each != broker_id and epoch > self.power_lost_at.get(each, -1) for each, epoch in entries)

    def truth(self) -> ClusterImage:
        """What the metadata store holds now, whoever knows it."""
        builder = ImageBuilder(ClusterImage(), Keys("default"))
        for item in self.server.keyspace.all_items():
            builder.apply(item.key, item.value, item.mod_revision)
        return builder.finish(self.server.keyspace.revision)

    # What is on the disks

    def partitions_of(self, broker_id: int) -> list[Partition]:
        """Those of a live broker."""
        broker = self.brokers[broker_id]
        return broker.replicas.partitions() if self.is_up(broker_id) else []

    def segments_of(self, broker_id: int) -> list[str]:
        """The .log files of a live broker."""
        logs = [partition.log for partition in self.partitions_of(broker_id)]
        return [segment.log_path for log in logs for segment in log.segments]

    def content(self, broker_id: int, log: Log, start: int, end: int) -> list[tuple[int, bytes]]:
        """The batches from offset `start` to `end` as they are in the files: base offset and bytes."""
        found: list[tuple[int, bytes]] = []
        bases = [segment.base_offset for segment in log.segments]
        for segment, next_base in zip(log.segments, [*bases[1:], NEVER], strict=True):
            if next_base > start and segment.base_offset < end:
                inode = self.machines[broker_id].disk.tree.find(segment.log_path)
                assert isinstance(inode, FileInode)
                found += split(inode.content, segment.size)
        return [(at, data) for at, data in found if start <= at < end]

    async def until(self, condition: Callable[[], object], seconds: float) -> None:
        """Returns once it is true. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(KEEPER_SECONDS)


def split(content: bytearray, size: int) -> Iterator[tuple[int, bytes]]:
    """Base offset and bytes of each batch."""
    data = bytes(memoryview(content)[:size])
    for at, header in batches(data):
        yield header.base_offset, data[at : at + header.size]
