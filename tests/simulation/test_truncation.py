"""Cutting a follower's log: what is gone stays gone whatever happens to the power, and what is left is not damaged."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from odradek.config import BrokerConfig
from odradek.log.log import Log
from odradek.replication.following import BeginAt, Cut
from odradek.replication.partition import Partition
from odradek.replication.truncation import Truncation, truncate_logs
from odradek.simulation import Process, World
from tests.simulation.scripted_following import DIRECTORY, TOPIC_ID, Follower, led_by
from tests.simulation.scripted_leader import LeaderLog

SEEDS = range(12)
CONFIG = {"segment.ms": "1", "index.interval.bytes": "0"}


class Disk:
    """One machine's lives; each is given its follower, whose only partition follows somebody."""

    def __init__(self, seed: int) -> None:
        self.world = World(seed)
        self.machine = self.world.machine("follower")
        self.machine.disk.make_directories(DIRECTORY)

    def live(self, act: Callable[[Follower], Awaitable[Any]], *, ends: str = "power") -> Any:
        """Until the power goes, or an orderly stop."""
        found: list[Any] = []

        async def main(process: Process) -> None:
            follower = Follower(process, BrokerConfig.parse({"node.id": 1}), CONFIG)
            await follower.start(1)
            follower.partitions[0].follow(led_by(2, 0))
            found.append(await act(follower))
            if ends == "stop":
                await follower.stop()
            await process.loop.create_future()

        self.machine.start(main)
        self.world.schedule.run_until(lambda: bool(found) or self.world.has_failed, 500_000)
        self.world.check()
        self.machine.crash("power" if ends == "power" else "process")
        return found[0]


def fill(partition: Partition, count: int) -> None:
    """Batches of two records of an idempotent producer, of equal size, a segment each or nearly."""
    source = LeaderLog()
    for number in range(count):
        source.append(f"{number:03}-a", f"{number:03}-b", producer=(9, 2 * number))
    for batch in source.batches:
        partition.append_replicated(bytearray(batch.content))
    partition.follow_to(4, 0)


async def cut(follower: Follower, decision: Cut | BeginAt, *, is_wanted: bool = True) -> int:
    """How many logs were."""
    truncation = Truncation(follower.partitions[0], decision, lambda: is_wanted)
    return len(await truncate_logs(follower.logs, [truncation]))


def where(log: Log) -> tuple[int, int, int]:
    last = log.producers.entries[9].last_sequence if 9 in log.producers.entries else -1
    return log.log_start_offset, log.log_end_offset, last


def log_of(follower: Follower) -> Log:
    assert not follower.logs.damaged, follower.logs.damaged
    log = follower.logs.get(TOPIC_ID, 0)
    assert log is not None
    return log


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("decision", "expected"),
    [
        (Cut(10), (0, 10, 9)),
        (Cut(3), (0, 2, 1)),
        (Cut(0), (0, 0, -1)),
        (BeginAt(30), (30, 30, -1)),
        (BeginAt(7), (7, 7, -1)),
    ],
)
def test_what_was_cut_does_not_come_back_with_the_power(
    seed: int, decision: Cut | BeginAt, expected: tuple[int, int, int]
) -> None:
    async def first(follower: Follower) -> None:
        fill(follower.partitions[0], 8)
        if seed % 3:
            await follower.logs.flusher.flush(log_of(follower))
            follower.logs.flusher.request(log_of(follower), everything=True)
            await follower.logs.flusher.drain()
        if seed % 2:
            await follower.logs.upkeep.checkpoint_recovery_points()
        assert await cut(follower, decision) == 1
        assert where(log_of(follower)) == expected
        assert follower.partitions[0].high_watermark == max(min(4, expected[1]), expected[0])

    async def second(follower: Follower) -> tuple[int, int, int]:
        return where(log_of(follower))

    disk = Disk(seed)
    with disk.world:
        disk.live(first)
        assert disk.live(second) == expected
        disk.live(second, ends="stop")
        assert disk.live(second) == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_a_log_that_begins_anew_below_its_start_does_so_after_a_power_loss_too(seed: int) -> None:
    async def first(follower: Follower) -> None:
        assert await cut(follower, BeginAt(50)) == 1
        await follower.logs.upkeep.checkpoint_start_offsets()
        await follower.logs.upkeep.checkpoint_recovery_points()
        assert await cut(follower, BeginAt(20)) == 1

    async def second(follower: Follower) -> tuple[int, int, int]:
        return where(log_of(follower))

    disk = Disk(seed)
    with disk.world:
        disk.live(first)
        assert disk.live(second) == (20, 20, -1)


def test_a_log_whose_leader_has_changed_meanwhile_is_not_cut() -> None:
    async def first(follower: Follower) -> None:
        fill(follower.partitions[0], 8)
        assert await cut(follower, Cut(6), is_wanted=False) == 0
        assert log_of(follower).log_end_offset == 16

    disk = Disk(1)
    with disk.world:
        disk.live(first)


def test_a_recovery_point_that_a_flush_moves_on_meanwhile_is_made_durable_lower_again() -> None:
    async def first(follower: Follower) -> None:
        fill(follower.partitions[0], 8)
        log, checks = log_of(follower), 0
        await follower.logs.flusher.flush(log)

        def is_wanted() -> bool:
            nonlocal checks
            checks += 1
            if checks in (2, 4):  # After a checkpoint, before the cut.
                log.recovery_point = log.log_end_offset
            return True

        (done,) = await truncate_logs(follower.logs, [Truncation(follower.partitions[0], Cut(6), is_wanted)])
        assert (done.log, checks, log.log_end_offset) == (log, 6, 6)
        assert log.recovery_point <= 6

    disk = Disk(1)
    with disk.world:
        disk.live(first)
