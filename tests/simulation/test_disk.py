"""What a simulated disk keeps, may lose and never invents."""

import errno
import os
import random
from collections.abc import Callable

import pytest

from odradek.host import NOWAIT, write_atomically
from odradek.host.files import read_file, write_all
from odradek.simulation import Disk, SimulatedCrash, SimulatedFiles
from odradek.simulation.inode import SECTOR_BYTES

SEEDS = range(60)
CREATE = os.O_RDWR | os.O_CREAT


def new_disk(seed: int = 1, capacity_bytes: int | None = None) -> Disk:
    disk = Disk(random.Random(seed), capacity_bytes=capacity_bytes)
    disk.make_directories("/data")
    return disk


def write(files: SimulatedFiles, path: str, content: bytes, *, sync: bool = False) -> int:
    fd = files.open(path, CREATE)
    write_all(files, fd, content, 0)
    if sync:
        files.datasync(fd)
    return fd


def outcomes(change: Callable[[SimulatedFiles], None], look: Callable[[SimulatedFiles], object]) -> list[object]:
    """What is found after power losses with many seeds."""
    found = []
    for seed in SEEDS:
        disk = new_disk(seed)
        change(disk.mount())
        disk.crash("power")
        found.append(look(disk.mount()))
    return found


def content_of(path: str) -> Callable[[SimulatedFiles], object]:
    return lambda files: read_file(files, path) if files.exists(path) else None


def test_a_process_that_dies_loses_nothing_it_wrote() -> None:
    disk = new_disk()
    write(disk.mount(), "/data/a", b"written, not synced")
    disk.crash("process")
    assert read_file(disk.mount(), "/data/a") == b"written, not synced"


def test_what_was_synced_survives_every_power_loss() -> None:
    def change(files: SimulatedFiles) -> None:
        fd = write(files, "/data/a", b"s" * 3000, sync=True)
        files.sync_directory("/data")
        write_all(files, fd, b"u" * 5000, 3000)

    for content in outcomes(change, content_of("/data/a")):
        assert isinstance(content, bytes)
        assert content.startswith(b"s" * 3000)


def test_what_was_not_synced_may_be_kept_lost_cut_or_full_of_holes() -> None:
    def change(files: SimulatedFiles) -> None:
        fd = write(files, "/data/a", b"", sync=True)
        files.sync_directory("/data")
        write_all(files, fd, b"u" * 8 * SECTOR_BYTES, 0)

    found = outcomes(change, content_of("/data/a"))
    assert b"" in found
    assert b"u" * 8 * SECTOR_BYTES in found
    assert bytes(8 * SECTOR_BYTES) in found
    assert any(isinstance(f, bytes) and 0 < len(f) < 8 * SECTOR_BYTES and 0 not in f for f in found)
    assert any(isinstance(f, bytes) and f.lstrip(b"u").lstrip(b"\0").startswith(b"u") for f in found)


def test_a_new_name_is_certain_only_after_its_directory_was_synced() -> None:
    def created(files: SimulatedFiles) -> None:
        write(files, "/data/a", b"x", sync=True)

    def created_and_synced(files: SimulatedFiles) -> None:
        created(files)
        files.sync_directory("/data")

    assert set(outcomes(created, content_of("/data/a"))) == {None, b"x"}
    assert set(outcomes(created_and_synced, content_of("/data/a"))) == {b"x"}


def test_a_rename_may_be_undone_until_its_directory_was_synced() -> None:
    def prepare(files: SimulatedFiles) -> None:
        write(files, "/data/old", b"x", sync=True)
        files.sync_directory("/data")

    def renamed(files: SimulatedFiles) -> None:
        prepare(files)
        files.rename("/data/old", "/data/new")

    def renamed_and_synced(files: SimulatedFiles) -> None:
        renamed(files)
        files.sync_directory("/data")

    def names(files: SimulatedFiles) -> object:
        return tuple(sorted(files.listdir("/data")))

    assert set(outcomes(renamed, names)) == {("old",), ("new",)}
    assert set(outcomes(renamed_and_synced, names)) == {("new",)}


