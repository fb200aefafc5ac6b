"""A whole cleaning over files: what is mapped, what is written, where it ends."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.host.posix import PosixFiles
from odradek.log import index_rebuild
from odradek.log.batch_walk import MalformedBatchError
from odradek.log.cleaning.job import Finished, Job, Replaced, SourceSegment
from odradek.log.cleaning.rewrite import clean
from odradek.log.cleaning.swap import cleaned_path
from odradek.log.paths import path_of
from odradek.log.transaction_index import AbortedTransaction, encode
from odradek.wire.compression import DECOMPRESSED_SIZE_MAX, ZSTD
from odradek.wire.record_codec import Record, decode_batch, encode_batch
from odradek.wire.records import batches, crc_is_valid

FILES = PosixFiles()
Rows = Sequence[tuple[str, str | None]]


class Source:
    """A log's closed segments on disk, made batch by batch."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.segments: list[SourceSegment] = []
        self.end_offset = 0

    def segment(self, *batches_of: bytes) -> None:
        """One segment of whole batches, which must be at its offsets."""
        base, content = self.end_offset, b"".join(batches_of)
        Path(path_of(str(self.path), base, ".log")).write_bytes(content)
        self.end_offset = max(header.last_offset + 1 for _, header in batches(content))
        self.segments.append(SourceSegment(base, self.end_offset, len(content), 0, 0))

    def rows(self, *rows: tuple[str, str | None], at: int | None = None, **fields: Any) -> bytes:
        """A batch; `at` None: where the segment begins."""
        records = [Record(0, 1000, key.encode(), None if value is None else value.encode()) for key, value in rows]
        return encode_batch(records, base_offset=self.end_offset if at is None else at, **fields)

    def job(self, **changes: Any) -> Job:
        fields: dict[str, Any] = {
            "id": "ab", "directory": str(self.path), "segments": tuple(self.segments), "first_dirty_offset": 0,
            "upper_offset": self.end_offset, "now_ms": 5000, "delete_retention_ms": 100, "segment_bytes": 1 << 20,
            "index_bytes": 1 << 20, "index_interval_bytes": 100, "buffer_bytes": 64,
        }  # fmt: skip
        return Job(**(fields | changes))


def run(job: Job) -> tuple[list[Replaced], Finished]:
    outcomes = [step for step in clean(FILES, job) if not isinstance(step, int)]
    *replaced, finished = outcomes
    assert isinstance(finished, Finished)
    return [each for each in replaced if isinstance(each, Replaced)], finished


def left_by(job: Job, replaced: Replaced) -> list[Record]:
    """Records of an output, whose batches, indexes and end are checked."""
    path = cleaned_path(job.directory, replaced.sources[0], ".log", job.id)
    content = Path(path).read_bytes()
    assert len(content) == replaced.size
    rebuilt = index_rebuild.rebuild(FILES, path, replaced.sources[0], replaced.size, job.index_interval_bytes)
    for suffix, index in ((".index", rebuilt.offsets), (".timeindex", rebuilt.times)):
        assert Path(cleaned_path(job.directory, replaced.sources[0], suffix, job.id)).read_bytes() == index
    found: list[Record] = []
    end_offset = -1
    for position, header in batches(content):
        assert crc_is_valid(content, position, header)
        assert header.base_offset >= end_offset
        end_offset = header.last_offset + 1
        found += decode_batch(content[position:])
    (last,) = [each for each in job.segments if each.base_offset == replaced.sources[-1]]
    assert end_offset == last.end_offset, "the output ends before the next segment begins"
    return found


@given(rows=st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["1", "22", None])), min_size=1, max_size=60),
       sizes=st.lists(st.integers(1, 4), min_size=60, max_size=60), keys_max=st.integers(1, 8),
       segment_bytes=st.sampled_from([1, 400, 1 << 20]))  # fmt: skip
