"""Segments that are gone or of another length than when they were synced: noticed at the next opening, never cut."""

import asyncio
from pathlib import Path

import pytest

from odradek.host.posix import PosixFiles
from odradek.log import inventory
from odradek.log.errors import DamagedLogError
from odradek.log.inventory import Kind, Listing
from odradek.log.log import Log, Stop
from tests.support.logs import TOPIC_ID, LogDirectory, append_many, batch, flush_all, offsets_in, topic_config

SIZE = len(batch(bytes(100)))
CONFIG = topic_config(segment_bytes=3 * SIZE, index_interval_bytes=0)
WRITTEN = 8
STOPS = pytest.mark.parametrize("stop", list(Stop))
CRASHES = pytest.mark.parametrize("stop", [Stop.PROCESS_CRASH, Stop.POWER_LOSS])


@pytest.fixture
def directory(tmp_path: Path) -> LogDirectory:
    return LogDirectory(tmp_path, PosixFiles(), CONFIG)


def segment(directory: LogDirectory, base_offset: int) -> Path:
    return directory.path / f"{base_offset:020d}.log"


def written(directory: LogDirectory, stop: Stop) -> Listing:
    """Segments 0, 3 and 6, all synced, and what the inventory says of them after such a stop."""
    log = directory.open()
    append_many(log, WRITTEN)
    if stop is Stop.CLEAN:
        return directory.stopped(log)
    flush_all(log)
    log.close()
    return inventory.listing_of(log, is_last=False)


def contents(directory: LogDirectory) -> dict[str, bytes]:
    return {name: directory.content(name) for name in directory.names() if name.endswith(".log")}


def found_at(directory: LogDirectory, stop: Stop, listing: Listing | None, recovery_point: int = WRITTEN) -> Log:
    """The log up to the damage that its opening reports; the segments are as before."""
    before = contents(directory)
    with pytest.raises(DamagedLogError) as found:
        directory.open(stop=stop, recovery_point=recovery_point, listing=listing)
    assert contents(directory) == before
    return Log.open_intact(
        directory.storage,
        str(directory.path),
        topic="flights",
        partition=0,
        topic_id=TOPIC_ID,
        config=CONFIG,
        damage=found.value,
    )


def intact(log: Log) -> list[int]:
    """Base offsets of all batches as consumers get them, also where an index points beyond what is left."""
    asyncio.run(_search_everywhere(log))
    return [first for first, _ in offsets_in(log)]


async def _search_everywhere(log: Log) -> None:
    for offset in range(log.log_start_offset, log.log_end_offset):
        (await log.locate_cold(offset, 1)).release()


@STOPS
def test_a_segment_that_is_gone_from_the_middle(directory: LogDirectory, stop: Stop) -> None:
    listing = written(directory, stop)
    segment(directory, 3).unlink()
    assert intact(found_at(directory, stop, listing)) == [0, 1, 2]


@STOPS
@pytest.mark.parametrize("base_offset", [0, 3])
@pytest.mark.parametrize(("left", "kept"), [(2 * SIZE, 2), (2 * SIZE - 1, 1), (0, 0)])
def test_a_closed_segment_that_lost_its_end(
    directory: LogDirectory, stop: Stop, base_offset: int, left: int, kept: int
) -> None:
    listing = written(directory, stop)
    path = segment(directory, base_offset)
    path.write_bytes(path.read_bytes()[:left])
    assert intact(found_at(directory, stop, listing)) == list(range(base_offset + kept))


@STOPS
def test_a_closed_segment_that_has_grown(directory: LogDirectory, stop: Stop) -> None:
    listing = written(directory, stop)
    path = segment(directory, 0)
    path.write_bytes(path.read_bytes() + bytes(50))
    assert intact(found_at(directory, stop, listing)) == [0, 1, 2]


@STOPS
@pytest.mark.parametrize("left", [2 * SIZE - 1, SIZE])
def test_the_last_segment_that_lost_its_end(directory: LogDirectory, stop: Stop, left: int) -> None:
    listing = written(directory, stop)
    path = segment(directory, 6)
    path.write_bytes(path.read_bytes()[:left])
    assert intact(found_at(directory, stop, listing)) == list(range(7))


@STOPS
@pytest.mark.parametrize("with_listing", [True, False])
def test_the_last_segment_that_is_gone(directory: LogDirectory, stop: Stop, *, with_listing: bool) -> None:
    listing = written(directory, stop)
    segment(directory, 6).unlink()
    assert intact(found_at(directory, stop, listing if with_listing else None)) == list(range(6))


