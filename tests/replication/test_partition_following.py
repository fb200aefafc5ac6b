"""One partition as a follower: what the leader sent, and what must not get into the log when leaders change."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from kio.schema.errors import ErrorCode

from odradek.log.append import AppendResult
from odradek.log.health import SLOW_WRITES
from odradek.log.manager import LogManager
from odradek.replication.partition import Partition
from tests.replication.images import partition_image
from tests.support.log_managers import create, keys, opened, until
from tests.support.logs import batch, offsets_in, placed, topic_config


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


async def follower(manager: LogManager, config: Any = None, *, epoch: int = 5, **image: Any) -> Partition:
    """The only partition of a topic, led by broker 2."""
    (log,) = await create(manager, keys("flights", 1), config)
    partition = Partition(log, manager, lambda _: None)
    manager.attach(log, partition)
    partition.follow(led_elsewhere(epoch, **image))
    return partition


def led_elsewhere(epoch: int, **image: Any) -> Any:
    values: dict[str, Any] = {"leader": 2, "replicas": (1, 2), "isr": (1, 2)}
    return partition_image(epoch, **values | image)


def slow_down(manager: LogManager) -> None:
    """Writes go through a thread from now on."""
    (health,) = manager.healths.values()
    for _ in range(SLOW_WRITES):
        manager.write_stalled(health, manager.now())


def test_only_its_leader_moves_a_followers_high_watermark(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        config = topic_config(flush_messages=1)
        partition = await follower(manager, config, isr=(2,))
        partition.append_replicated(placed(0, b"a", b"b", leader_epoch=5))
        partition.configure(led_elsewhere(5, isr=(2,), mod_revision=9))
        await manager.flusher.flush(partition.log)
        assert partition.high_watermark == 0
        partition.follow_to(1, 0)
        assert partition.high_watermark == 1
        partition.follow_to(7, 0)
        assert partition.high_watermark == 2, "no further than it is itself"
        partition.follow_to(1, 0)
        assert partition.high_watermark == 2, "and never back"
        await manager.stop()

    run(scenario())


def test_what_was_cut_is_not_committed_here(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        partition = await follower(manager)
        for offset in range(4):
            partition.append_replicated(placed(offset, b"v", leader_epoch=5))
        partition.follow_to(4, 0)
        partition.log.truncate_to(2)
        partition.truncated()
        assert partition.high_watermark == 2
        partition.log.truncate_fully_and_start_at(9, 0)
        partition.truncated()
        assert partition.high_watermark == 9
        await manager.stop()

    run(scenario())


def test_a_replicated_write_under_way_when_this_broker_becomes_leader_does_not_get_in(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        partition = await follower(manager)
        partition.append_replicated(placed(0, b"before", leader_epoch=5))
        slow_down(manager)
        late = partition.append_replicated(placed(1, b"late", leader_epoch=5))
        waiting = partition.append_replicated(placed(2, b"later", leader_epoch=5))
        assert isinstance(late, asyncio.Future)
        assert isinstance(waiting, asyncio.Future)
        await asyncio.sleep(0)  # The first write is in its thread now.
        assert partition.lead(partition_image(6))
        led = partition.append(batch(b"led"))
        assert isinstance(led, asyncio.Future)
        assert (await late).error is (await waiting).error is ErrorCode.not_leader_or_follower
        assert (await led).base_offset == 1
        assert offsets_in(partition.log) == [(0, 0), (1, 1)]
        assert partition.log.epochs.entries == ((5, 0), (6, 1))
        await manager.stop()

    run(scenario())


def test_a_clients_write_under_way_when_another_broker_becomes_leader_does_not_get_in(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        partition = await follower(manager)
        assert partition.lead(partition_image(6))
        slow_down(manager)
        late = partition.append(batch(b"late"))
        assert isinstance(late, asyncio.Future)
        await asyncio.sleep(0)
        partition.follow(led_elsewhere(7))
        replicated = partition.append_replicated(placed(0, b"v", leader_epoch=7))
        assert isinstance(replicated, asyncio.Future)
        await partition.writes_ended()
        assert late.result().error is ErrorCode.not_leader_or_follower
        assert replicated.result().error is ErrorCode.none
        assert partition.log.epochs.entries == ((7, 0),)
        await manager.stop()

    run(scenario())


def test_writes_that_are_under_way_are_waited_for_and_none_are_not(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        partition = await follower(manager)
        await partition.writes_ended()
        slow_down(manager)
        written = [partition.append_replicated(placed(each, b"v", leader_epoch=5)) for each in range(3)]
        await partition.writes_ended()
        assert all(isinstance(each, asyncio.Future) and each.done() for each in written)
        assert partition.log.log_end_offset == 3
        await manager.stop()

    run(scenario())


def test_a_cut_is_waited_for_until_it_is_stored(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        partition = await follower(manager)
        log = partition.log
        for offset in range(4):
            result = partition.append_replicated(placed(offset, b"v", leader_epoch=5))
            assert isinstance(result, AppendResult)
        manager.flusher.request(log)
        await until(lambda: manager.flusher.is_running(log) or log.flushed_offset == 4)
        log.lower_recovery_point(2)
        log.truncate_to(2)
        await manager.flusher.flush_cut(log)
        assert not log.cut
        assert not manager.flusher.is_running(log)
        assert log.flushed_offset == 2
        await manager.flusher.flush_cut(log)
        await manager.stop()

    run(scenario())
