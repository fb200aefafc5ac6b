import gzip
from contextlib import suppress

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from odradek.wire import compression
from odradek.wire.errors import InvalidBatchError
from odradek.wire.record_codec import Record, decode_batch, encode_batch
from odradek.wire.records import HEADER_SIZE

CODECS = range(5)
contents = st.none() | st.binary(max_size=30)
record_lists = st.lists(
    st.builds(
        Record,
        st.just(0),
        st.integers(-1, 2**41),
        contents,
        contents,
        st.lists(st.tuples(st.text(max_size=5), contents), max_size=3).map(tuple),
    ),
    min_size=1,
    max_size=8,
)


@given(record_lists, st.sampled_from(CODECS), st.integers(0, 2**40))
def test_records_come_back_as_they_were(records: list[Record], codec: int, base_offset: int) -> None:
    decoded = decode_batch(encode_batch(records, base_offset=base_offset, codec=codec))
    assert decoded == [record._replace(offset=base_offset + i) for i, record in enumerate(records)]


def test_records_of_a_compacted_batch_keep_their_offsets() -> None:
    records = [Record(10, 1, b"a", b""), Record(15, 1, b"b", b""), Record(16, 1, b"c", b"")]
    assert decode_batch(encode_batch(records, base_offset=10, keep_offsets=True)) == records


@pytest.mark.parametrize("codec", CODECS)
def test_another_implementation_reads_what_is_written(codec: int) -> None:
    records = [Record(0, 1000 + i, b"key", b"value" * 5000, (("header", b"x"),)) for i in range(20)]
    batch = DefaultRecordBatch(encode_batch(records, codec=codec))
    assert batch.validate_crc()
    found = [Record(r.offset, r.timestamp, r.key, r.value, tuple(r.headers)) for r in batch]
    assert found == [record._replace(offset=i) for i, record in enumerate(records)]


@pytest.mark.parametrize("codec", CODECS)
def test_what_another_implementation_writes_is_read(codec: int) -> None:
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=codec, is_transactional=False, producer_id=-1, producer_epoch=-1, base_sequence=-1,
        batch_size=10**6,
    )  # fmt: skip
    for i in range(20):
        builder.append(i, timestamp=1000 + i, key=b"key", value=b"value" * 5000, headers=[("header", b"x")])
    expected = [Record(i, 1000 + i, b"key", b"value" * 5000, (("header", b"x"),)) for i in range(20)]
    assert decode_batch(bytes(builder.build())) == expected


@pytest.mark.parametrize("count", [2, 4, 0, -1, 2**31 - 1])
def test_a_count_that_is_not_that_of_the_records_is_refused(count: int) -> None:
    batch = bytearray(encode_batch([Record(0, 1, b"k", b"v")] * 3))
    batch[HEADER_SIZE - 4 : HEADER_SIZE] = count.to_bytes(4, "big", signed=True)
    with pytest.raises(InvalidBatchError):
        decode_batch(batch)


@pytest.mark.parametrize("codec", [compression.GZIP, compression.SNAPPY, compression.LZ4, compression.ZSTD])
def test_a_blob_that_expands_beyond_the_bound_is_refused(codec: int) -> None:
    blob = compression.compress(codec, bytes(1 << 20))
    assert len(compression.decompress(codec, blob, 1 << 20)) == 1 << 20
    with pytest.raises(InvalidBatchError, match="more than") as refused:
        compression.decompress(codec, blob, (1 << 20) - 1)
    assert "corrupt" not in str(refused.value)


@pytest.mark.parametrize("codec", [compression.GZIP, compression.SNAPPY, compression.LZ4, compression.ZSTD])
def test_a_blob_that_was_cut_is_refused(codec: int) -> None:
    blob = compression.compress(codec, b"some bytes" * 100)
    with pytest.raises(InvalidBatchError):
        compression.decompress(codec, blob[:-3])


def test_snappy_without_framing_is_read() -> None:
    plain = bytes(cramjam.snappy.compress_raw(b"abc" * 100))
    assert bytes(compression.decompress(compression.SNAPPY, plain)) == b"abc" * 100


def test_lz4_blocks_are_independent_as_java_needs_them() -> None:
    assert compression.compress(compression.LZ4, b"x" * 200_000)[4] & 0x20


def test_the_level_counts() -> None:
    blob = b"".join(b"some text %d and the same again, " % (i % 37) for i in range(5000))
    fast, small = (compression.compress(compression.GZIP, blob, level) for level in (1, 9))
    assert len(small) < len(fast)
    assert gzip.decompress(small) == blob


@pytest.mark.parametrize("codec", [5, 6, 7])
def test_unknown_codecs_are_refused(codec: int) -> None:
    with pytest.raises(InvalidBatchError, match="unknown"):
        compression.compress(codec, b"x")
    with pytest.raises(InvalidBatchError, match="unknown"):
        compression.decompress(codec, b"x")


@given(st.integers(0, 7), st.binary(max_size=300), st.booleans())
def test_any_bytes_are_decompressed_or_refused(codec: int, content: bytes, is_framed: bool) -> None:
    blob = b"\x82SNAPPY\x00" + bytes(8) + content if is_framed and codec == compression.SNAPPY else content
    with suppress(InvalidBatchError):
        assert len(compression.decompress(codec, blob, 1 << 20)) <= 1 << 20


@given(st.integers(1, 4), st.binary(max_size=200), st.integers(0, 300), st.integers(0, 255))
def test_a_blob_with_a_byte_changed_is_decompressed_or_refused(
    codec: int, content: bytes, position: int, value: int
) -> None:
    blob = bytearray(compression.compress(codec, content))
    blob[position % len(blob)] = value
    with suppress(InvalidBatchError):
        assert len(compression.decompress(codec, bytes(blob), 1 << 20)) <= 1 << 20