def test_cleaned_again_and_again_a_log_is_what_a_plain_table_says(
    tmp_path_factory: pytest.TempPathFactory, rows: Rows, sizes: Sequence[int], keys_max: int, segment_bytes: int
) -> None:
    source = Source(tmp_path_factory.mktemp("log"))
    at = 0
    for size in sizes:
        if some := rows[at : at + size]:
            source.segment(source.rows(*some))
        at += size
    job = source.job(map_bytes=24 * (keys_max + 1), map_load_factor=1.0, segment_bytes=segment_bytes)
    replaced, finished = run(job)
    mapped = {key: offset for offset, (key, _) in enumerate(rows) if offset < finished.end_offset}
    wanted = [offset for offset, (key, _) in enumerate(rows) if offset >= finished.end_offset or mapped[key] == offset]
    covered = [each for replacement in replaced for each in replacement.sources]
    found = [record.offset for replacement in replaced for record in left_by(job, replacement)]
    ranges = [(each.base_offset, each.end_offset) for each in source.segments if each.base_offset in covered]
    assert found == [offset for offset in wanted if any(begin <= offset < end for begin, end in ranges)]
    assert finished.end_offset > job.first_dirty_offset
    untouched = [each for each in source.segments if each.base_offset not in covered]
    for segment in untouched:
        assert all(offset in wanted for offset in range(segment.base_offset, segment.end_offset))


def test_a_committed_transaction_supersedes_what_came_before_also_after_an_aborted_one(tmp_path: Path) -> None:
    source = Source(tmp_path)
    transactional: dict[str, Any] = {"producer_id": 9, "producer_epoch": 0, "is_transactional": True}
    marker = [encode_batch([Record(0, 1000, b"\0\0\0" + bytes([kind]), b"\0" * 6)], base_offset=at, is_control=True,
                           **transactional) for kind, at in ((0, 2), (1, 4))]  # fmt: skip
    source.segment(
        source.rows(("a", "old")), source.rows(("a", "aborted"), at=1, base_sequence=0, **transactional), marker[0],
        source.rows(("a", "committed"), at=3, base_sequence=1, **transactional), marker[1],
    )  # fmt: skip
    Path(path_of(str(tmp_path), 0, ".txnindex")).write_bytes(encode(AbortedTransaction(9, 1, 2, 2)))
    job = source.job(transaction_indexes=(0,))
    (replaced,), _ = run(job)
    assert [each.value for each in left_by(job, replaced) if each.value and len(each.value) != 6] == [b"committed"]


def test_an_aborted_record_does_not_supersede(tmp_path: Path) -> None:
    source = Source(tmp_path)
    transactional: dict[str, Any] = {"producer_id": 9, "producer_epoch": 0, "is_transactional": True}
    source.segment(source.rows(("a", "old")), source.rows(("a", "aborted"), at=1, base_sequence=0, **transactional))
    source.segment(
        encode_batch([Record(0, 1, b"\0\0\0\0", b"\0" * 6)], base_offset=2, is_control=True, **transactional)
    )
    Path(path_of(str(tmp_path), 2, ".txnindex")).write_bytes(encode(AbortedTransaction(9, 1, 2, 2)))
    job = source.job(transaction_indexes=(2,))
    (replaced,), _ = run(job)
    assert [each.value for each in left_by(job, replaced)][:1] == [b"old"]


def test_a_batch_that_expands_to_much_more_than_a_broker_unpacks_is_cleaned(tmp_path: Path) -> None:
    """It was stored unread, before the topic was compacted."""
    source = Source(tmp_path)
    source.segment(source.rows(("a", "0" * (DECOMPRESSED_SIZE_MAX + 1)), ("b", "kept"), codec=ZSTD))
    source.segment(source.rows(("a", "new")))
    job = source.job()
    replaced, finished = run(job)
    assert finished.end_offset == 3
    assert [record.value for record in left_by(job, replaced[0])] == [b"kept", b"new"]


def test_a_segment_in_which_nothing_changes_is_left_alone(tmp_path: Path) -> None:
    source = Source(tmp_path)
    source.segment(source.rows(("a", "1")))
    before = sorted(tmp_path.iterdir())
    assert run(source.job())[0] == []
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("position", [8, 16, 61, 70])
def test_a_damaged_segment_is_not_rewritten(tmp_path: Path, position: int) -> None:
    source = Source(tmp_path)
    source.segment(source.rows(("a", "1"), ("a", "2")))
    path = Path(path_of(str(tmp_path), 0, ".log"))
    content = bytearray(path.read_bytes())
    content[position] ^= 0x55
    path.write_bytes(content)
    with pytest.raises(MalformedBatchError):
        run(source.job())
