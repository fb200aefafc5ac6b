"""A process that dies in a sync leaves the names of the logs it was syncing."""

import asyncio
import random
from pathlib import Path

import pytest

from odradek.host.posix import PosixFiles
from odradek.log import partition_files, sync_notes
from odradek.log.directory import BOOT_ID, LogDirectory
from odradek.log.errors import DirectoryFailedError
from odradek.log.flusher import sync_all
from odradek.log.loading import recover_logs
from odradek.log.sync_notes import SLOT_BYTES, SLOTS, SYNCING
from odradek.log.tasks import open_tasks, stop_of
from tests.support.faulty_files import FaultyFiles
from tests.support.log_managers import FLIGHTS, crash, create, keys, opened, until
from tests.support.logs import NOW_MS, append, batch, offsets_in, topic_config

FILES = PosixFiles()


class Observed(FaultyFiles):
    """Knows what was noted at each fdatasync, and whose cache was dropped."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.noted: list[list[str]] = []
        self.dropped: list[str] = []

    def datasync(self, fd: int) -> None:
        self.noted.append(names(self.path))
        super().datasync(fd)

    def drop_cached(self, fd: int) -> None:
        self.dropped.append(Path(f"/proc/self/fd/{fd}").readlink().parent.name)
        super().drop_cached(fd)


def names(path: Path) -> list[str]:
    return sorted(sync_notes.read(FILES, str(path / SYNCING)))


def test_a_log_is_noted_while_it_is_synced_and_not_after(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = Observed(tmp_path)
        manager = await opened(tmp_path, files=files)
        logs = await create(manager, keys("flights", 2))
        for log in logs:
            append(log, batch(b"a"))
        files.noted.clear()
        await asyncio.gather(*(manager.flusher.flush(log) for log in logs))
        noted = [each for each in files.noted if each]
        assert len(noted) == len(files.noted) >= 2
        assert {name for each in noted for name in each} == {"flights-0", "flights-1"}
        assert names(tmp_path) == []
        await manager.stop()

    asyncio.run(scenario())


def test_a_sync_that_failed_leaves_its_note(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = FaultyFiles()
        manager = await opened(tmp_path, files=files)
        first, second = await create(manager, keys("flights", 2))
        append(first, batch(b"a"))
        append(second, batch(b"a"))
        await manager.flusher.flush(second)
        files.fail("datasync")
        try:
            await manager.flusher.flush(first)
        except DirectoryFailedError:
            assert names(tmp_path) == ["flights-0"]
        else:
            raise AssertionError("the failure was not told")
        await crash(manager)

    asyncio.run(scenario())


def test_only_logs_that_were_being_synced_are_checked_as_after_a_power_loss(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        for log in await create(manager, keys("flights", 3)):
            append(log, batch(b"a"))
        fd = manager.syncing_fd(str(tmp_path))
        sync_notes.begin(FILES, sync_notes.note(fd, 1, ["flights-1", "gone-7"]))
        await crash(manager)
        files = Observed(tmp_path)
        manager = await opened(tmp_path, files=files)
        assert files.dropped == ["flights-1"]
        assert [offsets_in(manager.logs[FLIGHTS, partition]) for partition in range(3)] == [[(0, 0)]] * 3
        assert names(tmp_path) == []
        await manager.stop()

    asyncio.run(scenario())


def test_a_note_counts_for_the_same_kernel_only_and_not_after_a_clean_stop(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        await create(manager, keys("flights", 1))
        await manager.stop()
        with (tmp_path / SYNCING).open("r+b") as file:
            sync_notes.begin(FILES, sync_notes.note(file.fileno(), 0, ["flights-0"]))
        files = Observed(tmp_path)
        manager = await opened(tmp_path, files=files)
        assert files.dropped == []
        await manager.stop()

    asyncio.run(scenario())


def test_nothing_is_synced_where_it_cannot_be_noted(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = FaultyFiles()
        manager = await opened(tmp_path, files=files)
        (log,) = await create(manager, keys("flights", 1))
        append(log, batch(b"a"))
        files.calls.clear()
        files.fail("pwritev")
        manager.flusher.request(log)
        await until(lambda: manager.any_failed)
        assert "datasync" not in files.calls
        await crash(manager)

    asyncio.run(scenario())


def test_a_note_has_room_for_the_longest_names(tmp_path: Path) -> None:
    with (tmp_path / SYNCING).open("w+b") as file:
        sync_notes.make_room(FILES, file.fileno())
        wanted = [[f"{'x' * 249}-{slot}{number:09d}" for number in range(sync_notes.LOGS_MAX)] for slot in range(SLOTS)]
        notes = [sync_notes.note(file.fileno(), slot, some) for slot, some in enumerate(wanted)]
        assert all(len(each.names) < SLOT_BYTES for each in notes)
        for each in notes:
            sync_notes.begin(FILES, each)
        assert names(tmp_path) == sorted(name for some in wanted for name in some)
        sync_notes.end(FILES, notes[1])
        assert names(tmp_path) == sorted(wanted[0] + wanted[2])


def test_without_a_file_for_notes_logs_are_synced_all_the_same() -> None:
    assert sync_all(FILES, ((None, (((), (), ()),)),)) == (True,)


def test_recovery_that_dies_in_a_sync_of_what_it_cut_leaves_no_trust_in_the_cache(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        (log,) = await create(manager, keys("flights", 1))
        append(log, batch(b"a"))
        append(log, batch(b"b"))
        await crash(manager)
        segment = tmp_path / "flights-0" / f"{0:020d}.log"
        segment.write_bytes(segment.read_bytes()[:-1])

        class Dying(FaultyFiles):
            def datasync(self, fd: int) -> None:
                assert not (tmp_path / BOOT_ID).exists()
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            recover(Dying(), tmp_path)
        assert not (tmp_path / BOOT_ID).exists()

    asyncio.run(scenario())


def recover(files: FaultyFiles, path: Path) -> None:
    directory = LogDirectory(files, str(path))
    directory.read_state("boot-1")
    assert directory.same_boot
    tasks = open_tasks(directory, partition_files.scan(files, directory.path).partitions)
    recover_logs(files, random.Random(0), tuple(tasks), topic_config(), NOW_MS, stop_of(directory, tasks[0].key))
