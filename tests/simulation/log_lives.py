"""The lives of one log manager: it works, dies at some I/O step, comes back on the same disk, and is held to account.

Topic "fast" promises what an append without flush does, "synced" what follows a flush, "short" loses its old records
on purpose, "passing" topics come and go.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from uuid import UUID

from kio.schema.errors import ErrorCode

from odradek.config import BrokerConfig, TopicConfig
from odradek.log.log import Log
from odradek.log.manager import LogManager
from odradek.log.partition_files import PartitionKey
from odradek.log.settings import LogSettings
from odradek.simulation import CrashKind, Machine, Process, World
from odradek.wire.record_codec import Record, decode_batch, encode_batch
from odradek.wire.records import batches, crc_is_valid
from tests.support.history import Acknowledged, Crashed, Final, History, Partition, Sent, Trimmed

DIRECTORY = "/data"
READ_BYTES = 4000
RECORDS_MAX = 4
ACTIONS = 25
STEPS_MAX = 200_000
EPOCH = 3
KEPT = ("fast", "synced", "short")
CONFIG = replace(
    TopicConfig.of(BrokerConfig.parse({}), {}), segment_bytes=1500, index_interval_bytes=200, file_delete_delay_ms=50
)


@dataclass
class Topic:
    """What is known of a topic: its state ("making", "made", "deleting", "deleted") and what it must hold.

    A topic whose creation was interrupted is still "making" when it is found: a power loss may take it.
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
        self.values = 0

    # Work

    async def live(self, process: Process) -> None:
        """Come up, be checked, work, and perhaps stop in good order."""
        self.lives += 1
        self.sequences: dict[str, int] = {}
        settings = LogSettings(log_dirs=(DIRECTORY,), odradek_disk_reserve_bytes=0)
        manager = LogManager(process.host, process.loop, settings, CONFIG)
        manager.lock("broker:9092")
        await manager.load("cluster", 1)
        manager.start()
        await self.verify(manager)
        for name in KEPT:
            if name not in self.topics or (self.topics[name].key.topic_id, 0) not in manager.logs:
                await self.create(manager, name)
            elif self.topics[name].state == "making":
                await self.store(manager, name)
        for _ in range(ACTIONS):
            await self.act(manager)
        if self.chance.random() < 0.5:
            await manager.stop()

    async def act(self, manager: LogManager) -> None:
        draw = self.chance.random()
        if draw < 0.55:
            await self.append(manager, self.chance.choice(KEPT))
        elif draw < 0.7:
            await self.flush(manager, "synced")
        elif draw < 0.78:
            manager_log(manager, self.topics["fast"]).roll(manager.time_ms())
        elif draw < 0.84:
            await manager.upkeep.checkpoint_recovery_points()
        elif draw < 0.92:
            await self.trim(manager)
        else:
            await self.come_and_go(manager)

    async def create(self, manager: LogManager, name: str) -> None:
        topic = self.topics.setdefault(name, Topic(PartitionKey(name, 0, UUID(int=len(self.topics) + 1, version=4))))
        made = await manager.create([topic.key], CONFIG)
        assert isinstance(made[topic.key], Log), made
        topic.state = "made"

    async def store(self, manager: LogManager, name: str) -> None:
        """A full flush makes durable what an interrupted creation left."""
        manager.flusher.request(manager_log(manager, self.topics[name]), everything=True)
        await manager.flusher.drain()
        self.topics[name].state = "made"

    async def append(self, manager: LogManager, name: str) -> None:
        topic, log = self.topics[name], manager_log(manager, self.topics[name])
        values = [f"{name}-{self.values + number}" for number in range(self.chance.randint(1, RECORDS_MAX))]
        self.values += len(values)
        sequence = self.sequences.get(name, 0)
        topic.history.add(*(Sent(f"producer-{self.lives}", topic.partition, value) for value in values))
        topic.batches[values[-1]] = (self.lives, sequence, values)
        records = batch(values, manager.time_ms(), self.lives, sequence)
        result = log.append(records, leader_epoch=EPOCH, now_ms=manager.time_ms())
        assert result.error is ErrorCode.none, result.error_message
        self.sequences[name] = sequence + len(values)
        if name == "synced":
            if self.chance.random() < 0.5:
                await self.flush(manager, name)
        else:
            acknowledge(topic, values, result.base_offset)

    async def flush(self, manager: LogManager, name: str) -> None:
        """What `flush` has returned for is promised to survive a power loss."""
        topic, log = self.topics[name], manager_log(manager, self.topics[name])
        await manager.flusher.flush(log)
        for offset, value in await read_all(manager, log):
            if offset < log.flushed_offset:
                acknowledge(topic, [value], offset)

    async def trim(self, manager: LogManager) -> None:
        """Delete records of "short", remove what segments that frees, and sometimes store the new start."""
        topic, log = self.topics["short"], manager_log(manager, self.topics["short"])
        offset = self.chance.randint(log.log_start_offset, log.log_end_offset)
        topic.start_limit = max(topic.start_limit, offset)
        topic.history.add(Trimmed(topic.partition, offset))
        if log.advance_log_start(offset):
            manager.log_start_moved(log)
        if self.chance.random() < 0.5:
            await manager.upkeep.checkpoint_start_offsets()
            topic.start_promised = max(topic.start_promised, offset)
        if self.chance.random() < 0.5:
            manager.retain(log)

    async def come_and_go(self, manager: LogManager) -> None:
        """Make a topic, use it, delete it: each as far as this life gets."""
        name = f"passing-{self.lives}-{len(self.topics)}"
        await self.create(manager, name)
        await self.append(manager, name)
        topic = self.topics[name]
        if self.chance.random() < 0.7:
            topic.state = "deleting"
            await manager.delete([(topic.key.topic_id, 0)])
            topic.state = "deleted"

    # Accounting

    def crashed(self, kind: CrashKind) -> None:
        for name, topic in self.topics.items():
            topic.history.add(Crashed(loses_suffix=kind == "power" and name != "synced"))
            if kind == "power":
                topic.start_found = 0

    async def verify(self, manager: LogManager) -> None:
        """Hold the recovered logs against everything that was promised."""
        assert not manager.damaged, manager.damaged
        for topic in self.topics.values():
            log = manager.logs.get((topic.key.topic_id, 0))
            if log is None:
                assert topic.state != "made", f"{topic.key.name} was created and is gone"
                topic.state = "making" if topic.state == "making" else "deleted"
                continue
            assert topic.state != "deleted", f"{topic.key.name} was deleted and is back"
            assert log.damage is None, log.damage
            if topic.state != "making":
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
        assert result.base_offset == last_offset - len(values) + 1


