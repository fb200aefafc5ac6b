"""Partitions' directories are made, set aside and removed so that a crash at any step leaves a state the scan knows."""

import random
from collections.abc import Callable
from uuid import UUID

import pytest

from odradek.host.files import FileSystem
from odradek.log import partition_files
from odradek.log.directory_names import directory_name, parse_directory_name, set_aside_name
from odradek.log.partition_files import ForeignDirectoryError, PartitionKey, scan
from odradek.simulation.disk import CrashKind, Disk
from odradek.simulation.errors import SimulatedCrash

ROOT = "/logs"
OLD = PartitionKey("flights", 0, UUID(int=1))
NEW = PartitionKey("flights", 0, UUID(int=2))
OTHER = PartitionKey("crews", 3, UUID(int=3))
SISTERS = [PartitionKey("flights", index, UUID(int=1)) for index in (1, 2)]
ALL = [OTHER, OLD, *SISTERS]
"""By name, two topics, one of them with several partitions."""
SEEDS = range(5)
ASIDE = "flights-0.00ff-delete"


def disk_with(*keys: PartitionKey, seed: int = 0) -> Disk:
    """A disk on which these partitions are durable."""
    disk = Disk(random.Random(seed))
    disk.make_directories(ROOT)
    if keys:
        partition_files.create(disk.mount(), ROOT, keys)
        disk.settle()
    return disk


def steps_of(disk: Disk, action: Callable[[FileSystem], object]) -> int:
    """How many I/O steps the action takes when nothing goes wrong."""
    before = disk.steps
    action(disk.mount())
    return disk.steps - before


def put(files: FileSystem, path: str, content: bytes = b"") -> None:
    """Make a file."""
    fd = files.open(path, 0o102)
    files.pwritev(fd, [content], 0)
    files.close(fd)


def test_what_was_created_is_found() -> None:
    files = disk_with(*ALL).mount()
    assert scan(files, ROOT).partitions == ALL


