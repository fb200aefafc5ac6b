"""A follower on a simulated machine (its logs, partitions and fetchers, no more) and scripted leaders on two others."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from odradek.cluster.image import BrokerImage, ClusterImage, PartitionImage
from odradek.cluster.records import Endpoint
from odradek.config import BrokerConfig, TopicConfig
from odradek.host.files import read_file
from odradek.log.log import Log
from odradek.log.manager import LogManager
from odradek.log.partition_files import PartitionKey
from odradek.log.settings import LogSettings
from odradek.replication.partition import Partition
from odradek.replication.replica_fetchers import ReplicaFetchers
from odradek.simulation import Machine, Process, World
from odradek.wire.records import batches
from tests.replication.images import partition_image
from tests.simulation.scripted_leader import PORT, LeaderLog, ScriptedLeader

DIRECTORY, FOLLOWER_ID, LEADERS = "/data", 1, (2, 3)
TOPIC, TOPIC_ID = "flights", UUID(int=0xF1)
SECONDS_MAX, STEPS_MAX = 60.0, 150_000


class Follower:
    """One life of the follower: what is on its disk, and whom it follows."""

    def __init__(self, process: Process, config: BrokerConfig, topic: dict[str, str]) -> None:
        self.process = process
        self.topic_config = TopicConfig.of(config, topic)
        settings = LogSettings((DIRECTORY,), odradek_disk_reserve_bytes=0)
        self.logs = LogManager(process.host, process.loop, settings, self.topic_config)
        self.config = config
        brokers = {leader: broker_image(leader) for leader in LEADERS}
        image = ClusterImage("cluster", 1, brokers=brokers)
        self.broker_epoch = 7
        self.fetchers = ReplicaFetchers(
            self.logs, FOLLOWER_ID, lambda: self.broker_epoch, lambda: self.config, lambda: image
        )
        self.logs.on_failed = self.fetchers.directory_failed
        self.partitions: dict[int, Partition] = {}

    async def start(self, count: int) -> None:
        self.logs.lock("follower:9092")
        await self.logs.load("cluster", FOLLOWER_ID)
        self.logs.start()
        keys = [PartitionKey(TOPIC, index, TOPIC_ID) for index in range(count)]
        missing = [key for key in keys if self.logs.get(TOPIC_ID, key.partition) is None]
        await self.logs.create(missing, self.topic_config)
        for key in keys:
            log = self.logs.get(TOPIC_ID, key.partition)
            assert log is not None
            log.config = self.topic_config
            partition = self.partitions[key.partition] = Partition(log, self.logs, lambda _: None)
            self.logs.attach(log, partition)

    def show(self, index: int, image: PartitionImage | None) -> None:
        """As the replica manager does when the image of a partition changes."""
        if image is not None:
            self.partitions[index].follow(image)
        self.fetchers.follow(self.partitions[index], image)

    async def stop(self) -> None:
        await self.fetchers.stop()
        await self.logs.stop()


def broker_image(broker_id: int) -> BrokerImage:
    endpoint = Endpoint("PLAINTEXT", f"leader-{broker_id}", PORT)
    return BrokerImage(broker_id, 1, "", (endpoint,), None, "", -1, False, False, 1)


def led_by(leader: int, epoch: int, *, in_sync: bool = True, broker_epoch: int = 100) -> PartitionImage:
    isr = (leader, FOLLOWER_ID) if in_sync else (leader,)
    return partition_image(epoch, leader=leader, replicas=(FOLLOWER_ID, *LEADERS), isr=isr, broker_epoch=broker_epoch)


class Following:
    """The world: two leaders, of whom a test says who leads what, and a follower that lives, dies and comes back."""

    def __init__(
        self,
        seed: int,
        *,
        partitions: int = 1,
        config: dict[str, Any] | None = None,
        topic: dict[str, str] | None = None,
        replay: str | None = None,
    ) -> None:
        self.world = World(seed, replay=replay)
        self.count = partitions
        self.config = BrokerConfig.parse({"node.id": FOLLOWER_ID, "replica.fetch.backoff.ms": 200, **(config or {})})
        self.topic = topic or {}
        self.leaders = {leader: ScriptedLeader() for leader in LEADERS}
        self.images: dict[int, PartitionImage] = {}
        self.follower: Follower | None = None
        self.machine: Machine = self.world.machine("follower")
        self.machine.disk.make_directories(DIRECTORY)

    @property
    def leader(self) -> ScriptedLeader:
        """The one most tests need."""
        return self.leaders[LEADERS[0]]

    def led(self, index: int = 0, leader: int = LEADERS[0]) -> LeaderLog:
        return self.leaders[leader].logs[TOPIC_ID, index]

    def lead(self, log: LeaderLog, index: int = 0, leader: int = LEADERS[0], **image: Any) -> LeaderLog:
        """A leader of a partition, in its log's epoch; the follower hears of it."""
        self.leaders[leader].logs[TOPIC_ID, index] = log
        self.images[index] = led_by(leader, log.epoch, **image)
        if self.follower is not None:
            self.follower.show(index, self.images[index])
        return log

    def run(self, scenario: Callable[["Following"], Awaitable[None]]) -> str:
        with self.world as world:
            for leader in LEADERS:
                world.machine(f"leader-{leader}").start(self.leaders[leader].serve)
            self.start_follower()
            world.run(self._waiting_for_a_life(scenario), on="test", steps_max=STEPS_MAX)
            world.check()
            return world.digest

    def _waiting_for_a_life(self, scenario: Callable[["Following"], Awaitable[None]]) -> Any:
        async def main(_: Process) -> None:
            await self.until(lambda: self.follower is not None)
            await scenario(self)

        return main

    def start_follower(self) -> None:
        self.machine.start(self._live)

    async def _live(self, process: Process) -> None:
        follower = Follower(process, self.config, self.topic)
        await follower.start(self.count)
        await self.started(follower)
        self.follower = follower
        for index, image in self.images.items():
            follower.show(index, image)
        await process.loop.create_future()

    async def started(self, follower: Follower) -> None:
        """A life has found what the one before left; it follows nobody yet."""

    def crash(self, kind: Any) -> None:
        self.follower = None
        self.machine.crash(kind)

    # What tests look at

    def partition(self, index: int = 0) -> Partition:
        assert self.follower is not None
        return self.follower.partitions[index]

    def log(self, index: int = 0) -> Log:
        return self.partition(index).log

    @property
    def fetchers(self) -> ReplicaFetchers:
        assert self.follower is not None
        return self.follower.fetchers

    def content(self, index: int = 0) -> bytes:
        """Whole batches as they are on the disk, from the one that holds the log start on."""
        files, log = self.machine.disk.mount(), self.log(index)
        whole = b"".join(read_file(files, each.log_path)[: each.size] for each in log.segments)
        found = [whole[at : at + each.size] for at, each in batches(whole) if each.last_offset >= log.log_start_offset]
        return b"".join(found)

    def has_followed(self, index: int = 0) -> bool:
        """The follower has what its leader has, and knows what the leader knows."""
        image = self.images[index]
        if self.follower is None or self.machine.process is None:
            return False
        log, mine = self.led(index, image.leader), self.partition(index)
        return (
            mine.log.log_end_offset == log.end
            and mine.high_watermark == log.high_watermark
            and mine.log.log_start_offset >= log.start
            and self.content(index) == log.content(mine.log.log_start_offset)
        )

    async def follows(self, index: int = 0) -> None:
        """Returns once it does."""
        await self.until(lambda: self.has_followed(index))

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(SECONDS_MAX):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.005)