def manager_log(manager: LogManager, topic: Topic) -> Log:
    return manager.logs[topic.key.topic_id, topic.key.partition]


def acknowledge(topic: Topic, values: Sequence[str], base_offset: int) -> None:
    topic.history.add(*(Acknowledged(topic.partition, value, base_offset + n) for n, value in enumerate(values)))


def batch(values: Sequence[str], now_ms: int, producer: int, sequence: int) -> bytearray:
    """An idempotent producer's batch, in a buffer the log may patch."""
    records = [Record(0, now_ms, None, value.encode() + b"." * (len(value) * 7 % 90)) for value in values]
    return bytearray(encode_batch(records, producer_id=producer, producer_epoch=0, base_sequence=sequence))


async def read_all(manager: LogManager, log: Log) -> list[tuple[int, str]]:
    """Offsets and values from the log start on, every CRC checked."""
    found: list[tuple[int, str]] = []
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        located = log.locate(offset, READ_BYTES)
        if located is None:
            located = await log.locate_cold(offset, READ_BYTES)
        buffer = bytearray(located.length)
        assert manager.files.preadv(located.fd, [buffer], located.position) == located.length
        located.release()
        before = offset
        for record in whole_records(memoryview(buffer)):
            if record.offset >= offset:
                assert record.value is not None
                found.append((record.offset, record.value.decode().rstrip(".")))
                offset = record.offset + 1
        assert offset > before, f"nothing can be read at offset {offset} of {log!r}"
    return found


def whole_records(view: memoryview) -> list[Record]:
    """Of the whole batches in a read."""
    records: list[Record] = []
    for position, header in batches(view):
        assert crc_is_valid(view, position, header), f"batch at offset {header.base_offset} is damaged"
        records += decode_batch(view[position : position + header.size])
    return records


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
        machine.disk.crash_at(1 << 60, "process")
        run_life(world, machine, lives)
        world.check()
        return world.digest, machine.disk.steps


def run_life(world: World, machine: Machine, lives: LogLives) -> None:
    process = machine.start(lives.live)
    world.schedule.run_until(lambda: not process.alive, STEPS_MAX)
    world.check()