def test_a_removal_may_be_undone_until_its_directory_was_synced() -> None:
    def removed(files: SimulatedFiles) -> None:
        write(files, "/data/a", b"x", sync=True)
        files.sync_directory("/data")
        files.unlink("/data/a")

    assert set(outcomes(removed, content_of("/data/a"))) == {None, b"x"}


def test_changes_to_one_name_are_kept_in_order_and_to_others_in_any() -> None:
    def change(files: SimulatedFiles) -> None:
        for name in ("a", "b"):
            write(files, f"/data/{name}", b"1", sync=True)
            write(files, f"/data/{name}.next", b"2", sync=True)
            files.rename(f"/data/{name}.next", f"/data/{name}")

    found = set(outcomes(change, lambda files: (content_of("/data/a")(files), content_of("/data/b")(files))))
    assert {(b"2", None), (None, b"2"), (b"1", b"2")} & found
    assert found <= {(a, b) for a in (None, b"1", b"2") for b in (None, b"1", b"2")}


def test_a_truncation_may_be_undone_until_it_was_synced_but_never_mixes_with_what_follows() -> None:
    def change(files: SimulatedFiles) -> None:
        fd = write(files, "/data/a", b"o" * 4 * SECTOR_BYTES, sync=True)
        files.sync_directory("/data")
        files.truncate(fd, 0)
        write_all(files, fd, b"n" * SECTOR_BYTES, 0)

    found = outcomes(change, content_of("/data/a"))
    assert b"o" * 4 * SECTOR_BYTES in found
    for content in found:
        assert isinstance(content, bytes)
        assert not (b"o" in content and b"n" in content)


def test_an_atomic_write_leaves_the_old_or_the_new_content_at_every_step() -> None:
    for seed in SEEDS:
        for step in range(1, 8):
            disk = new_disk(seed)
            write_atomically(disk.mount(), "/data/a", b"old" * 400)
            files = disk.mount()
            disk.crash_at(disk.steps + step, "power")
            try:
                write_atomically(files, "/data/a", b"new" * 500)
                expected = {b"new" * 500}
            except SimulatedCrash:
                expected = {b"old" * 400, b"new" * 500}
            disk.crash("power")
            assert read_file(disk.mount(), "/data/a") in expected


def test_a_crash_comes_at_the_step_it_was_planned_for_and_kills_the_process() -> None:
    disk = new_disk()
    files = disk.mount()
    fd = write(files, "/data/a", b"")
    disk.crash_at(disk.steps + 2, "process")
    files.pwritev(fd, [b"one"], 0)
    with pytest.raises(SimulatedCrash):
        files.pwritev(fd, [b"two"], 3)
    with pytest.raises(SimulatedCrash):
        files.exists("/data/a")
    assert b"onetwo".startswith(read_file(disk.mount(), "/data/a"))


def test_a_crash_can_be_planned_for_an_operation_on_some_file() -> None:
    disk = new_disk()
    files = disk.mount()
    fds = [write(files, path, b"") for path in ("/data/a", "/data/b")]
    disk.crash_on("pwritev", "/data/b", "process", skip=1)
    for fd in (fds[0], fds[1], fds[0]):
        files.pwritev(fd, [b"one"], 0)
    with pytest.raises(SimulatedCrash):
        files.pwritev(fds[1], [b"two"], 3)


def test_a_full_disk_writes_what_fits_and_then_refuses() -> None:
    disk = new_disk(capacity_bytes=8192)
    files = disk.mount()
    fd = files.open("/data/a", CREATE)
    assert files.pwritev(fd, [bytes(5000)], 0) == 5000
    assert files.pwritev(fd, [bytes(5000)], 5000) == 3192
    with pytest.raises(OSError, match="No space") as raised:
        files.pwritev(fd, [b"x"], 8192)
    assert raised.value.errno == errno.ENOSPC
    assert files.space("/data").free_bytes == 0
    files.pwritev(fd, [b"x"], 0)
    files.truncate(fd, 0)
    assert files.pwritev(fd, [bytes(5000)], 0) == 5000


def test_an_unlinked_file_holds_its_space_while_it_is_open() -> None:
    disk = new_disk(capacity_bytes=8192)
    files = disk.mount()
    fd = write(files, "/data/a", bytes(8192), sync=True)
    files.unlink("/data/a")
    files.sync_directory("/data")
    assert files.space("/").free_bytes == 0
    files.close(fd)
    assert files.space("/").free_bytes == 8192


