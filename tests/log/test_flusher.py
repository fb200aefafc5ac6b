"""Group commit: how many syncs, what they cover, and what an error ends."""

import asyncio
import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from odradek.log.errors import DirectoryFailedError
from tests.support.faulty_files import FaultyFiles
from tests.support.log_managers import DEADLINE_S, FLIGHTS, crash, create, keys, opened, until
from tests.support.logs import append, batch


class GatedFiles(FaultyFiles):
    """Lets no datasync end while `gate` is clear."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()

    def datasync(self, fd: int) -> None:
        assert self.gate.wait(DEADLINE_S)
        super().datasync(fd)


class Pressed(FaultyFiles):
    """Opening an index while a flush of the first log begins, too few descriptors are found to be left."""

    def __init__(self) -> None:
        super().__init__()
        self.press: Callable[[], None] = lambda: None

    def open(self, path: str, flags: int, mode: int = 0o644) -> int:
        if path.endswith("flights-0/00000000000000000000.index"):
            self.press()
        return super().open(path, flags, mode)


def test_a_log_that_is_asked_for_while_its_flush_begins_is_not_synced_twice_at_a_time(tmp_path: Path) -> None:
    async def scenario() -> None:
        failures: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        files = Pressed()
        manager = await opened(tmp_path, files=files)
        logs = await create(manager, keys("flights", 6))  # Two of them to an executor call.
        for log in logs:
            append(log, batch(b"a"))
        files.press = lambda: manager.flusher.request(logs[1], everything=True)
        for log in logs:
            manager.flusher.request(log, everything=True)
        await manager.flusher.drain()
        append(logs[1], batch(b"b"))
        await asyncio.wait_for(manager.flusher.flush(logs[1]), DEADLINE_S)
        assert [log.flushed_offset for log in logs] == [1, 2, 1, 1, 1, 1]
        assert failures == []
        await manager.stop()

    asyncio.run(scenario())


def test_waiters_of_one_turn_share_one_sync(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = FaultyFiles()
        manager = await opened(tmp_path, files=files)
        (log,) = await create(manager, keys("flights", 1))
        append(log, batch(b"first"))
        await manager.flusher.flush(log)
        files.calls.clear()
        waiters = []
        for value in (b"a", b"b", b"c"):
            append(log, batch(value))
            waiters.append(asyncio.ensure_future(manager.flusher.flush(log)))
        await asyncio.gather(*waiters)
        assert log.flushed_offset == 4
        assert files.calls.count("datasync") == 1
        await crash(manager)

    asyncio.run(scenario())


def test_what_is_appended_during_a_sync_waits_for_the_next(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = GatedFiles()
        manager = await opened(tmp_path, files=files)
        (log,) = await create(manager, keys("flights", 1))
        files.gate.clear()
        append(log, batch(b"a"))
        first = asyncio.ensure_future(manager.flusher.flush(log))
        await until(lambda: manager.flusher.is_running(log))
        append(log, batch(b"b"))
        second = asyncio.ensure_future(manager.flusher.flush(log))
        await asyncio.sleep(0)
        files.gate.set()
        await first
        assert log.flushed_offset == 1
        assert not second.done()
        await second
        assert log.flushed_offset == 2
        await crash(manager)

    asyncio.run(scenario())


def test_many_logs_are_synced_once_each(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = FaultyFiles()
        manager = await opened(tmp_path, files=files)
        logs = await create(manager, keys("flights", 40))
        for log in logs:
            append(log, batch(b"a"))
        await asyncio.gather(*(manager.flusher.flush(log) for log in logs))
        files.calls.clear()
        for log in logs:
            append(log, batch(b"b"))
        await asyncio.gather(*(manager.flusher.flush(log) for log in logs for _ in range(3)))
        assert files.calls.count("datasync") == 40
        await crash(manager)

    asyncio.run(scenario())


def test_a_failed_sync_takes_the_directory_offline_and_is_never_repeated(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = FaultyFiles()
        manager = await opened(tmp_path, files=files)
        (log,) = await create(manager, keys("flights", 1))
        append(log, batch(b"a"))
        files.fail("datasync")
        with pytest.raises(DirectoryFailedError):
            await manager.flusher.flush(log)
        assert log.flushed_offset == 0
        assert manager.health_of(log).is_failed
        files.calls.clear()
        manager.upkeep.retain_now()
        await manager.stop()
        assert "datasync" not in files.calls
        assert not (tmp_path / ".kafka_cleanshutdown").exists()
        assert not (tmp_path / ".odradek-boot").exists()

    asyncio.run(scenario())


def test_a_full_disk_at_a_sync_is_a_failure_too(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = FaultyFiles()
        manager = await opened(tmp_path, files=files)
        (log,) = await create(manager, keys("flights", 1))
        append(log, batch(b"a"))
        files.fail("datasync", errno.ENOSPC)
        with pytest.raises(DirectoryFailedError):
            await manager.flusher.flush(log)
        assert manager.health_of(log).is_failed
        await manager.stop()

    asyncio.run(scenario())


def test_a_directory_entry_that_cannot_be_synced_is_a_failure(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = FaultyFiles()
        manager = await opened(tmp_path, files=files)
        (log,) = await create(manager, keys("flights", 1))
        append(log, batch(b"a"))
        log.roll(manager.time_ms())
        files.fail("sync_directory")
        with pytest.raises(DirectoryFailedError):
            await manager.flusher.flush(log)
        assert log.recovery_point == 0
        await manager.stop()

    asyncio.run(scenario())


def test_a_log_that_is_deleted_fails_its_waiters(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        (log,) = await create(manager, keys("flights", 1))
        append(log, batch(b"a"))
        waiter = asyncio.ensure_future(manager.flusher.flush(log))
        await asyncio.sleep(0)
        assert await manager.delete([(FLIGHTS, 0)])
        with pytest.raises(DirectoryFailedError):
            await waiter
        await manager.stop()

    asyncio.run(scenario())


def test_a_log_is_deleted_once_its_sync_has_ended_and_the_directory_stays_online(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = GatedFiles()
        manager = await opened(tmp_path, files=files)
        (log,) = await create(manager, keys("flights", 1))
        files.gate.clear()
        append(log, batch(b"a"))
        manager.flusher.request(log, everything=True)
        await until(lambda: manager.flusher.is_running(log))
        append(log, batch(b"b"))
        deletion = asyncio.ensure_future(manager.delete([(FLIGHTS, 0)]))
        await until(lambda: log not in manager.dirty)
        assert (tmp_path / "flights-0").exists()
        files.gate.set()
        assert await deletion
        assert not (tmp_path / "flights-0").exists()
        assert manager.dirty == {}
        assert manager.healths[str(tmp_path)].is_up
        await manager.stop()

    asyncio.run(scenario())


def test_the_recovery_point_moves_only_with_the_indexes(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        (log,) = await create(manager, keys("flights", 1))
        append(log, batch(b"a"))
        await manager.flusher.flush(log)
        assert (log.flushed_offset, log.recovery_point) == (1, 0)
        assert log in manager.dirty
        manager.flusher.request(log, everything=True)
        await manager.flusher.drain()
        assert log.recovery_point == 1
        assert log not in manager.dirty
        await crash(manager)

    asyncio.run(scenario())


def test_descriptors_stay_open_until_their_sync_has_ended(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = GatedFiles()
        manager = await opened(tmp_path, files=files)
        (log,) = await create(manager, keys("flights", 1))
        files.gate.clear()
        append(log, batch(b"a"))
        manager.flusher.request(log)
        await until(lambda: manager.flusher.is_running(log))
        handle = log.active.open_log()
        assert handle.pins == 1
        manager.descriptors.forget(handle.path)
        os.fstat(handle.fd)
        files.gate.set()
        await manager.flusher.drain()
        assert handle.pins == 0
        await crash(manager)

    asyncio.run(scenario())
