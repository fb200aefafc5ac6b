"""A log that is appended to, rolled, compacted, shortened at both ends, stopped and crashed, against a plain model.

The model is the list of all records that were ever written. A record that is not there any more must have a reason: a
later one of its key in what was compacted, a delete horizon that has passed, a log start beyond it, or a crash that
was allowed to take the end. What is there is what was written, in its order; producers go on where they were.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

from kio.schema.errors import ErrorCode

from odradek.log.errors import DirectoryFailedError
from odradek.log.log import Log
from odradek.log.manager import LogManager
from odradek.log.partition_files import PartitionKey
from odradek.log.settings import LogSettings
from odradek.simulation import CrashKind, Machine, Process, World
from odradek.wire.record_codec import Record, decode_batch, encode_batch
from odradek.wire.records import batches, crc_is_valid
from tests.support.compacting import compact, compact_config
from tests.support.log_managers import FLIGHTS

DIRECTORY = "/data"
KEY = PartitionKey("table", 0, FLIGHTS)
CONFIG = compact_config(segment_bytes=900, index_interval_bytes=100, delete_retention_ms=5_000)
KEYS, RECORDS_MAX, ACTIONS, PRODUCERS = 6, 4, 35, 2
TOMBSTONE_CHANCE = 0.25
READ_BYTES = 700
SEGMENTS, RENAMING_CHANCE, RENAMINGS_MAX = f"{DIRECTORY}/table-0/*.log", 0.33, 6
STEPS_MAX, NEVER, EPOCH = 200_000, 1 << 60, 3


@dataclass(frozen=True, slots=True)
class Written:
    """One record; `value` None is a tombstone."""

    offset: int
    key: str
    value: str | None


@dataclass(slots=True)
class Cleaning:
    """An attempt to compact everything below `upper_offset`; nobody need know how it ended."""

    now_ms: int
    upper_offset: int


@dataclass(slots=True)
class Model:
    """What Kafka promises of a compacted log."""

    records: dict[int, Written] = field(default_factory=dict)
    cleanings: list[Cleaning] = field(default_factory=list)
    start_limit: int = 0
    """The log may begin there at the latest."""
    acknowledged_end: int = 0
    flushed_end: int = 0
    batches: dict[int, tuple[int, int, list[tuple[str, str | None]]]] = field(default_factory=dict)
    """Base offset -> producer id, sequence, records."""

    def cut(self, end_offset: int) -> None:
        """What lay above is gone, and what comes next gets its offsets."""
        self.records = {at: each for at, each in self.records.items() if at < end_offset}
        self.batches = {at: each for at, each in self.batches.items() if at < end_offset}
        for cleaning in self.cleanings:
            cleaning.upper_offset = min(cleaning.upper_offset, end_offset)
        self.acknowledged_end = min(self.acknowledged_end, end_offset)
        self.flushed_end = min(self.flushed_end, end_offset)

    def check(self, start_offset: int, found: Sequence[Written]) -> None:
        """Raises AssertionError."""
        offsets = [each.offset for each in found]
        assert offsets == sorted(set(offsets)), f"offsets are not in order: {offsets}"
        for each in found:
            assert self.records.get(each.offset) == each, f"{each} is not what was written there"
        present = dict.fromkeys(offsets)
        for record in self.records.values():
            if record.offset >= start_offset and record.offset not in present:
                assert self.may_be_gone(record), f"{record} is gone without a reason"

    def may_be_gone(self, record: Written) -> bool:
        covering = [each for each in self.cleanings if each.upper_offset > record.offset]
        if not covering:
            return False
        upper = max(each.upper_offset for each in covering)
        later = [at for at, each in self.records.items() if each.key == record.key and record.offset < at < upper]
        return bool(later) or (record.value is None and self.horizon_has_passed(covering))

    def horizon_has_passed(self, covering: Sequence[Cleaning]) -> bool:
        """Of a tombstone: it is set by the first cleaning that sees it, and counts at a later one."""
        first_ms = min(each.now_ms for each in covering)
        return any(each.now_ms >= first_ms + CONFIG.delete_retention_ms for each in covering)

    def check_compacted(self, found: Sequence[Written], upper_offset: int) -> None:
        """A cleaning has ended well: below it no key is there twice."""
        keys = [each.key for each in found if each.offset < upper_offset]
        assert len(keys) == len(set(keys)), f"keys are there more than once after compaction: {keys}"


class CompactedLives:
    """All lives of one log manager with one compacted log."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(f"{seed} compacted lives")
        self.model = Model()
        self.lives = 0
        self.values = 0
        self.lost_power = False
        """Since the last life that came up."""

    async def live(self, process: Process) -> None:
        """Come up, be checked, work, and perhaps stop in good order."""
        self.lives += 1
        self.clock = process.machine.clock
        self.sequences = dict.fromkeys(range(PRODUCERS), 0)
        settings = LogSettings(log_dirs=(DIRECTORY,), odradek_disk_reserve_bytes=0)
        manager = LogManager(process.host, process.loop, settings, CONFIG)
        manager.lock("broker:9092")
        await manager.load("cluster", 1)
        manager.start()
        log = manager.get(KEY.topic_id, KEY.partition)
        if log is None:
            assert self.model.flushed_end == 0, "the log is gone"
            made = (await manager.create([KEY], CONFIG))[KEY]
            assert isinstance(made, Log), made
            log = made
        try:
            await self.recovered(manager, log)
            for _ in range(ACTIONS):
                await self.act(manager, log)
                if self.chance.random() < 0.2:
                    await self.verify(manager, log)
            await self.verify(manager, log)
        except DirectoryFailedError as error:
            raise AssertionError("nothing fails here") from error
        if self.chance.random() < 0.5:
            await manager.stop()
            self.model.flushed_end = self.model.acknowledged_end

    async def recovered(self, manager: LogManager, log: Log) -> None:
        """Of the end no more is gone than the crash may take; the rest is as it was."""
        model = self.model
        promised = model.flushed_end if self.lost_power else model.acknowledged_end
        assert log.damage is None, log.damage
        assert log.log_end_offset >= promised, f"the log ends at {log.log_end_offset}, {promised} was promised"
        assert log.log_start_offset <= model.start_limit, "records are gone that nobody deleted"
        model.cut(log.log_end_offset)
        model.acknowledged_end, self.lost_power = log.log_end_offset, False
        names = manager.files.listdir(log.directory)
        assert not [name for name in names if name.endswith((".swap", ".cleaned"))], names
        await self.verify(manager, log)
        self.repeat_last(manager, log)

    def repeat_last(self, manager: LogManager, log: Log) -> None:
        """Each producer's last batch, sent once more, is known, at the offset it has."""
        last = {producer: at for at, (producer, _, _) in sorted(self.model.batches.items())}
        for producer, base_offset in last.items():
            _, sequence, pairs = self.model.batches[base_offset]
            if base_offset < log.log_start_offset:
                continue
            result = log.append(
                self.batch(manager, pairs, producer, sequence), leader_epoch=EPOCH, now_ms=manager.time_ms()
            )
            assert result.error is ErrorCode.none, result.error_message
            assert result.duplicate, f"the batch at {base_offset} was stored again"
            assert result.base_offset == base_offset, f"the batch at {base_offset} is answered {result.base_offset}"

    async def act(self, manager: LogManager, log: Log) -> None:
        draw = self.chance.random()
        if draw < 0.6:
            self.append(manager, log)
        elif draw < 0.7:
            await self.flush(manager, log)
        elif draw < 0.74:
            log.roll(manager.time_ms())
        elif draw < 0.86:
            await self.compact(manager, log)
        elif draw < 0.9:
            self.clock.jump(self.chance.randint(0, 2 * CONFIG.delete_retention_ms))
        elif draw < 0.93:
            await manager.upkeep.checkpoint_recovery_points()
        elif draw < 0.96:
            self.trim(manager, log)
        elif draw < 0.98:
            await self.truncate(manager, log)
        else:
            self.retain(manager, log)

    def append(self, manager: LogManager, log: Log) -> None:
        number = self.chance.randrange(PRODUCERS)
        producer, sequence = self.lives * PRODUCERS + number, self.sequences[number]
        pairs = [self.invent() for _ in range(self.chance.randint(1, RECORDS_MAX))]
        base_offset = log.log_end_offset
        self.model.batches[base_offset] = producer, sequence, pairs
        for position, (key, value) in enumerate(pairs):  # It may be there even when the append does not return.
            self.model.records[base_offset + position] = Written(base_offset + position, key, value)
        result = log.append(
            self.batch(manager, pairs, producer, sequence), leader_epoch=EPOCH, now_ms=manager.time_ms()
        )
        assert result.error is ErrorCode.none, result.error_message
        assert result.base_offset == base_offset
        self.sequences[number] = sequence + len(pairs)
        self.model.acknowledged_end = base_offset + len(pairs)

    def invent(self) -> tuple[str, str | None]:
        self.values += 1
        is_tombstone = self.chance.random() < TOMBSTONE_CHANCE
        return f"key-{self.chance.randrange(KEYS)}", None if is_tombstone else f"value-{self.values}"

    def batch(
        self, manager: LogManager, pairs: Sequence[tuple[str, str | None]], producer: int, sequence: int
    ) -> bytearray:
        records = [
            Record(0, manager.time_ms(), key.encode(), None if value is None else value.encode())
            for key, value in pairs
        ]
        return bytearray(encode_batch(records, producer_id=producer, producer_epoch=0, base_sequence=sequence))

    async def flush(self, manager: LogManager, log: Log) -> None:
        await manager.flusher.flush(log)
        self.model.flushed_end = max(self.model.flushed_end, log.flushed_offset)

    async def compact(self, manager: LogManager, log: Log) -> None:
        """All of it, made durable before; or what may be just now, with other things going on meanwhile."""
        upper_offset = log.log_end_offset
        self.model.cleanings.append(Cleaning(manager.time_ms(), upper_offset))
        if self.chance.random() < 0.5:
            is_clean = await compact(manager, log)
            self.model.flushed_end = max(self.model.flushed_end, upper_offset)
            found = await self.verify(manager, log)
            if is_clean:
                self.model.check_compacted(found, upper_offset)
            return
        if self.chance.random() < 0.5:
            await self.flush(manager, log)
        cleaning = asyncio.ensure_future(manager.cleaner.clean_now(log))
        while not cleaning.done():
            await asyncio.sleep(self.chance.uniform(0.0, 0.02))
            await self.interfere(manager, log)
        await cleaning
        await self.verify(manager, log)

    async def interfere(self, manager: LogManager, log: Log) -> None:
        draw = self.chance.random()
        if draw < 0.15:
            self.append(manager, log)
        elif draw < 0.2:
            log.roll(manager.time_ms())
        elif draw < 0.25:
            await self.verify(manager, log)
        elif draw < 0.28:
            self.trim(manager, log)
        elif draw < 0.3:
            await self.truncate(manager, log)
        elif draw < 0.32:
            self.retain(manager, log)

    def trim(self, manager: LogManager, log: Log) -> None:
        """DeleteRecords."""
        offset = self.chance.randint(log.log_start_offset, (2 * log.log_start_offset + log.log_end_offset) // 3)
        self.model.start_limit = max(self.model.start_limit, offset)
        if log.advance_log_start(offset):
            manager.log_start_moved(log)

    def retain(self, manager: LogManager, log: Log) -> None:
        """For a moment the policy is compact,delete."""
        log.config = replace(CONFIG, cleanup_policy=frozenset({"compact", "delete"}), retention_bytes=3_000)
        self.model.start_limit = max(self.model.start_limit, log.active.base_offset)
        manager.retain(log)
        log.config = CONFIG

    async def truncate(self, manager: LogManager, log: Log) -> None:
        """As a follower does, once a checkpoint says that recovery may not rely on what goes; never what is compacted,
        as only what is committed is."""
        cleaned = max((each.upper_offset for each in self.model.cleanings), default=0)
        offset = self.chance.randint(max(log.log_start_offset, cleaned), log.log_end_offset)
        log.lower_recovery_point(offset)
        await manager.upkeep.checkpoint_recovery_points()
        if log.swap is not None:
            return  # Who truncates lets a swap end first.
        whole = max((at for at in self.model.batches if at <= offset), default=0)
        self.model.acknowledged_end = self.model.flushed_end = min(self.model.flushed_end, whole)
        end_offset = log.truncate_to(offset)
        assert end_offset <= offset
        manager.flusher.request(log, everything=True)
        await manager.flusher.drain()
        self.model.cut(end_offset)
        self.model.acknowledged_end = self.model.flushed_end = end_offset
        for number in self.sequences:
            self.sequences[number] = self.sequence_after(self.lives * PRODUCERS + number)

    def sequence_after(self, producer: int) -> int:
        """What the producer sends next, after the last of its batches that is left."""
        own = [(sequence, len(pairs)) for who, sequence, pairs in self.model.batches.values() if who == producer]
        return sum(own[-1]) if own else 0

    async def verify(self, manager: LogManager, log: Log) -> list[Written]:
        found = await self.read(manager, log)
        self.model.check(log.log_start_offset, found)
        return found

    async def read(self, manager: LogManager, log: Log) -> list[Written]:
        """From the log start to the end, as consumers do; batches may be empty."""
        found: list[Written] = []
        offset = log.log_start_offset
        while offset < log.log_end_offset:
            located = log.locate(offset, READ_BYTES) or await log.locate_cold(offset, READ_BYTES)
            content = bytearray(located.length)
            manager.files.preadv(located.fd, [content], located.position)
            located.release()
            before = offset
            for position, header in batches(content):
                assert crc_is_valid(content, position, header), f"the batch at {header.base_offset} is damaged"
                records = decode_batch(memoryview(content)[position : position + header.size])
                found += [written(each) for each in records if each.offset >= offset]
                offset = max(offset, header.last_offset + 1)
            assert offset > before, f"nothing to read at {offset}"
            await asyncio.sleep(0)
        return found


def written(record: Record) -> Written:
    return Written(record.offset, (record.key or b"").decode(), None if record.value is None else record.value.decode())


def run_compacted_lives(seed: int, crashes: Sequence[tuple[int, CrashKind]], *, replay: str | None = None) -> str:
    """One life for each crash (I/O step counted from its start, kind), then one to check; the digest.

    A third of them end at a renaming of a segment instead: there a swap can go wrong.
    """
    lives, chance = CompactedLives(seed), Random(f"{seed} targets")
    with World(seed, replay=replay) as world:
        machine = world.machine("broker")
        machine.disk.make_directories(DIRECTORY)
        for step, kind in [*crashes, (NEVER, "process")]:
            if step != NEVER and chance.random() < RENAMING_CHANCE:
                machine.disk.crash_on("rename", SEGMENTS, kind, skip=chance.randrange(RENAMINGS_MAX))
            else:
                machine.disk.crash_at(machine.disk.steps + step, kind)
            run_life(world, machine, lives)
            if kind == "power":
                machine.crash("power")
                lives.lost_power = True
        world.check()
        return world.digest


def run_life(world: World, machine: Machine, lives: CompactedLives) -> None:
    process = machine.start(lives.live)
    world.schedule.run_until(lambda: not process.alive, STEPS_MAX)
    world.check()
