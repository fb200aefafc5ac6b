"""Reading where compaction has left nothing but the header of a segment's last batch."""

import asyncio
from pathlib import Path

from odradek.log.log import Log
from odradek.log.manager import LogManager
from odradek.wire.records import batches
from tests.support.compacting import compact, compact_config, put, settle
from tests.support.log_managers import create, keys, opened
from tests.support.logs import read_from


def first_offsets(content: bytes) -> list[tuple[int, int]]:
    """Base offset and number of records of each batch."""
    return [(header.base_offset, header.count) for _, header in batches(content)]


async def compacted(path: Path) -> tuple[LogManager, Log]:
    """Segments [0, 2), of which "b" and an empty batch are left, and [2, 3), which is compacted by itself."""
    manager = await opened(path)
    (log,) = await create(manager, keys("table", 1), compact_config(segment_bytes=140))
    put(log, ("b", "1"))
    put(log, ("a", "1"))
    await settle(manager, log)
    put(log, ("a", "2" * 60))
    assert await compact(manager, log)
    assert [segment.base_offset for segment in log.segments] == [0, 2, 3]
    return manager, log


def test_a_reader_in_the_gap_is_given_records_not_the_empty_batch_alone(tmp_path: Path) -> None:
    async def live() -> None:
        manager, log = await compacted(tmp_path)
        assert first_offsets(read_from(log, 0)) == [(0, 1), (1, 0)]
        assert first_offsets(read_from(log, 1)) == [(2, 1)]
        cold = await log.locate_cold(1, 1 << 20)
        assert cold.segment_base_offset == 2
        cold.release()
        await manager.stop()

    asyncio.run(live())


def test_a_reader_that_may_not_see_more_gets_past_the_gap_by_the_empty_batch(tmp_path: Path) -> None:
    async def live() -> None:
        manager, log = await compacted(tmp_path)
        assert first_offsets(read_from(log, 1, upper_offset=2)) == [(1, 0)]
        await manager.stop()

    asyncio.run(live())