def test_a_failed_sync_forgets_that_the_pages_were_dirty() -> None:
    for seed in SEEDS:
        disk = new_disk(seed)
        disk.background_writeback = 0
        files = disk.mount()
        fd = write(files, "/data/a", b"", sync=True)
        files.sync_directory("/data")
        write_all(files, fd, b"lost", 0)
        disk.fail("datasync", "*/a")
        with pytest.raises(OSError, match="Input/output"):
            files.datasync(fd)
        files.datasync(fd)
        disk.crash("power")
        assert read_file(disk.mount(), "/data/a").strip(b"\0") == b""


def test_faults_strike_the_paths_and_times_they_were_set_for() -> None:
    disk = new_disk()
    files = disk.mount()
    a, b = write(files, "/data/a.log", b""), write(files, "/data/b.index", b"")
    disk.fail("pwritev", "*.log", error=errno.EIO, times=1, skip=1)
    files.pwritev(b, [b"x"], 0)
    files.pwritev(a, [b"x"], 0)
    with pytest.raises(OSError, match="Input/output"):
        files.pwritev(a, [b"y"], 1)
    assert files.pwritev(a, [b"y"], 1) == 1


def test_damaged_bytes_read_wrong_and_unreadable_sectors_do_not_read() -> None:
    disk = new_disk()
    files = disk.mount()
    fd = write(files, "/data/a", bytes(2000), sync=True)
    disk.damage("/data/a", 700, 3)
    content = read_file(files, "/data/a")
    assert [position for position, byte in enumerate(content) if byte] == [700, 701, 702]
    disk.make_unreadable("/data/a", 600)
    files.preadv(fd, [bytearray(100)], 0)
    with pytest.raises(OSError, match="Input/output"):
        files.preadv(fd, [bytearray(100)], 500)


def test_reads_that_must_not_wait_are_sometimes_short_or_refused() -> None:
    files = new_disk().mount()
    fd = write(files, "/data/a", bytes(1000))
    seen = set()
    for _ in range(200):
        try:
            seen.add(files.preadv(fd, [bytearray(1000)], 0, NOWAIT))
        except BlockingIOError:
            seen.add(-1)
    assert {-1, 1000} < seen
    assert all(files.preadv(fd, [bytearray(600), bytearray(600)], 0) == 1000 for _ in range(50))


def test_the_lowest_free_descriptor_is_used_again() -> None:
    files = new_disk().mount()
    first = write(files, "/data/a", b"a")
    write(files, "/data/b", b"b")
    files.close(first)
    assert write(files, "/data/c", b"c") == first


def test_descriptors_are_limited() -> None:
    files = new_disk().mount(descriptors_max=10)
    for number in range(7):
        write(files, f"/data/{number}", b"")
    with pytest.raises(OSError, match="Too many open files"):
        files.open("/data/0", os.O_RDONLY)


def test_a_lock_is_held_by_one_open_file_until_it_is_closed_or_its_process_dies() -> None:
    disk = new_disk()
    mine, other = disk.mount(), disk.mount()
    held = write(mine, "/data/.lock", b"")
    mine.lock(held)
    mine.lock(held)
    theirs = other.open("/data/.lock", os.O_RDWR)
    with pytest.raises(BlockingIOError):
        other.lock(theirs)
    mine.close(held)
    other.lock(theirs)
    other.kill()
    mine.lock(mine.open("/data/.lock", os.O_RDWR))


def test_a_sync_covers_what_was_written_before_it_began() -> None:
    for seed in SEEDS:
        disk = new_disk(seed)
        disk.background_writeback = 0
        files = disk.mount()
        fd = write(files, "/data/a", b"before", sync=False)
        files.sync_directory("/data")

        def write_meanwhile(fd: int = fd, files: SimulatedFiles = files) -> None:
            files._pause = lambda: None
            files.pwritev(fd, [b"during"], 6)

        pauses = iter([lambda: None, write_meanwhile])
        files._pause = lambda pauses=pauses: next(pauses)()  # type: ignore[misc]
        files.datasync(fd)
        disk.crash("power")
        assert read_file(disk.mount(), "/data/a").startswith(b"before")
