"""All logs of a broker, through starts, stops, crashes, deletions and failing disks."""

import asyncio
import errno
from pathlib import Path
from uuid import UUID

import pytest

from odradek.log.directory import AlreadyRunningError
from odradek.log.errors import DirectoryFailedError, DiskFullError
from odradek.log.loading import DuplicateLogError
from odradek.log.log import Log
from odradek.log.partition_files import PartitionKey
from tests.support.faulty_files import FaultyFiles
from tests.support.log_managers import CREWS, FLIGHTS, crash, create, keys, new_manager, opened, until
from tests.support.logs import append, batch, offsets_in, topic_config

SOON = topic_config(file_delete_delay_ms=0)


def in_directory(path: Path, kind: str) -> list[str]:
    """Names with that suffix."""
    return sorted(entry.name for entry in path.iterdir() if entry.name.endswith(kind))


def test_logs_survive_a_clean_stop_and_nothing_is_scanned_after_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        for log in await create(manager, keys("flights", 3)):
            append(log, batch(b"a", b"b"))
        await manager.stop(broker_epoch=9)
        files = FaultyFiles()
        manager = await opened(tmp_path, files=files)
        assert [log.log_end_offset for log in manager.logs.values()] == [2, 2, 2]
        assert manager.proof().epoch == 9
        segments_read = [log for log in manager.logs.values() if log.active.handle is not None]
        assert segments_read == []
        await crash(manager)

    asyncio.run(scenario())


@pytest.mark.parametrize("boot_id", ["boot-1", "boot-2"])
def test_logs_survive_a_crash(tmp_path: Path, boot_id: str) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        for log in await create(manager, keys("flights", 40)):
            append(log, batch(b"a", b"b"))
        await crash(manager)
        manager = await opened(tmp_path, boot_id=boot_id)
        assert len(manager.logs) == 40
        for log in manager.logs.values():
            assert offsets_in(log) == [(0, 1)]
            assert append(log, batch(b"c")).base_offset == 2
            assert log in manager.dirty
        await crash(manager)

    asyncio.run(scenario())


