"""What happens by itself: syncing, checkpoints, retention, removal, and how little of it when nothing was written."""

import asyncio
import errno
from pathlib import Path

import pytest

from odradek.log.descriptors import RECENTLY, Descriptors
from odradek.log.errors import DirectoryFailedError, DiskFullError
from odradek.log.health import CALM_S, SLOW_WINDOW_S, SLOW_WRITES, DirectoryHealth
from odradek.log.log import Log
from odradek.log.upkeep import SYNC_AGE_S, SYNC_BYTES, due_for_sync
from odradek.log.writeback import LOG_BYTES_MIN
from odradek.log.writer import LogWriter
from tests.support.faulty_files import FaultyFiles
from tests.support.log_managers import FLIGHTS, crash, create, keys, opened, until
from tests.support.logs import append, batch, topic_config


async def one_log(path: Path, **config: int) -> Log:
    """A log whose manager does not tick."""
    manager = await opened(path)
    (log,) = await create(manager, keys("flights", 1), topic_config(**config))
    await crash(manager)
    return log


def test_logs_are_synced_when_their_bytes_are_old_or_many(tmp_path: Path) -> None:
    log = asyncio.run(one_log(tmp_path))
    assert due_for_sync({log: 0.0}, SYNC_AGE_S - 1) == []
    assert due_for_sync({log: 0.0}, SYNC_AGE_S) == [log]
    log.unflushed_bytes = SYNC_BYTES
    assert due_for_sync({log: 0.0}, 0.0) == [log]


def test_flush_ms_makes_bytes_old_sooner(tmp_path: Path) -> None:
    log = asyncio.run(one_log(tmp_path, flush_ms=3000))
    assert due_for_sync({log: 0.0}, 2.0) == []
    assert due_for_sync({log: 0.0}, 3.0) == [log]


