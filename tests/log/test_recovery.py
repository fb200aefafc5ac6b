"""What a log is after each kind of stop."""

from pathlib import Path

import pytest
from kio.schema.errors import ErrorCode

from odradek.host.posix import PosixFiles
from odradek.log.errors import DamagedLogError
from odradek.log.log import Log, Stop
from tests.support.faulty_files import FaultyFiles
from tests.support.logs import (
    NOW_MS,
    TOPIC_ID,
    LogDirectory,
    append,
    append_many,
    batch,
    flush_all,
    offsets_in,
    topic_config,
)

SIZE = len(batch(bytes(100)))
CRASHES = pytest.mark.parametrize("stop", [Stop.PROCESS_CRASH, Stop.POWER_LOSS])
SMALL = topic_config(segment_bytes=3 * SIZE, index_interval_bytes=0)


@pytest.fixture
def directory(tmp_path: Path) -> LogDirectory:
    return LogDirectory(tmp_path, PosixFiles(), SMALL)


def damage(path: Path, position: int, content: bytes) -> None:
    """Overwrite bytes of a file behind the log's back."""
    data = bytearray(path.read_bytes())
    data[position : position + len(content)] = content
    path.write_bytes(data)


def log_file(directory: LogDirectory, base_offset: int) -> Path:
    return directory.path / f"{base_offset:020d}.log"


def offsets(count: int) -> list[tuple[int, int]]:
    return [(offset, offset) for offset in range(count)]


def test_nothing_is_read_after_a_clean_stop(tmp_path: Path) -> None:
    files = FaultyFiles()
    directory = LogDirectory(tmp_path, files, SMALL)
    log = directory.open()
    append_many(log, 8)
    listing = directory.stopped(log)
    files.calls.clear()
    log = directory.open(recovery_point=8, listing=listing)
    assert log.log_end_offset == 8
    assert files.calls == ["listdir", "stat", "stat", "stat", "open", "preadv"]  # The last two: the epoch checkpoint.
    assert offsets_in(log) == offsets(8)


def test_without_a_recovery_point_the_end_is_looked_for(directory: LogDirectory) -> None:
    log = directory.open()
    append_many(log, 8)
    directory.reopen(log).close()
    log = directory.open()
    assert log.log_end_offset == 8
    assert append(log, batch(b"a")).base_offset == 8


@CRASHES
def test_a_crash_that_lost_nothing_loses_nothing(directory: LogDirectory, stop: Stop) -> None:
    log = directory.open()
    append_many(log, 4)
    flush_all(log)
    append_many(log, 6, start=10)
    log.close()
    expected = {name: directory.content(name) for name in directory.names() if name.endswith(".log")}
    log = directory.open(stop=stop, recovery_point=4)
    assert offsets_in(log) == offsets(10)
    assert {name: directory.content(name) for name in directory.names() if name.endswith(".log")} == expected
    assert log.dirty
    assert append(log, batch(b"next")).base_offset == 10


@CRASHES
def test_the_indexes_after_a_crash_are_those_without_one(tmp_path: Path, stop: Stop) -> None:
    contents = []
    for name, crashes in (("clean", False), ("crash", True)):
        (tmp_path / name).mkdir()
        directory = LogDirectory(
            tmp_path / name, PosixFiles(), topic_config(segment_bytes=6 * SIZE, index_interval_bytes=0)
        )
        log = directory.open()
        append_many(log, 4)
        flush_all(log)
        append_many(log, 8, start=10)
        if crashes:
            log.close()
            log = directory.open(stop=stop, recovery_point=4)
        log.seal()
        flush_all(log)
        contents.append({name: directory.content(name) for name in directory.names() if "index" in name})
    assert contents[0] == contents[1]


@CRASHES
def test_a_torn_last_batch_is_cut(directory: LogDirectory, stop: Stop) -> None:
    log = directory.open()
    append_many(log, 5)
    log.close()
    path = log_file(directory, 3)
    path.write_bytes(path.read_bytes()[:-1])
    log = directory.open(stop=stop)
    assert offsets_in(log) == offsets(4)
    assert path.stat().st_size == SIZE
    assert append(log, batch(b"next")).base_offset == 4


@CRASHES
def test_a_last_batch_with_wrong_bytes_is_cut(directory: LogDirectory, stop: Stop) -> None:
    log = directory.open()
    append_many(log, 5)
    log.close()
    damage(log_file(directory, 3), 2 * SIZE - 1, b"\xff")
    assert offsets_in(directory.open(stop=stop)) == offsets(4)


def test_after_power_loss_whole_batches_beyond_a_hole_are_cut(directory: LogDirectory) -> None:
    log = directory.open()
    append_many(log, 8)
    log.close()
    damage(log_file(directory, 0), SIZE + 80, b"\xff\xff")
    log = directory.open(stop=Stop.POWER_LOSS)
    assert offsets_in(log) == offsets(1)
    assert [name for name in directory.names() if name.endswith(".log")] == ["00000000000000000000.log"]
    assert append(log, batch(b"next")).base_offset == 1


