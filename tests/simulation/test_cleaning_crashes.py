"""A log manager that compacts dies at each step of its I/O and comes back on the same disk.

After each death the log is the one before the compaction or the one after it, as far as it had come: every key has its
last value, offsets are those the records were given, no segment overlaps another, and nothing is left lying about.
"""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from odradek.log.log import Log
from odradek.log.manager import LogManager
from odradek.log.partition_files import PartitionKey
from odradek.log.settings import LogSettings
from odradek.simulation import CrashKind, Machine, Process, World
from odradek.wire.record_codec import decode_batch
from odradek.wire.records import batches
from tests.support.compacting import compact, compact_config, put
from tests.support.log_managers import FLIGHTS

DIRECTORY = "/data"
KEY = PartitionKey("table", 0, FLIGHTS)
CONFIG = compact_config(segment_bytes=600)
STEPS_MAX = 100_000
NEVER = 1 << 60
KEYS, RECORDS = 5, 40


class Lives:
    """What was written, and the work of each life."""

    def __init__(self) -> None:
        self.written: dict[int, tuple[str, str]] = {}
        self.lives = 0

    async def live(self, process: Process) -> None:
        """Come up, be checked, write, compact, and stop."""
        manager = LogManager(
            process.host, process.loop, LogSettings(log_dirs=(DIRECTORY,), odradek_disk_reserve_bytes=0), CONFIG
        )
        manager.lock("broker:9092")
        await manager.load("cluster", 1)
        manager.start()
        log = manager.get(KEY.topic_id, KEY.partition)
        if log is None:
            log = (await manager.create([KEY], CONFIG))[KEY]  # type: ignore[assignment]
            assert isinstance(log, Log)
        await self.verify(manager, log)
        self.lives += 1
        self.write(log)
        log.config = replace(CONFIG, segment_bytes=1500)
        for _ in range(2):  # Before the second every segment is small enough to become part of another.
            self.put(log, f"key-{KEYS}")
            assert await compact(manager, log)
            await self.verify(manager, log)
        assert len(log.segments) == 2, log.segments
        await manager.stop()

    def write(self, log: Log) -> None:
        for number in range(RECORDS):
            producer = {"producer_id": 2 * self.lives + number % 2, "producer_epoch": 0, "base_sequence": number // 2}
            self.put(log, f"key-{number % KEYS}", **producer)

    def put(self, log: Log, key: str, **fields: int) -> None:
        pair = key, f"value-{log.log_end_offset}"
        self.written[log.log_end_offset] = pair  # It may be there after a death that put did not return from.
        put(log, pair, **fields)

    async def verify(self, manager: LogManager, log: Log) -> None:
        """Readers find what they must, whatever the last life came to."""
        assert log.damage is None, log.damage
        self.written = {at: pair for at, pair in self.written.items() if at < log.log_end_offset}
        found = await self.read(manager, log)
        assert all(self.written[offset] == pair for offset, pair in found.items()), "a record is not what it was"
        assert dict(found.values()) == dict(self.written.values()), "a key has lost its last value"
        names = manager.files.listdir(log.directory)
        assert not [name for name in names if name.endswith((".swap", ".cleaned"))], names

    async def read(self, manager: LogManager, log: Log) -> dict[int, tuple[str, str]]:
        """By offset, as a consumer gets them."""
        found: dict[int, tuple[str, str]] = {}
        offset = log.log_start_offset
        while offset < log.log_end_offset:
            before = offset
            located = await log.locate_cold(offset, 500)
            content = bytearray(located.length)
            manager.files.preadv(located.fd, [content], located.position)
            located.release()
            for position, header in batches(content):
                for each in decode_batch(memoryview(content)[position:]):
                    assert each.key is not None
                    assert each.value is not None
                    if each.offset >= offset:
                        found[each.offset] = each.key.decode(), each.value.decode()
                assert header.last_offset >= offset
                offset = header.last_offset + 1
            assert offset > before, f"nothing to read at {offset}"
        return found


def run(crashes: Sequence[tuple[int, CrashKind]]) -> int:
    """One life for each crash (step counted from its start), then one to check; the steps of that."""
    lives = Lives()
    with World(1) as world:
        machine = world.machine("broker")
        machine.disk.make_directories(DIRECTORY)
        for step, kind in [*crashes, (NEVER, "process")]:
            begun = machine.disk.steps
            machine.disk.crash_at(begun + step, kind)
            run_life(world, machine, lives)
            if kind == "power":
                machine.crash("power")
        return machine.disk.steps - begun


def run_life(world: World, machine: Machine, lives: Lives) -> None:
    process = machine.start(lives.live)
    world.schedule.run_until(lambda: not process.alive, STEPS_MAX)
    world.check()


@pytest.mark.parametrize("kind", ["process", "power"])
def test_a_death_at_any_step_leaves_the_old_or_the_new(kind: CrashKind) -> None:
    steps = run([])
    for step in range(1, steps + 1):
        run([(step, kind)])