def test_what_was_never_synced_is_synced_after_a_crash(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        (log,) = await create(manager, keys("flights", 1))
        append(log, batch(b"a"))
        await crash(manager)
        manager = await opened(tmp_path)
        (log,) = manager.logs.values()
        assert log in manager.dirty
        await manager.stop()
        assert log.recovery_point == 1

    asyncio.run(scenario())


def test_a_second_manager_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        with pytest.raises(AlreadyRunningError, match="process 4711"):
            new_manager(tmp_path).lock("elsewhere:1")
        await manager.stop()
        (await opened(tmp_path)).abandon()

    asyncio.run(scenario())


def test_partitions_are_spread_over_directories_by_their_number(tmp_path: Path) -> None:
    async def scenario() -> None:
        paths = [tmp_path / name for name in ("a", "b", "c")]
        manager = await opened(*paths)
        await create(manager, keys("flights", 5))
        await create(manager, keys("crews", 4, CREWS))
        assert [health.partitions for health in manager.healths.values()] == [3, 3, 3]
        await manager.delete([(FLIGHTS, index) for index in range(5)])
        await create(manager, keys("planes", 5, UUID(int=3)))
        assert [health.partitions for health in manager.healths.values()] == [3, 3, 3]
        await manager.stop()

    asyncio.run(scenario())


def test_deleted_logs_are_gone_at_once_and_their_files_after_the_delay(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        (log,) = await create(manager, keys("flights", 1), SOON)
        append(log, batch(b"a"))
        assert await manager.delete([(FLIGHTS, 0)])
        assert manager.get(FLIGHTS, 0) is None
        assert not (tmp_path / "flights-0").exists()
        await until(lambda: not in_directory(tmp_path, "-delete"))
        await manager.stop()

    asyncio.run(scenario())


def test_files_of_a_deletion_that_a_crash_interrupted_are_removed(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        await create(manager, keys("flights", 3))
        await manager.delete([(FLIGHTS, index) for index in range(3)])
        await crash(manager)
        assert len(in_directory(tmp_path, "-delete")) == 3
        manager = await opened(tmp_path)
        assert manager.logs == {}
        await until(lambda: not in_directory(tmp_path, "-delete"))
        await manager.stop()

    asyncio.run(scenario())


def test_a_topic_made_again_starts_empty_whatever_the_checkpoints_said_of_its_predecessor(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        (log,) = await create(manager, keys("flights", 1))
        for _ in range(5):
            append(log, batch(b"a"))
        log.advance_log_start(3)
        manager.log_start_moved(log)
        await manager.stop()
        manager = await opened(tmp_path)
        await manager.delete([(FLIGHTS, 0)])
        (log,) = await create(manager, keys("flights", 1, CREWS))
        append(log, batch(b"b"))
        await crash(manager)
        manager = await opened(tmp_path)
        (log,) = manager.logs.values()
        assert (log.topic_id, log.log_start_offset, log.log_end_offset) == (CREWS, 0, 1)
        await crash(manager)

    asyncio.run(scenario())


def test_a_checkpoint_left_over_by_a_crash_during_deletion_is_not_applied_to_the_next_topic(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        await manager.stop()
        (tmp_path / "recovery-point-offset-checkpoint").write_text("0\n1\nflights 0 100\n")
        (tmp_path / "log-start-offset-checkpoint").write_text("0\n1\nflights 0 100\n")
        manager = await opened(tmp_path)
        (log,) = await create(manager, keys("flights", 1))
        append(log, batch(b"b"))
        await crash(manager)
        manager = await opened(tmp_path)
        (log,) = manager.logs.values()
        assert (log.log_start_offset, log.log_end_offset) == (0, 1)
        await crash(manager)

    asyncio.run(scenario())


def test_log_start_offsets_survive_a_stop_and_a_checkpoint(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        (log,) = await create(manager, keys("flights", 1))
        for _ in range(5):
            append(log, batch(b"a"))
        log.advance_log_start(3)
        manager.log_start_moved(log)
        await manager.upkeep.checkpoint_start_offsets()
        await crash(manager)
        assert (tmp_path / "log-start-offset-checkpoint").read_text() == "0\n1\nflights 0 3\n"
        manager = await opened(tmp_path)
        assert [log.log_start_offset for log in manager.logs.values()] == [3]
        await crash(manager)

    asyncio.run(scenario())


def test_a_corrupt_recovery_checkpoint_means_a_full_scan_not_a_loss(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        (log,) = await create(manager, keys("flights", 1))
        append(log, batch(b"a", b"b"))
        await manager.stop()
        (tmp_path / "recovery-point-offset-checkpoint").write_bytes(b"\x00\xff rubbish")
        (tmp_path / ".kafka_cleanshutdown").unlink()
        manager = await opened(tmp_path)
        assert [log.log_end_offset for log in manager.logs.values()] == [2]
        await crash(manager)

    asyncio.run(scenario())


def test_strays_are_renamed_and_kept(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        (log,) = await create(manager, keys("flights", 1))
        append(log, batch(b"a"))
        await manager.set_aside_strays([(FLIGHTS, 0)])
        assert manager.logs == {}
        await manager.stop()
        (await opened(tmp_path)).abandon()
        (stray,) = in_directory(tmp_path, "-stray")
        assert stray.startswith("flights-0.")
        assert (tmp_path / stray / "00000000000000000000.log").stat().st_size > 0

    asyncio.run(scenario())


def test_one_partition_in_two_directories_is_refused_where_both_hold_records(tmp_path: Path) -> None:
    async def scenario() -> None:
        for name in ("a", "b"):
            manager = await opened(tmp_path / name)
            (log,) = await create(manager, keys("flights", 1))
            append(log, batch(b"a"))
            await manager.stop()
        manager = new_manager(tmp_path / "a", tmp_path / "b")
        manager.lock("")
        with pytest.raises(DuplicateLogError, match="hold the same partition"):
            await manager.load("cluster-1", 1)
        manager.abandon()

    asyncio.run(scenario())


@pytest.mark.parametrize("with_records", ["a", "b"])
def test_the_empty_rest_of_a_repeated_creation_is_not_used(tmp_path: Path, with_records: str) -> None:
    async def scenario() -> None:
        for name in ("a", "b"):
            manager = await opened(tmp_path / name)
            (log,) = await create(manager, keys("flights", 1))
            if name == with_records:
                append(log, batch(b"a"))
            await manager.stop()
        manager = await opened(tmp_path / "a", tmp_path / "b")
        (log,) = manager.logs.values()
        assert log.log_end_offset == 1
        await manager.stop()

    asyncio.run(scenario())


def test_a_directory_that_cannot_be_opened_leaves_the_others_to_serve(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path / "a", tmp_path / "b")
        await create(manager, keys("flights", 4))
        await manager.stop()
        files = FaultyFiles()
        manager = new_manager(tmp_path / "a", tmp_path / "b", files=files)
        files.fail("truncate")
        manager.lock("")
        await manager.load("cluster-1", 1)
        assert [health.is_failed for health in manager.healths.values()] == [True, False]
        assert len(manager.logs) == 2
        assert all(log.directory.startswith(str(tmp_path / "b")) for log in await create(manager, keys("x", 2, CREWS)))
        await manager.stop()

    asyncio.run(scenario())


def test_a_log_that_cannot_be_opened_takes_its_directory_offline_and_no_other(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path / "a", tmp_path / "b")
        await create(manager, keys("flights", 4))
        await manager.stop()
        bad = next((tmp_path / "b").glob("flights-*")) / "leader-epoch-checkpoint"
        bad.unlink(missing_ok=True)
        bad.mkdir()
        manager = await opened(tmp_path / "a", tmp_path / "b")
        assert [health.is_failed for health in manager.healths.values()] == [False, True]
        assert len(manager.logs) == 2
        await manager.stop()

    asyncio.run(scenario())


def test_without_any_directory_the_manager_does_not_start(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = FaultyFiles()
        manager = new_manager(tmp_path / "a", files=files)
        files.fail("truncate")
        with pytest.raises(DirectoryFailedError, match="no log directory can be used"):
            manager.lock("")
        manager.abandon()

    asyncio.run(scenario())


def test_a_creation_that_cannot_be_made_durable_fails_the_directory(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = FaultyFiles()
        manager = await opened(tmp_path, files=files)
        files.fail("sync_directory")
        (made,) = (await manager.create(keys("flights", 1), topic_config())).values()
        assert isinstance(made, DirectoryFailedError)
        assert manager.any_failed
        (made,) = (await manager.create(keys("crews", 1, CREWS), topic_config())).values()
        assert isinstance(made, DirectoryFailedError)
        await manager.stop()

    asyncio.run(scenario())


def test_a_creation_on_a_full_disk_is_refused_and_comes_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = FaultyFiles()
        manager = await opened(tmp_path, files=files)
        resumed: list[str] = []
        manager.on_resumed = resumed.append
        files.fail("mkdir", errno.ENOSPC)
        (made,) = (await manager.create(keys("flights", 1), topic_config())).values()
        assert isinstance(made, DiskFullError)
        await until(lambda: resumed)
        assert resumed == [str(tmp_path)]
        await create(manager, keys("flights", 1))
        await manager.stop()

    asyncio.run(scenario())


def test_a_full_disk_gives_its_reserve_up_and_takes_it_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path, odradek_disk_reserve_bytes=8192)
        reserve = tmp_path / ".odradek-reserve"
        assert reserve.stat().st_size == 8192
        health = manager.healths[str(tmp_path)]
        manager.write_failed(health, DiskFullError("no space"))
        with pytest.raises(DiskFullError):
            health.check()
        await until(lambda: not reserve.exists())
        await until(lambda: health.refusal is None)
        assert reserve.stat().st_size == 8192
        await manager.stop()

    asyncio.run(scenario())


def test_the_removal_of_a_foreign_topics_directory_is_not_asked_of_creation(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        await create(manager, keys("flights", 1))
        key = PartitionKey("flights", 0, CREWS)
        made = (await manager.create([key], topic_config()))[key]
        assert not isinstance(made, Log)
        assert "belongs to topic id" in str(made)
        await manager.stop()

    asyncio.run(scenario())


def test_a_stop_that_could_not_write_its_checkpoint_is_not_called_clean(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = FaultyFiles()
        manager = await opened(tmp_path, files=files)
        (log,) = await create(manager, keys("flights", 1))
        append(log, batch(b"a"))
        manager.flusher.request(log, everything=True)
        await manager.flusher.drain()
        files.fail("rename", errno.ENOSPC)
        await manager.stop()
        assert not (tmp_path / ".kafka_cleanshutdown").exists()

    asyncio.run(scenario())