def test_a_rolled_segment_is_synced_soon(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        (log,) = await create(manager, keys("flights", 1), topic_config(segment_bytes=100))
        append(log, batch(b"a"))
        append(log, batch(b"b"))
        await until(lambda: log.recovery_point == 2)
        assert log not in manager.dirty
        await manager.stop()

    asyncio.run(scenario())


def test_only_so_many_logs_are_synced_at_a_time(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        logs = await create(manager, keys("flights", 5))
        assert due_for_sync(dict.fromkeys(logs, 0.0), SYNC_AGE_S, limit=2) == logs[:2]
        await manager.stop()

    asyncio.run(scenario())


def test_checkpoints_are_written_while_records_come_and_not_otherwise(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = FaultyFiles()
        manager = await opened(tmp_path, files=files, replica_high_watermark_checkpoint_interval_ms=1)
        (log,) = await create(manager, keys("flights", 1))
        append(log, batch(b"a"))
        checkpoint = tmp_path / "replication-offset-checkpoint"
        await until(checkpoint.exists)
        manager.flusher.request(log, everything=True)
        await until(lambda: not manager.dirty)
        ticks = manager.now() + 3
        await until(lambda: "rename" not in files.calls[-1:] and manager.now() > ticks - 1.5)
        files.calls.clear()
        await until(lambda: manager.now() > ticks)
        assert files.calls == []
        await manager.stop()

    asyncio.run(scenario())


def test_a_checkpoint_file_is_written_by_one_at_a_time(tmp_path: Path) -> None:
    class Overlaps(FaultyFiles):
        writing, together = 0, 0

        def open(self, path: str, flags: int, mode: int = 0o644) -> int:
            if path.endswith("checkpoint.tmp"):
                self.writing += 1
                self.together = max(self.together, self.writing)
            return super().open(path, flags, mode)

        def rename(self, source: str, target: str) -> None:
            super().rename(source, target)
            self.writing -= source.endswith("checkpoint.tmp")

    async def scenario() -> None:
        files = Overlaps()
        manager = await opened(tmp_path, files=files)
        await create(manager, keys("flights", 1))
        written = await asyncio.gather(*(manager.upkeep.checkpoint_recovery_points() for _ in range(20)))
        assert [list(each) for each in written] == [[str(tmp_path)]] * 20
        assert files.together == 1
        await manager.stop()

    asyncio.run(scenario())


def test_retention_goes_on_where_there_is_no_room_for_longer_names(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = FaultyFiles()
        manager = await opened(tmp_path, files=files)
        (log,) = await create(manager, keys("flights", 1), topic_config(segment_bytes=100))
        append(log, batch(b"a"))
        append(log, batch(b"b"))
        log.advance_log_start(1)
        files.fail("rename", errno.ENOSPC)
        log.delete_old_segments(manager.time_ms())
        assert [segment.base_offset for segment in log.segments] == [1]
        assert not (tmp_path / "flights-0" / f"{0:020}.log").exists()
        await crash(manager)

    asyncio.run(scenario())


def test_a_topic_that_a_full_disk_lets_nobody_rename_is_not_deleted_and_its_directory_not_offline(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        files = FaultyFiles()
        manager = await opened(tmp_path, files=files)
        await create(manager, keys("flights", 1))
        files.fail("rename", errno.ENOSPC)
        assert not await manager.delete([(FLIGHTS, 0)])
        assert manager.healths[str(tmp_path)].is_up
        assert (tmp_path / "flights-0").exists()
        await crash(manager)

    asyncio.run(scenario())


def test_an_append_that_has_to_make_indexes_anew_on_a_full_disk_is_refused_and_comes_later(tmp_path: Path) -> None:
    async def scenario() -> None:
        first = await opened(tmp_path)
        (log,) = await create(first, keys("flights", 1))
        append(log, batch(b"a"))
        await first.stop()
        (tmp_path / "flights-0" / f"{0:020}.timeindex").write_bytes(b"x" * 12)
        files = FaultyFiles()
        manager = await opened(tmp_path, files=files)
        again = manager.get(FLIGHTS, 0)
        assert again is not None
        files.fail("pwritev", errno.ENOSPC)
        with pytest.raises(DiskFullError):
            append(again, batch(b"b"))
        assert append(again, batch(b"b")).base_offset == 1
        await manager.stop()

    asyncio.run(scenario())


def test_appends_that_wait_for_a_thread_when_their_topic_goes_say_nothing_of_the_disk(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        (log,) = await create(manager, keys("flights", 1))
        writer = LogWriter(log, manager, lambda *_: None, lambda: None, lambda: 0)
        answers = [writer.submit(batch(value), 0, "client") for value in (b"a", b"b", b"c")]
        assert await manager.delete([(FLIGHTS, 0)])
        outcomes = await asyncio.gather(*answers, return_exceptions=True)
        assert isinstance(outcomes[-1], DirectoryFailedError)
        assert manager.healths[str(tmp_path)].is_up
        assert manager.dirty == {}
        await manager.stop()

    asyncio.run(scenario())


def test_retention_removes_old_segments_their_files_and_the_interest_in_the_log(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        config = topic_config(segment_bytes=100, retention_bytes=0, file_delete_delay_ms=0)
        (log,) = await create(manager, keys("flights", 1), config)
        for value in (b"a", b"b", b"c"):
            append(log, batch(value))
        assert log in manager.candidates
        manager.upkeep.retain_now()
        await until(lambda: log.log_start_offset >= 2)
        await until(lambda: not [path for path in Path(log.directory).iterdir() if path.suffix == ".deleted"])
        assert manager.checkpointer.starts_changed or (tmp_path / "log-start-offset-checkpoint").exists()
        await manager.stop()

    asyncio.run(scenario())


def test_an_empty_log_is_no_candidate_for_retention(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        await create(manager, keys("flights", 3))
        assert manager.candidates == {}
        await manager.stop()
        manager = await opened(tmp_path)
        assert manager.candidates == {}
        await manager.stop()

    asyncio.run(scenario())


def test_a_failed_writeback_takes_the_directory_offline(tmp_path: Path) -> None:
    class NoWriteback(FaultyFiles):
        def start_writeback(self, fd: int, offset: int, length: int) -> None:
            raise OSError(5, "Input/output error")

    async def scenario() -> None:
        manager = await opened(tmp_path, files=NoWriteback())
        (log,) = await create(manager, keys("flights", 1))
        append(log, batch(bytes(LOG_BYTES_MIN)))
        health = manager.health_of(log)
        manager.start_writeback(health)
        assert log.active.open_log().pins == 1
        await until(lambda: health.is_failed)
        assert log.active.open_log().pins == 0
        await manager.stop()

    asyncio.run(scenario())


def test_writes_that_stall_now_and_then_do_not_move_a_directory_to_threads() -> None:
    health = DirectoryHealth("/logs")
    for time in range(10):
        assert not health.slow_write(time * SLOW_WINDOW_S)
    assert not health.threaded


def test_writes_that_stall_together_do_until_it_has_been_calm() -> None:
    health = DirectoryHealth("/logs")
    assert [health.slow_write(0.1 * index) for index in range(SLOW_WRITES)] == [False] * (SLOW_WRITES - 1) + [True]
    assert not health.calm_down(CALM_S - 1)
    assert health.threaded
    assert health.calm_down(CALM_S + 1)
    assert not health.threaded


def test_a_failed_directory_neither_fills_nor_resumes() -> None:
    health = DirectoryHealth("/logs")
    assert health.fill()
    assert health.fail("EIO")
    assert not health.fail("again")
    assert not health.fill()
    health.resume()
    assert health.is_failed


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """Files to open."""
    made = [tmp_path / str(index) for index in range(40)]
    for path in made:
        path.touch()
    return [str(path) for path in made]


def test_open_files_are_bounded(paths: list[str]) -> None:
    descriptors = Descriptors(FaultyFiles(), limit=10)
    for path in paths * 2:
        assert descriptors.get(path).fd >= 0
        assert len(descriptors) <= 10 * 1.5
    descriptors.close()


def test_files_in_use_or_unsynced_stay_open_and_pressure_is_reported(paths: list[str]) -> None:
    descriptors, pressed = Descriptors(FaultyFiles(), limit=16), []
    descriptors.on_pressure = lambda: pressed.append(len(descriptors))
    handles = [descriptors.get(path) for path in paths[:10]]
    for handle in handles[:5]:
        handle.pin()
    for handle in handles[5:]:
        handle.dirty = True
    for path in paths[10:]:
        descriptors.get(path)
    assert pressed
    assert all(handle.fd >= 0 for handle in handles)
    for handle in handles[:5]:
        handle.unpin()
    descriptors.close()


def test_unsynced_files_are_synced_and_closed_before_they_take_every_descriptor(paths: list[str]) -> None:
    files = FaultyFiles()
    descriptors = Descriptors(files, limit=16)
    for path in paths:
        descriptors.get(path).dirty = True
        assert len(descriptors) <= descriptors.most + RECENTLY
    assert files.calls.count("datasync") >= len(paths) - descriptors.most - RECENTLY
    descriptors.close()


def test_a_system_without_descriptors_gets_one_back_after_a_sync(paths: list[str]) -> None:
    files = FaultyFiles()
    descriptors = Descriptors(files, limit=100)
    first = descriptors.get(paths[0])
    first.dirty = True
    first.used = 0
    files.fail("open", 24)
    assert descriptors.get(paths[1]).fd >= 0
    assert first.fd == -1
    assert files.calls.count("datasync") == 1
    descriptors.close()


def test_a_forgotten_file_is_closed_with_its_last_pin(paths: list[str]) -> None:
    descriptors = Descriptors(FaultyFiles())
    handle = descriptors.get(paths[0])
    handle.pin()
    descriptors.forget(paths[0])
    assert handle.fd >= 0
    handle.unpin()
    descriptors.close_unpinned()
    assert handle.fd == -1