def test_a_segment_that_lost_its_end_takes_the_later_ones_with_it(directory: LogDirectory) -> None:
    log = directory.open()
    append_many(log, 8)
    log.close()
    path = log_file(directory, 3)
    path.write_bytes(path.read_bytes()[: 2 * SIZE])
    assert offsets_in(directory.open(stop=Stop.POWER_LOSS)) == offsets(5)


@CRASHES
def test_zeros_at_the_end_are_cut(directory: LogDirectory, stop: Stop) -> None:
    log = directory.open()
    append_many(log, 2)
    log.close()
    path = log_file(directory, 0)
    path.write_bytes(path.read_bytes() + bytes(1000))
    assert offsets_in(directory.open(stop=stop)) == offsets(2)


@CRASHES
@pytest.mark.parametrize("lost_from", [SIZE, 2 * SIZE - 3])
def test_missing_bytes_below_the_recovery_point_are_never_cut(
    directory: LogDirectory, stop: Stop, lost_from: int
) -> None:
    log = directory.open()
    append_many(log, 5)
    flush_all(log)
    log.close()
    path = log_file(directory, 3)
    path.write_bytes(path.read_bytes()[:lost_from])
    before = path.read_bytes()
    with pytest.raises(DamagedLogError) as found:
        directory.open(stop=stop, recovery_point=5)
    assert (found.value.path, found.value.position, found.value.intact_offset) == (str(path), SIZE, 4)
    assert path.read_bytes() == before


def test_a_header_damaged_below_the_recovery_point_is_never_cut(directory: LogDirectory) -> None:
    log = directory.open()
    append_many(log, 2)
    flush_all(log)
    append_many(log, 1, start=5)
    log.close()
    (directory.path / "00000000000000000000.index").unlink()
    damage(log_file(directory, 0), SIZE + 16, b"\x07")
    before = log_file(directory, 0).read_bytes()
    with pytest.raises(DamagedLogError):
        directory.open(stop=Stop.POWER_LOSS, recovery_point=2)
    assert log_file(directory, 0).read_bytes() == before


def test_the_part_before_damage_can_be_read_and_kept(directory: LogDirectory) -> None:
    log = directory.open()
    append_many(log, 8)
    flush_all(log)
    log.close()
    damage(log_file(directory, 3), SIZE + 16, b"\x07")
    (directory.path / "00000000000000000003.index").unlink()
    with pytest.raises(DamagedLogError) as found:
        directory.open(stop=Stop.POWER_LOSS, recovery_point=5)
    log = Log.open_intact(
        directory.storage,
        str(directory.path),
        topic="flights",
        partition=0,
        topic_id=TOPIC_ID,
        config=SMALL,
        damage=found.value,
    )
    assert offsets_in(log) == offsets(4)
    with pytest.raises(DamagedLogError):
        append(log, batch(b"a"))
    log.repair()
    assert append(log, batch(b"a")).base_offset == 4
    log = directory.reopen(log)
    assert offsets_in(log) == offsets(5)


@CRASHES
def test_epochs_above_the_recovery_point_are_learnt_from_the_batches(directory: LogDirectory, stop: Stop) -> None:
    log = directory.open()
    append(log, batch(b"a"), leader_epoch=1)
    flush_all(log)
    append(log, batch(b"b"), leader_epoch=4)
    log.close()
    assert directory.open(stop=stop, recovery_point=1).epochs.entries == ((1, 0), (4, 1))


def repeated(sequence: int) -> bytearray:
    return batch(bytes(100), producer_id=7, producer_epoch=0, base_sequence=sequence)


def produce(log: Log, sequence: int) -> None:
    append(log, repeated(sequence))


@CRASHES
@pytest.mark.parametrize("flushed", [0, 1, 3])
def test_producers_survive_a_crash(directory: LogDirectory, stop: Stop, flushed: int) -> None:
    log = directory.open()
    for sequence in range(6):
        if sequence == flushed:
            flush_all(log)
        produce(log, sequence)
    log.close()
    log = directory.open(stop=stop, recovery_point=flushed)
    assert log.producers.entries[7].last_sequence == 5
    again = append(log, batch(bytes(100), producer_id=7, producer_epoch=0, base_sequence=5))
    assert (again.duplicate, again.base_offset) == (True, 5)