@STOPS
@pytest.mark.parametrize("with_listing", [True, False])
def test_all_segments_that_are_gone(directory: LogDirectory, stop: Stop, *, with_listing: bool) -> None:
    listing = written(directory, stop)
    for base_offset in (0, 3, 6):
        segment(directory, base_offset).unlink()
    with pytest.raises(DamagedLogError, match="every segment is missing") as found:
        directory.open(stop=stop, recovery_point=WRITTEN, listing=listing if with_listing else None)
    assert contents(directory) == {}
    assert found.value.intact_offset == 0


def test_a_beginning_that_is_gone_after_a_clean_stop_leaves_the_rest_readable(directory: LogDirectory) -> None:
    listing = written(directory, Stop.CLEAN)
    segment(directory, 0).unlink()
    assert intact(found_at(directory, Stop.CLEAN, listing)) == [3, 4, 5, 6, 7]


def test_a_segment_that_was_not_there(directory: LogDirectory) -> None:
    listing = written(directory, Stop.CLEAN)
    segment(directory, 8).write_bytes(b"")
    assert intact(found_at(directory, Stop.CLEAN, listing)) == list(range(8))


@STOPS
@pytest.mark.parametrize("recovery_point", [WRITTEN + 1, 999_999_999])
def test_a_recovery_point_beyond_the_end_is_not_believed(
    directory: LogDirectory, stop: Stop, recovery_point: int
) -> None:
    written(directory, stop)
    assert intact(found_at(directory, stop, None, recovery_point)) == list(range(WRITTEN))


def test_after_a_clean_stop_the_inventory_knows_better_than_a_wrong_recovery_point(directory: LogDirectory) -> None:
    listing = written(directory, Stop.CLEAN)
    log = directory.open(recovery_point=999_999_999, listing=listing)
    assert (log.log_end_offset, intact(log)) == (WRITTEN, list(range(WRITTEN)))


@CRASHES
def test_what_retention_removed_since_is_not_missed(directory: LogDirectory, stop: Stop) -> None:
    listing = written(directory, stop)
    segment(directory, 0).unlink()
    assert intact(directory.open(stop=stop, recovery_point=WRITTEN, listing=listing)) == [3, 4, 5, 6, 7]


@CRASHES
def test_what_was_appended_since_a_clean_stop_is_no_damage(directory: LogDirectory, stop: Stop) -> None:
    listing = written(directory, Stop.CLEAN)
    log = directory.open(recovery_point=WRITTEN, listing=listing)
    append_many(log, 4)
    log.close()
    assert intact(directory.open(stop=stop, recovery_point=WRITTEN, listing=listing)) == list(range(12))


@CRASHES
def test_a_log_that_was_compacted_since_is_not_compared(directory: LogDirectory, stop: Stop) -> None:
    listing = written(directory, Stop.CLEAN)._replace(kind=Kind.COMPACTED)
    path = segment(directory, 0)
    path.write_bytes(path.read_bytes()[:SIZE])
    assert intact(directory.open(stop=stop, recovery_point=WRITTEN, listing=listing)) == [0, 3, 4, 5, 6, 7]


@STOPS
def test_a_segment_that_had_just_begun_at_a_stop_may_be_there_or_not(directory: LogDirectory, stop: Stop) -> None:
    log = directory.open()
    append_many(log, WRITTEN)
    flush_all(log)
    log.roll(0)
    listing = inventory.listing_of(log, is_last=True)
    log.close()
    assert intact(directory.open(stop=stop, recovery_point=WRITTEN, listing=listing)) == list(range(WRITTEN))
    segment(directory, WRITTEN).unlink()
    assert intact(directory.open(stop=stop, recovery_point=WRITTEN, listing=listing)) == list(range(WRITTEN))


def test_only_closed_segments_below_the_recovery_point_are_listed_while_a_log_is_in_use(
    directory: LogDirectory,
) -> None:
    log = directory.open()
    append_many(log, 5)
    assert inventory.listing_of(log, is_last=False) == Listing(-1, Kind.PLAIN, ())
    flush_all(log)
    assert inventory.listing_of(log, is_last=False) == Listing(-1, Kind.PLAIN, ((0, 3 * SIZE),))
    append_many(log, 5)
    assert inventory.listing_of(log, is_last=True) == Listing(-1, Kind.PLAIN, ((0, 3 * SIZE),))
    flush_all(log)
    everything = ((0, 3 * SIZE), (3, 3 * SIZE), (6, 3 * SIZE), (9, SIZE))
    assert inventory.listing_of(log, is_last=True) == Listing(10, Kind.PLAIN, everything)
    log.config = topic_config(cleanup_policy=frozenset({"compact"}))
    assert inventory.listing_of(log, is_last=False) == Listing(-1, Kind.COMPACTED, ())