@pytest.mark.parametrize("kind", ["process", "power"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_creation_that_returned_survives(kind: CrashKind, seed: int) -> None:
    disk = disk_with(seed=seed)
    partition_files.create(disk.mount(), ROOT, ALL)
    disk.crash(kind)
    assert scan(disk.mount(), ROOT).partitions == ALL


@pytest.mark.parametrize("kind", ["process", "power"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_creation_that_crashes_at_any_step_can_be_completed(kind: CrashKind, seed: int) -> None:
    steps = steps_of(disk_with(), lambda files: partition_files.create(files, ROOT, ALL))
    assert steps >= 20
    for step in range(1, steps + 1):
        disk = disk_with(seed=seed)
        disk.crash_at(disk.steps + step, kind)
        with pytest.raises(SimulatedCrash):
            partition_files.create(disk.mount(), ROOT, ALL)
        files = disk.mount()
        found = scan(files, ROOT)
        assert set(found.partitions) <= set(ALL)
        assert found.unidentified == found.deleted == []
        for name in found.incomplete:
            partition_files.remove(files, f"{ROOT}/{name}")
        assert partition_files.create(files, ROOT, ALL) == [None] * len(ALL)
        assert scan(files, ROOT).partitions == ALL


def test_each_partition_of_a_topic_has_a_file_of_its_own() -> None:
    """So that what damages one takes one partition with it."""
    files = disk_with(*ALL).mount()
    put(files, f"{ROOT}/{OLD.name}/partition.metadata", b"nonsense")
    found = scan(files, ROOT)
    assert found.unidentified == [OLD.name]
    assert found.partitions == [OTHER, *SISTERS]


def test_partitions_made_together_are_on_their_way_to_the_disk_before_one_is_waited_for() -> None:
    """A thousand partitions are made in the time of their directories: waiting for content takes longest."""
    disk = disk_with()
    before = len(disk.operations)
    partition_files.create(disk.mount(), ROOT, [PartitionKey("t", index, UUID(int=9)) for index in range(32)])
    names = [operation.name for operation in list(disk.operations)[before:]]
    waits = [name for name in names if name in ("start_writeback", "datasync")]
    assert waits == ["start_writeback"] * 32 + ["datasync"] * 32


@pytest.mark.parametrize("kind", ["process", "power"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_deletion_that_crashes_at_any_step_leaves_the_old_or_nothing_of_the_name(kind: CrashKind, seed: int) -> None:
    steps = steps_of(disk_with(OLD), lambda files: partition_files.set_aside(files, ROOT, [(OLD.name, ASIDE)]))
    assert steps == 2
    for step in range(1, steps + 1):
        disk = disk_with(OLD, seed=seed)
        disk.crash_at(disk.steps + step, kind)
        with pytest.raises(SimulatedCrash):
            partition_files.set_aside(disk.mount(), ROOT, [(OLD.name, ASIDE)])
        found = scan(disk.mount(), ROOT)
        assert (found.partitions, found.deleted) in [([OLD], []), ([], [ASIDE])]


@pytest.mark.parametrize("kind", ["process", "power"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_deletion_that_returned_is_not_undone(kind: CrashKind, seed: int) -> None:
    disk = disk_with(OLD, seed=seed)
    partition_files.set_aside(disk.mount(), ROOT, [(OLD.name, ASIDE)])
    disk.crash(kind)
    assert scan(disk.mount(), ROOT).deleted == [ASIDE]


@pytest.mark.parametrize("kind", ["process", "power"])
def test_a_removal_that_crashes_at_any_step_is_done_again(kind: CrashKind) -> None:
    for step in range(1, 4):
        disk = disk_with(OLD)
        files = disk.mount()
        put(files, f"{ROOT}/{OLD.name}/00000000000000000000.log")
        partition_files.set_aside(files, ROOT, [(OLD.name, ASIDE)])
        disk.crash_at(disk.steps + step, kind)
        with pytest.raises(SimulatedCrash):
            partition_files.remove(files, f"{ROOT}/{ASIDE}")
        files = disk.mount()
        for name in scan(files, ROOT).deleted:
            partition_files.remove(files, f"{ROOT}/{name}")
        assert files.listdir(ROOT) == []


def test_a_name_whose_old_directory_was_set_aside_is_free() -> None:
    files = disk_with(OLD).mount()
    partition_files.set_aside(files, ROOT, [(OLD.name, ASIDE)])
    assert partition_files.create(files, ROOT, [NEW]) == [None]
    assert scan(files, ROOT).partitions == [NEW]


def test_another_topic_ids_directory_is_never_taken_over() -> None:
    files = disk_with(OLD).mount()
    taken = partition_files.create(files, ROOT, [NEW, OTHER])
    assert isinstance(taken[0], ForeignDirectoryError)
    assert taken[1] is None
    assert scan(files, ROOT).partitions == [OTHER, OLD]


def test_records_without_a_topic_id_are_neither_opened_nor_adopted_nor_removed() -> None:
    files = disk_with(OLD).mount()
    put(files, f"{ROOT}/{OLD.name}/00000000000000000000.log", b"records")
    files.unlink(f"{ROOT}/{OLD.name}/partition.metadata")
    found = scan(files, ROOT)
    assert (found.partitions, found.incomplete, found.unidentified) == ([], [], [OLD.name])
    assert isinstance(partition_files.create(files, ROOT, [OLD])[0], ForeignDirectoryError)


def test_a_corrupt_topic_id_is_not_guessed() -> None:
    files = disk_with(OLD).mount()
    fd = files.open(f"{ROOT}/{OLD.name}/partition.metadata", 2)
    files.truncate(fd, 5)
    files.close(fd)
    assert scan(files, ROOT).unidentified == [OLD.name]
    assert isinstance(partition_files.create(files, ROOT, [OLD])[0], ForeignDirectoryError)


def test_files_that_look_like_partitions_are_left_alone() -> None:
    files = disk_with().mount()
    put(files, f"{ROOT}/meta.properties.bak-0")
    found = scan(files, ROOT)
    assert (found.partitions, found.deleted, found.incomplete, found.unidentified) == ([], [], [], [])


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("flights-0", ("flights", 0)),
        ("a-b-12", ("a-b", 12)),
        ("a.b_c-7", ("a.b_c", 7)),
        ("flights-01", None),
        ("flights-", None),
        ("-1", None),
        ("flights-0.ab-delete", None),
        ("flights-0.ab-stray", None),
        (".lock", None),
        ("flights", None),
    ],
)
def test_directory_names(name: str, parsed: tuple[str, int] | None) -> None:
    assert parse_directory_name(name) == parsed
    if parsed is not None:
        assert directory_name(*parsed) == name


def test_a_name_set_aside_still_fits_the_file_system() -> None:
    name = set_aside_name(directory_name("t" * 249, 12345), "0" * 32, "-delete")
    assert len(name) == 255
    assert name.endswith("-delete")