@pytest.mark.parametrize("stop", Stop)
@pytest.mark.parametrize("flushed", [7, 8, 10])
def test_the_last_five_batches_of_a_producer_are_known_after_a_start(
    directory: LogDirectory, stop: Stop, flushed: int
) -> None:
    """A snapshot has one of them; a producer has up to five under way and sends them all again."""
    log = directory.open()
    for sequence in range(10):
        if sequence == flushed:
            flush_all(log)
        produce(log, sequence)
        append(log, batch(b"of another", producer_id=8, producer_epoch=0, base_sequence=sequence))
    if flushed == 10 or stop is Stop.CLEAN:
        log.seal()
        flush_all(log)
    log = directory.reopen(log, stop)
    again = [append(log, repeated(sequence)) for sequence in range(5, 10)]
    assert [(each.duplicate, each.base_offset) for each in again] == [(True, 2 * each) for each in range(5, 10)]
    assert append(log, repeated(4)).error is ErrorCode.out_of_order_sequence_number


def test_batches_of_a_producer_that_cannot_be_read_are_not_known_and_nothing_else_is_wrong(
    directory: LogDirectory,
) -> None:
    log = directory.open()
    for sequence in range(8):
        produce(log, sequence)
    log.seal()
    flush_all(log)
    log.close()
    damage(log_file(directory, 3), 16, b"\xff")
    log = directory.open(recovery_point=8)
    assert append(log, repeated(7)).duplicate
    assert append(log, repeated(5)).error is ErrorCode.out_of_order_sequence_number
    assert append(log, repeated(8)).base_offset == 8


def test_producers_survive_a_damaged_snapshot(directory: LogDirectory) -> None:
    log = directory.open()
    for sequence in range(8):
        produce(log, sequence)
    log.seal()
    flush_all(log)
    log.close()
    damage(directory.path / "00000000000000000008.snapshot", 10, b"\xff")
    log = directory.open(recovery_point=8)
    assert log.producers.entries[7].last_sequence == 7


def test_a_snapshot_of_the_future_is_removed(directory: LogDirectory) -> None:
    log = directory.open()
    for sequence in range(8):
        produce(log, sequence)
    log.close()
    path = log_file(directory, 3)
    path.write_bytes(path.read_bytes()[:70])
    log = directory.open(stop=Stop.POWER_LOSS)
    assert log.log_end_offset == 3
    assert log.producers.entries[7].last_sequence == 2
    assert "00000000000000000006.snapshot" not in directory.names()


@CRASHES
def test_a_corrupt_index_is_made_anew(tmp_path: Path, stop: Stop) -> None:
    directory = LogDirectory(tmp_path, PosixFiles(), topic_config(index_interval_bytes=0))
    log = directory.open()
    append_many(log, 10)
    log.seal()
    flush_all(log)
    intact = directory.content("00000000000000000000.index")
    log.close()
    (tmp_path / "00000000000000000000.index").write_bytes(bytes(80))
    log = directory.open(stop=stop, recovery_point=10)
    log.seal()
    flush_all(log)
    assert directory.content("00000000000000000000.index") == intact
    assert offsets_in(log) == offsets(10)


def test_a_damaged_epoch_checkpoint_does_not_hinder_opening(directory: LogDirectory) -> None:
    log = directory.open()
    append_many(log, 2)
    directory.reopen(log).close()
    (directory.path / "leader-epoch-checkpoint").write_bytes(b"\x00\xff")
    log = directory.open(recovery_point=2)
    assert log.epochs.latest_epoch == -1
    append(log, batch(b"a"), leader_epoch=3)
    assert log.epochs.entries == ((3, 2),)


@CRASHES
def test_an_empty_new_segment_after_a_roll_survives(directory: LogDirectory, stop: Stop) -> None:
    log = directory.open()
    append_many(log, 3)
    log.roll(NOW_MS)
    log.close()
    log = directory.open(stop=stop)
    assert offsets_in(log) == offsets(3)
    assert append(log, batch(b"a")).base_offset == 3


def test_a_flush_in_between_counts_only_what_was_there_when_it_began(directory: LogDirectory) -> None:
    log = directory.open()
    append_many(log, 2)
    job = log.begin_flush()
    assert job is not None
    append_many(log, 2)
    log.finish_flush(job)
    assert (log.flushed_offset, log.log_end_offset, log.dirty) == (2, 4, True)


def test_a_failed_flush_moves_nothing(directory: LogDirectory) -> None:
    log = directory.open()
    append_many(log, 2)
    job = log.begin_flush(everything=True)
    assert job is not None
    log.fail_flush(job)
    assert (log.flushed_offset, log.recovery_point) == (0, 0)
    assert all(handle.pins == 0 for handle in directory.storage.descriptors)


def test_a_cut_during_a_flush_keeps_the_lower_offset(directory: LogDirectory) -> None:
    log = directory.open()
    append_many(log, 3)
    job = log.begin_flush(everything=True)
    assert job is not None
    log.truncate_to(1)
    log.finish_flush(job)
    assert log.flushed_offset <= 1
