"""`repair` of partitions whose segments are gone: what follows is kept beside, and the inventory lets go of them."""

import asyncio
import random
from pathlib import Path

import pytest

from odradek.host.posix import PosixFiles
from odradek.log import partition_files
from odradek.log.descriptors import Descriptors
from odradek.log.directory import LogDirectory
from odradek.log.log import Stop
from odradek.log.repair import Damage, find_damage, repair
from odradek.log.storage import LogStorage
from odradek.log.tasks import open_tasks
from tests.support.log_managers import FLIGHTS, crash, create, keys, opened
from tests.support.logs import append_many, batch, offsets_in, topic_config

SIZE = len(batch(bytes(100)))
CONFIG = topic_config(segment_bytes=3 * SIZE)
WRITTEN = 8
ENDS = pytest.mark.parametrize("is_clean", [True, False], ids=["stopped", "killed"])


async def written(path: Path, *, is_clean: bool) -> None:
    """Three logs with segments 0, 3 and 6."""
    manager = await opened(path)
    for log in await create(manager, keys("flights", 3), CONFIG):
        append_many(log, WRITTEN)
        manager.flusher.request(log, everything=True)
    await manager.flusher.drain()
    await manager.upkeep.checkpoint_recovery_points()
    await (manager.stop() if is_clean else crash(manager))


def segment(path: Path, partition: int, base_offset: int) -> Path:
    return path / f"flights-{partition}" / f"{base_offset:020d}.log"


def storage() -> LogStorage:
    files = PosixFiles()
    return LogStorage(files, Descriptors(files), random.Random(0))


def damages(path: Path) -> list[Damage]:
    """What `odradek log repair` would find."""
    directory = LogDirectory(PosixFiles(), str(path))
    directory.read_state("boot-1")
    stop = Stop.CLEAN if directory.clean else Stop.PROCESS_CRASH
    tasks = open_tasks(directory, partition_files.scan(directory.files, directory.path).partitions)
    return [damage for task in tasks if (damage := find_damage(storage(), task, CONFIG, stop)) is not None]


async def served(path: Path) -> list[list[int] | None]:
    """Offsets of each partition at the next start, None for a damaged one."""
    manager = await opened(path)
    logs = [manager.logs[FLIGHTS, partition] for partition in range(3)]
    found = [None if log.damage is not None else [first for first, _ in offsets_in(log)] for log in logs]
    for log in logs:
        if log.damage is None:
            append_many(log, 1)
    await manager.stop()
    return found


@ENDS
def test_one_partition_is_repaired_and_the_other_stays_as_it_is(tmp_path: Path, *, is_clean: bool) -> None:
    async def scenario() -> None:
        await written(tmp_path, is_clean=is_clean)
        segment(tmp_path, 0, 3).unlink()
        segment(tmp_path, 1, 3).unlink()
        first, second = damages(tmp_path)
        kept = repair(storage(), first, CONFIG)
        assert [Path(each).name for each in kept if ".log" in each] == [f"{6:020d}.log.damaged-3"]
        assert [damage.task.path for damage in damages(tmp_path)] == [second.task.path]
        assert await served(tmp_path) == [[0, 1, 2], None, list(range(WRITTEN))]
        assert await served(tmp_path) == [[0, 1, 2, 3], None, list(range(WRITTEN + 1))]

    asyncio.run(scenario())


@ENDS
def test_a_partition_that_lost_everything_begins_anew(tmp_path: Path, *, is_clean: bool) -> None:
    async def scenario() -> None:
        await written(tmp_path, is_clean=is_clean)
        for base_offset in (0, 3, 6):
            segment(tmp_path, 0, base_offset).unlink()
        (damage,) = damages(tmp_path)
        assert (damage.end_offset, damage.size_bytes) == (WRITTEN, 0)
        assert (await served(tmp_path))[0] is None
        (damage,) = damages(tmp_path)
        repair(storage(), damage, CONFIG)
        assert (await served(tmp_path))[0] == []
        assert (await served(tmp_path))[0] == [0]

    asyncio.run(scenario())


def test_a_partition_that_lost_its_beginning_keeps_all_the_rest(tmp_path: Path) -> None:
    async def scenario() -> None:
        await written(tmp_path, is_clean=True)
        segment(tmp_path, 0, 0).unlink()
        (damage,) = damages(tmp_path)
        assert repair(storage(), damage, CONFIG) == []
        assert damages(tmp_path) == []
        assert (await served(tmp_path))[0] == [3, 4, 5, 6, 7]
        assert (await served(tmp_path))[0] == [3, 4, 5, 6, 7, 8]

    asyncio.run(scenario())
