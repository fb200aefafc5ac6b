"""Damage that a start notices by the inventory: where it is remembered, where it ends, and what is none."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from odradek.log import checkpoints, inventory
from odradek.log.inventory import INVENTORY, Kind
from odradek.log.log import Log
from odradek.log.manager import LogManager
from tests.support.log_managers import CREWS, FLIGHTS, crash, create, keys, opened
from tests.support.logs import append_many, batch, offsets_in, topic_config

SIZE = len(batch(bytes(100)))
CONFIG = topic_config(segment_bytes=3 * SIZE)
WRITTEN = 8


def segment(path: Path, base_offset: int) -> Path:
    return path / "flights-0" / f"{base_offset:020d}.log"


async def written(path: Path, **options: str) -> LogManager:
    """Two logs with segments 0, 3 and 6; all synced, and an inventory says so."""
    manager = await opened(path, **options)
    for log in await create(manager, keys("flights", 2), CONFIG):
        append_many(log, WRITTEN)
        manager.flusher.request(log, everything=True)
    await manager.flusher.drain()
    await manager.upkeep.checkpoint_recovery_points()
    return manager


async def stopped(manager: LogManager) -> None:
    await manager.stop(broker_epoch=9)


ENDS = pytest.mark.parametrize("end", [stopped, crash])
End = Callable[[LogManager], Coroutine[None, None, None]]


def flights(manager: LogManager, partition: int = 0) -> Log:
    return manager.logs[FLIGHTS, partition]


@ENDS
def test_damage_takes_its_partition_offline_alone_and_is_remembered_until_it_is_mended(
    tmp_path: Path, end: End
) -> None:
    async def scenario() -> None:
        await end(await written(tmp_path))
        content = segment(tmp_path, 3).read_bytes()
        segment(tmp_path, 3).unlink()
        for again in (crash, stopped, stopped):
            manager = await opened(tmp_path)
            assert list(manager.damaged) == [(FLIGHTS, 0)]
            assert flights(manager).damage is not None
            assert len(offsets_in(flights(manager))) == 3
            append_many(flights(manager, 1), 1)
            await manager.upkeep.checkpoint_recovery_points()
            await again(manager)
        segment(tmp_path, 3).write_bytes(content)
        manager = await opened(tmp_path)
        assert manager.damaged == {}
        append_many(flights(manager), 1)
        assert len(offsets_in(flights(manager))) == WRITTEN + 1
        await manager.stop()

    asyncio.run(scenario())


def test_a_lost_beginning_is_remembered(tmp_path: Path) -> None:
    async def scenario() -> None:
        await stopped(await written(tmp_path))
        segment(tmp_path, 0).unlink()
        for _ in range(3):
            manager = await opened(tmp_path)
            assert list(manager.damaged) == [(FLIGHTS, 0)]
            assert len(offsets_in(flights(manager))) == WRITTEN - 3
            await manager.stop()

    asyncio.run(scenario())


@ENDS
def test_what_retention_removes_is_no_damage(tmp_path: Path, end: End) -> None:
    async def scenario() -> None:
        manager = await written(tmp_path)
        flights(manager).config = topic_config(segment_bytes=3 * SIZE, retention_bytes=0, file_delete_delay_ms=0)
        manager.retain(flights(manager))
        await manager.flusher.drain()
        await end(manager)
        manager = await opened(tmp_path)
        assert manager.damaged == {}
        assert flights(manager).log_start_offset > 0
        await manager.stop()

    asyncio.run(scenario())


@ENDS
def test_a_directory_without_an_inventory_is_opened_with_care(tmp_path: Path, end: End) -> None:
    async def scenario() -> None:
        await end(await written(tmp_path))
        (tmp_path / INVENTORY).unlink()
        manager = await opened(tmp_path)
        assert manager.damaged == {}
        assert [log.log_end_offset for log in manager.logs.values()] == [WRITTEN, WRITTEN]
        await manager.stop()

    asyncio.run(scenario())


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff\x00"])
@ENDS
def test_a_damaged_inventory_is_worth_nothing(tmp_path: Path, end: End, content: bytes) -> None:
    async def scenario() -> None:
        await end(await written(tmp_path))
        (tmp_path / INVENTORY).write_bytes(content)
        manager = await opened(tmp_path)
        assert manager.damaged == {}
        assert [log.log_end_offset for log in manager.logs.values()] == [WRITTEN, WRITTEN]
        await manager.stop()

    asyncio.run(scenario())


def test_after_kafka_has_run_the_inventory_is_not_used(tmp_path: Path) -> None:
    async def scenario() -> None:
        await stopped(await written(tmp_path))
        (tmp_path / ".kafka_cleanshutdown").write_text('{"version":0,"brokerEpoch":9}')
        segment(tmp_path, 0).unlink()  # As its retention would, or its cleaner with any other.
        manager = await opened(tmp_path)
        assert manager.damaged == {}
        assert flights(manager).log_start_offset == 3
        await crash(manager)

    asyncio.run(scenario())


def test_after_kafka_has_run_and_died_the_inventory_is_not_used(tmp_path: Path) -> None:
    async def scenario() -> None:
        await stopped(await written(tmp_path))
        (tmp_path / ".kafka_cleanshutdown").unlink()
        (tmp_path / checkpoints.RECOVERY_POINT).write_text("0\n2\nflights 1 8\nflights 0 3\n")
        segment(tmp_path, 3).unlink()
        segment(tmp_path, 6).unlink()
        manager = await opened(tmp_path)
        assert manager.damaged == {}
        assert flights(manager).log_end_offset == 3
        await crash(manager)

    asyncio.run(scenario())


def test_the_marker_of_a_clean_stop_names_the_inventory(tmp_path: Path) -> None:
    async def scenario() -> None:
        await stopped(await written(tmp_path))
        marker = json.loads((tmp_path / ".kafka_cleanshutdown").read_bytes())
        found = inventory.parse((tmp_path / INVENTORY).read_bytes())
        assert marker == {"version": 0, "brokerEpoch": 9, "odradekInventory": found.identity}
        listing = found.listings["flights", 0, FLIGHTS]
        assert listing == inventory.Listing(WRITTEN, Kind.PLAIN, ((0, 3 * SIZE), (3, 3 * SIZE), (6, 2 * SIZE)))

    asyncio.run(scenario())


def test_a_topic_made_again_has_nothing_to_do_with_the_listing_of_the_first(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await written(tmp_path)
        await manager.delete([(FLIGHTS, 0), (FLIGHTS, 1)])
        (tmp_path / INVENTORY).write_bytes(stale := (tmp_path / INVENTORY).read_bytes())
        await create(manager, keys("flights", 2, CREWS), CONFIG)
        await crash(manager)
        (tmp_path / INVENTORY).write_bytes(stale)
        manager = await opened(tmp_path)
        assert manager.damaged == {}
        await manager.stop()

    asyncio.run(scenario())


@ENDS
def test_a_compacted_log_may_lose_any_segment_while_it_is_in_use(tmp_path: Path, end: End) -> None:
    async def scenario() -> None:
        await stopped(await written(tmp_path))
        manager = await opened(tmp_path)
        flights(manager).config = topic_config(cleanup_policy=frozenset({"compact"}))
        await manager.upkeep.checkpoint_recovery_points()
        await end(manager)
        segment(tmp_path, 3).unlink()
        manager = await opened(tmp_path)
        assert list(manager.damaged) == ([] if end is crash else [(FLIGHTS, 0)])
        await crash(manager)

    asyncio.run(scenario())


def test_a_preallocated_segment_is_cut_to_its_batches_at_a_clean_stop(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        config = topic_config(preallocate=True, segment_bytes=4096)
        rolled, short = await create(manager, keys("flights", 2), config)
        append_many(rolled, 1)
        append_many(short, 2)
        rolled.roll(0)
        await manager.flusher.drain()
        await stopped(manager)
        manager = await opened(tmp_path)
        assert manager.damaged == {}
        assert [log.log_end_offset for log in manager.logs.values()] == [1, 2]
        await stopped(manager)

    asyncio.run(scenario())
