"""Random damage to any file: opening and reading answer with declared errors, and intact batches stay readable."""

import asyncio
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odradek.host.posix import PosixFiles
from odradek.log import paths
from odradek.log.errors import DamagedLogError, LogError
from odradek.log.log import Log, Stop
from odradek.wire.errors import InvalidBatchError
from odradek.wire.records import batches
from tests.support.logs import NOW_MS, LogDirectory, append, batch, flush_all, topic_config

BATCHES = 12
FLUSHED = 8
BATCHES_IN_SEGMENT = 5
FIRST = "00000000000000000000.log"


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of three segments, indexed densely, with producers and epochs, the last third of it not flushed."""
    path = tmp_path_factory.mktemp("pristine")
    log = directory_at(path).open()
    for sequence in range(BATCHES):
        if sequence == FLUSHED:
            flush_all(log)
        records = batch(
            bytes(60), timestamp_ms=NOW_MS + sequence, producer_id=7, producer_epoch=0, base_sequence=sequence
        )
        append(log, records, leader_epoch=sequence // 5)
    log.active.write_pending()
    log.close()
    return path


def directory_at(path: Path) -> LogDirectory:
    size = len(batch(bytes(60)))
    return LogDirectory(
        path, PosixFiles(), topic_config(segment_bytes=BATCHES_IN_SEGMENT * size, index_interval_bytes=0)
    )


def read_everything(log: Log, first: int, end: int) -> list[int]:
    """Offsets of the batches readable from `first` on, by the slow way that copes with damaged indexes."""

    async def read() -> list[int]:
        offset, found = first, []
        while offset < end:
            located = await log.locate_cold(offset, 1 << 20)
            content = bytearray(located.length)
            log.storage.files.preadv(located.fd, [content], located.position)
            located.release()
            log.note_read(located, memoryview(content))
            headers = [header for _, header in batches(content)]
            found += [header.base_offset for header in headers]
            offset = headers[-1].last_offset + 1
        return found

    return asyncio.run(read())


Damage = st.tuples(st.integers(0, 50), st.integers(0, 4000), st.binary(min_size=1, max_size=12), st.booleans())


def damage(path: Path, change: tuple[int, int, bytes, bool]) -> str:
    """Overwrite some bytes of one file, or cut it; the file's name."""
    names = sorted(each.name for each in path.iterdir())
    which, position, content, cuts = change
    target = path / names[which % len(names)]
    data = bytearray(target.read_bytes())
    position %= len(data) + 1
    data[position : len(data) if cuts else position + len(content)] = b"" if cuts else content
    target.write_bytes(data)
    return target.name


@given(change=Damage, stop=st.sampled_from(Stop))
@settings(max_examples=250, deadline=None)
def test_damage_is_survived_or_reported(pristine: Path, change: tuple[int, int, bytes, bool], stop: Stop) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "log"
        shutil.copytree(pristine, path)
        damaged = damage(path, change)
        recovery_point = BATCHES if stop is Stop.CLEAN else FLUSHED
        before = (path / FIRST).read_bytes()
        directory = directory_at(path)
        try:
            log = directory.open(stop=stop, recovery_point=recovery_point)
            found = read_everything(log, 0, log.log_end_offset)
            asyncio.run(log.offset_for_timestamp(NOW_MS + 3))
            asyncio.run(log.max_timestamp_offset())
            log.active_producers()
            log.delete_old_segments(NOW_MS)
            log.truncate_to(2)
        except (DamagedLogError, InvalidBatchError):
            assert damaged.endswith(".log")
        else:
            assert set(found) >= set(range(FLUSHED)) - offsets_of(damaged)
            assert damaged.endswith(".log") or found == list(range(BATCHES))
        assert before.startswith((path / FIRST).read_bytes()), (
            "the flushed segment was changed, not only cut by truncation"
        )


def offsets_of(name: str) -> set[int]:
    """Of the batches in a segment file; none for files of other kinds."""
    base_offset = paths.base_offset_of(name, ".log")
    return set() if base_offset is None else set(range(base_offset, base_offset + BATCHES_IN_SEGMENT))


@given(content=st.binary(max_size=400))
@settings(max_examples=150, deadline=None)
def test_any_bytes_as_a_segment_are_cut_or_reported(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "00000000000000000000.log").write_bytes(content)
        directory = directory_at(Path(name))
        log = directory.open(stop=Stop.POWER_LOSS)
        assert log.log_end_offset == 0
        assert append(log, batch(b"a")).base_offset == 0
        try:
            (Path(name) / "00000000000000000000.log").write_bytes(content)
            directory.open(recovery_point=5).locate(1, 100)
        except LogError:
            pass


@given(content=st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_bytes_from_a_client_are_refused_with_an_error(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        log = directory_at(Path(name)).open()
        result = append(log, bytearray(content))
        assert result.error.name in {"invalid_record", "corrupt_message"}
        assert log.size_bytes == 0


@given(position=st.integers(0, 200), content=st.binary(min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_a_changed_batch_from_a_client_is_refused_or_stored_as_valid(position: int, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = directory_at(Path(name))
        log = directory.open()
        records = batch(b"a", bytes(30), producer_id=1, producer_epoch=0, base_sequence=0)
        position %= len(records)
        records[position : position + len(content)] = content
        append(log, records)
        log.close()
        log = directory.open(stop=Stop.POWER_LOSS)
        assert log.log_end_offset in (0, 2)
