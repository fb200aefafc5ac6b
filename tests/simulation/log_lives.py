"""The lives of one log manager: it works, dies at some I/O step, comes back on the same disk, and is held to account.

Topic "fast" promises what an append without flush does, and is truncated now and then; "synced" promises what follows a
flush; "short" loses its old records on purpose; "passing" topics come and go, and come again under their names. The
disk fills up and has room again, and sometimes fails to store what it is told to.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from random import Random
from uuid import UUID

from kio.schema.errors import ErrorCode

from odradek.config import BrokerConfig, TopicConfig
from odradek.log.directory import BOOT_ID
from odradek.log.errors import DirectoryFailedError, DiskFullError, LogError
from odradek.log.log import Log
from odradek.log.manager import LogManager
from odradek.log.partition_files import ForeignDirectoryError, PartitionKey
from odradek.log.settings import LogSettings
from odradek.simulation import CrashKind, Disk, Fault, Machine, Process, World
from tests.simulation.log_reading import batch, check_lookups, read_all
from tests.support.history import Acknowledged, Crashed, Final, History, Partition, Refused, Sent, Trimmed

DIRECTORY = "/data"
RECORDS_MAX = 4
ACTIONS = 30
STEPS_MAX = 200_000
EPOCH = 3
KEPT = ("fast", "synced", "short")
PASSING = ("passing-a", "passing-b")
CONFIG = replace(
    TopicConfig.of(BrokerConfig.parse({}), {}), segment_bytes=3500, index_interval_bytes=200, file_delete_delay_ms=50
)
RETENTION_BYTES = 4000
FREE_BYTES_MAX = 6000
NEVER = 1 << 60
FLUSH_SECONDS_MAX = 0.006


@dataclass
class Topic:
    """What is known of a topic and what it must hold.

    Its state is "making", "made", "truncating", "deleting" or "deleted".

    A topic whose creation was interrupted is still "making" when it is found: a power loss may take it. After a
    truncation that was interrupted before its flush a power loss may bring back what was cut.
    """

    key: PartitionKey
    state: str = "making"
    history: History = field(default_factory=History)
    start_promised: int = 0
    """Log start that survives a power loss."""
    start_found: int = 0
    """Log start that the disk had when the life began: it survives the death of the process."""
    start_limit: int = 0
    batches: dict[str, tuple[int, int, list[str]]] = field(default_factory=dict)
    """Last value of a batch -> producer id, base sequence, all values."""

    @property
    def partition(self) -> Partition:
        return self.key.topic, self.key.partition


class LogLives:
    """Everything that was promised over all lives, and the work of one life."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(f"{seed} workload")
        self.topics: dict[str, Topic] = {}
        self.lives = 0
        self.sequence = 0
        self.values = self.ids = 0
        self.faults: list[Fault] = []
        self.gone: list[Topic] = []
        """Deleted topics whose name may be in use again."""

    # Work

    async def live(self, process: Process) -> None:
        """Come up, be checked, work, and perhaps stop in good order."""
        self.lives += 1
        self.sequences: dict[str, int] = {}
        self.disk: Disk = process.machine.disk
        self.disk.capacity_bytes = None
        for fault in self.faults:
            fault.times = 0
        settings = LogSettings(log_dirs=(DIRECTORY,), odradek_disk_reserve_bytes=0)
        manager = LogManager(process.host, process.loop, settings, CONFIG)
        manager.lock("broker:9092")
        await manager.load("cluster", 1)
        manager.start()
        try:
            await self.work(manager)
        except DirectoryFailedError as error:
            manager.fail_directory(DIRECTORY, str(error))
            await asyncio.sleep(1)

    async def work(self, manager: LogManager) -> None:
        await self.verify(manager)
        for name in KEPT:
            if name not in self.topics or (self.topics[name].key.topic_id, 0) not in manager.logs:
                await self.create(manager, name)
            elif self.topics[name].state != "made":
                await self.store(manager, name)
        for _ in range(ACTIONS):
            try:
                await self.act(manager)
            except DiskFullError:
                assert self.disk.capacity_bytes is not None or manager.healths[DIRECTORY].is_full, "the disk has room"
        self.disk.capacity_bytes = None
        if self.chance.random() < 0.5:
            await manager.stop()

    async def act(self, manager: LogManager) -> None:
        draw = self.chance.random()
        if draw < 0.45:
            await self.append(manager, self.chance.choice(KEPT))
        elif draw < 0.6:
            await self.flush(manager, "synced")
        elif draw < 0.66:
            manager_log(manager, self.topics["fast"]).roll(manager.time_ms())
        elif draw < 0.72:
            await manager.upkeep.checkpoint_recovery_points()
        elif draw < 0.8:
            await self.trim(manager)
        elif draw < 0.84:
            await self.truncate(manager)
        elif draw < 0.89:
            await check_lookups(manager, manager_log(manager, self.topics[self.chance.choice(KEPT)]), self.chance)
        elif draw < 0.94:
            self.disturb()
        else:
            await self.come_and_go(manager)

    def disturb(self) -> None:
        """The disk is nearly full for a while, or the next fdatasync of a log fails."""
        if self.disk.capacity_bytes is not None:
            self.disk.capacity_bytes = None
        elif self.chance.random() < 0.7:
            self.disk.capacity_bytes = self.disk.used_bytes + self.chance.randint(0, FREE_BYTES_MAX)
        else:
            self.faults.append(self.disk.fail("datasync", f"{DIRECTORY}/synced-0/*.log"))
            if self.chance.random() < 0.5:  # The process dies before it can note the failure.
                self.disk.crash_on("unlink", f"{DIRECTORY}/{BOOT_ID}", "process")

    async def create(self, manager: LogManager, name: str) -> None:
        topic = self.topics.setdefault(name, self.new_topic(name))
        made = (await manager.create([topic.key], CONFIG))[topic.key]
        if isinstance(made, Exception):
            raise made
        topic.state = "made"

    def new_topic(self, name: str) -> Topic:
        self.ids += 1
        return Topic(PartitionKey(name, 0, UUID(int=self.ids, version=4)))

    async def store(self, manager: LogManager, name: str) -> None:
        """A full flush makes durable what an interrupted creation left."""
        manager.flusher.request(manager_log(manager, self.topics[name]), everything=True)
        await manager.flusher.drain()
        self.topics[name].state = "made"

    async def append(self, manager: LogManager, name: str, *, flushes: bool = True) -> None:
        topic, log = self.topics[name], manager_log(manager, self.topics[name])
        values = [f"{name}-{self.values + number}" for number in range(self.chance.randint(1, RECORDS_MAX))]
        self.values += len(values)
        sequence = self.sequences.get(name, 0)
        topic.history.add(*(Sent(f"producer-{self.lives}", topic.partition, value) for value in values))
        topic.batches[values[-1]] = (self.lives, sequence, values)
        records = batch(values, manager.time_ms(), self.lives, sequence)
        try:
            result = log.append(records, leader_epoch=EPOCH, now_ms=manager.time_ms())
        except DiskFullError:
            topic.history.add(*(Refused(topic.partition, value) for value in values))
            raise
        assert result.error is ErrorCode.none, result.error_message
        self.sequences[name] = sequence + len(values)
        topic.start_limit = max(topic.start_limit, retention_limit(log))
        if name == "synced":
            if flushes and self.chance.random() < 0.5:
                await self.flush(manager, name)
        else:
            acknowledge(topic, values, result.base_offset)

    async def flush(self, manager: LogManager, name: str) -> None:
        """What `flush` has returned for is promised to survive a power loss."""
        topic, log = self.topics[name], manager_log(manager, self.topics[name])
        flushed = asyncio.ensure_future(manager.flusher.flush(log))
        try:
            if self.chance.random() < 0.5:
                await asyncio.sleep(self.chance.uniform(0, FLUSH_SECONDS_MAX))
                await self.append(manager, name, flushes=False)
        finally:
            await flushed
        promised = log.flushed_offset
        for offset, value in await read_all(manager, log):
            if offset < promised:
                acknowledge(topic, [value], offset)

    async def trim(self, manager: LogManager) -> None:
        """Delete records of "short", or let retention by size take them, and sometimes store the new start."""
        topic, log = self.topics["short"], manager_log(manager, self.topics["short"])
        if self.chance.random() < 0.5:
            offset = self.chance.randint(log.log_start_offset, (log.log_start_offset + log.log_end_offset) // 2)
            topic.start_limit = max(topic.start_limit, offset)
            topic.history.add(Trimmed(topic.partition, offset))
            if log.advance_log_start(offset):
                manager.log_start_moved(log)
            if self.chance.random() < 0.5 and DIRECTORY in await manager.upkeep.checkpoint_start_offsets():
                topic.start_promised = max(topic.start_promised, offset)
        log.config = replace(CONFIG, retention_bytes=self.chance.choice((-1, RETENTION_BYTES)))
        topic.start_limit = max(topic.start_limit, retention_limit(log))
        manager.retain(log)
        assert log.log_start_offset <= topic.start_limit, "retention took what retention.bytes leaves"

    async def truncate(self, manager: LogManager) -> None:
        """Cut "fast" as a follower does, once a checkpoint says that recovery may not rely on what goes."""
        topic, log = self.topics["fast"], manager_log(manager, self.topics["fast"])
        offset = self.chance.randint(log.log_start_offset, log.log_end_offset)
        before = await read_all(manager, log)
        log.lower_recovery_point(offset)
        if DIRECTORY not in await manager.upkeep.checkpoint_recovery_points():
            return
        topic.history.add(Crashed(loses_suffix=True))
        topic.state = "truncating"
        end_offset = log.truncate_to(offset)
        assert end_offset <= offset
        kept = await read_all(manager, log)
        assert kept == [record for record in before if record[0] < end_offset], "truncation took something else"
        for each, value in kept:
            acknowledge(topic, [value], each)
        await self.store(manager, "fast")
        self.go_on_after(topic, kept)
        self.verify_duplicate(manager, topic, log, kept)

    def go_on_after(self, topic: Topic, kept: Sequence[tuple[int, str]]) -> None:
        """The producer of this life sends what follows the last batch that is left of it."""
        own = [topic.batches[value] for _, value in kept if value in topic.batches]
        sequences = [sequence + len(values) for producer, sequence, values in own if producer == self.lives]
        self.sequences[topic.key.topic] = sequences[-1] if sequences else 0

    async def come_and_go(self, manager: LogManager) -> None:
        """Delete a topic if it is there, make it, use it: each as far as this life gets."""
        name = self.chance.choice(PASSING)
        if (topic := self.topics.get(name)) is not None:
            if (topic.key.topic_id, 0) in manager.logs:
                await self.refuse(manager, name)
            topic.state = "deleting"
            if not await manager.delete([(topic.key.topic_id, 0)]):
                raise DirectoryFailedError("the deletion is not certain")
            topic.state = "deleted"
            self.gone.append(self.topics.pop(name))
            self.sequences.pop(name, None)
        if self.chance.random() < 0.8:
            await self.create(manager, name)
            for _ in range(self.chance.randint(1, 4)):
                await self.append(manager, name)
            if self.chance.random() < 0.5:
                await self.store(manager, name)
                await manager.upkeep.checkpoint_recovery_points()

    async def refuse(self, manager: LogManager, name: str) -> None:
        """While a topic is there, its name is taken."""
        key = self.new_topic(name).key
        made = (await manager.create([key], CONFIG))[key]
        if isinstance(made, LogError):
            raise made
        assert isinstance(made, ForeignDirectoryError), f"a second {name} came to be: {made}"

    # Accounting

    def crashed(self, kind: CrashKind) -> None:
        for topic in self.gone:
            assert topic.state == "deleted"
        for name, topic in self.topics.items():
            topic.history.add(Crashed(loses_suffix=kind == "power" and name != "synced"))
            if kind == "power":
                topic.start_found = 0

    async def verify(self, manager: LogManager) -> None:
        """Hold the recovered logs against everything that was promised."""
        assert not manager.damaged, manager.damaged
        for topic in self.gone:
            assert (topic.key.topic_id, 0) not in manager.logs, f"{topic.key.name} was deleted and is back"
        for topic in self.topics.values():
            log = manager.logs.get((topic.key.topic_id, 0))
            if log is None:
                assert topic.state != "made", f"{topic.key.name} was created and is gone"
                continue
            assert log.damage is None, log.damage
            if topic.state == "deleting":
                continue
            if topic.state not in ("making", "truncating"):
                topic.state = "made"
            await self.verify_log(manager, topic, log)

    async def verify_log(self, manager: LogManager, topic: Topic, log: Log) -> None:
        log.config = CONFIG
        if topic.key.topic == "synced":
            await manager.flusher.flush(log)  # As consumers see it: only what is flushed is ever read.
        records = await read_all(manager, log)
        promised_start = max(topic.start_promised, topic.start_found)
        assert min(promised_start, log.log_end_offset) <= log.log_start_offset, "deleted records are back"
        assert log.log_start_offset <= topic.start_limit, "records are gone that nobody deleted"
        topic.start_found = topic.start_limit = log.log_start_offset
        expected = range(log.log_start_offset, log.log_end_offset)
        assert [offset for offset, _ in records] == list(expected), "offsets have gaps"
        topic.history.add(Final(topic.partition, log.log_start_offset, tuple(records)))
        violations = topic.history.violations()
        assert not violations, "; ".join(map(str, violations))
        promised = log.flushed_offset if topic.key.topic == "synced" else log.log_end_offset
        for offset, value in records:
            if offset < promised:
                acknowledge(topic, [value], offset)
        self.verify_duplicate(manager, topic, log, records)

    def verify_duplicate(self, manager: LogManager, topic: Topic, log: Log, records: Sequence[tuple[int, str]]) -> None:
        """The producer of the last batch sends it once more: it is known, at the offset it has."""
        if not records:
            return
        last_offset, last_value = records[-1]
        producer, sequence, values = topic.batches[last_value]
        result = log.append(
            batch(values, manager.time_ms(), producer, sequence), leader_epoch=EPOCH, now_ms=manager.time_ms()
        )
        assert result.error is ErrorCode.none, result.error_message
        assert result.duplicate, f"{last_value} was stored again"
        assert result.base_offset == last_offset - len(values) + 1, "a repeated batch is answered with a wrong offset"


def retention_limit(log: Log) -> int:
    """The log start offset that retention by size may bring about."""
    excess = log.size_bytes - log.config.retention_bytes
    if log.config.retention_bytes < 0:
        return 0
    for segment, following in pairwise(log.segments):
        excess -= segment.size
        if excess < 0:
            return segment.base_offset
        last = following.base_offset
    return last if len(log.segments) > 1 else 0


def manager_log(manager: LogManager, topic: Topic) -> Log:
    return manager.logs[topic.key.topic_id, topic.key.partition]


def acknowledge(topic: Topic, values: Sequence[str], base_offset: int) -> None:
    topic.history.add(*(Acknowledged(topic.partition, value, base_offset + n) for n, value in enumerate(values)))


def run_lives(seed: int, crashes: Sequence[tuple[int, CrashKind]], *, replay: str | None = None) -> tuple[str, int]:
    """One life for each crash (I/O step counted from its start, kind), then one to check; digest and steps."""
    lives = LogLives(seed)
    with World(seed, replay=replay) as world:
        machine = world.machine("broker")
        machine.disk.make_directories(DIRECTORY)
        for step, kind in crashes:
            machine.disk.crash_at(machine.disk.steps + step, kind)
            run_life(world, machine, lives)
            if kind == "power":
                machine.crash("power")
            lives.crashed(kind)
        machine.disk.crash_at(NEVER, "process")
        run_life(world, machine, lives)
        world.check()
        return world.digest, machine.disk.steps


def run_life(world: World, machine: Machine, lives: LogLives) -> None:
    process = machine.start(lives.live)
    world.schedule.run_until(lambda: not process.alive, STEPS_MAX)
    world.check()
