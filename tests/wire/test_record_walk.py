"""Walking over records finds what decoding them finds, and refuses what it refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.wire.errors import InvalidBatchError
from odradek.wire.record_codec import Record, decode_batch, encode_batch
from odradek.wire.record_walk import RecordFacts, walk_records
from odradek.wire.records import HEADER_SIZE, set_crc

BYTES = st.none() | st.binary(max_size=20)
RECORDS = st.lists(
    st.builds(
        Record,
        st.just(0),
        st.integers(0, 2**40),
        BYTES,
        BYTES,
        st.lists(st.tuples(st.text(max_size=5), BYTES), max_size=3).map(tuple),
    ),
    min_size=1,
    max_size=5,
)


def walked(batch: bytes) -> list[RecordFacts] | None:
    """None when it is refused."""
    try:
        return list(walk_records(batch))
    except InvalidBatchError:
        return None


def decoded(batch: bytes) -> list[RecordFacts] | None:
    try:
        return [RecordFacts(each.timestamp, each.key is not None) for each in decode_batch(batch)]
    except InvalidBatchError:
        return None


@given(RECORDS, st.integers(0, 4))
def test_walking_finds_what_decoding_finds(records: list[Record], codec: int) -> None:
    batch = encode_batch(records, codec=codec)
    assert walked(batch) == [RecordFacts(each.timestamp, each.key is not None) for each in records]


@given(RECORDS, st.data())
def test_walking_refuses_what_decoding_refuses(records: list[Record], data: st.DataObject) -> None:
    batch = bytearray(encode_batch(records))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(HEADER_SIZE - 4, len(batch) - 1))
        batch[position] = data.draw(st.integers(0, 255))
    set_crc(batch, 0)
    assert walked(bytes(batch)) == decoded(bytes(batch))


@given(st.binary(max_size=200))
def test_any_bytes_are_walked_or_refused(content: bytes) -> None:
    assert walked(content) == decoded(content)


def test_a_count_that_bytes_cannot_hold_is_refused() -> None:
    batch = bytearray(encode_batch([Record(0, 1, b"k", b"v")]))
    batch[57:61] = (2**31 - 1).to_bytes(4, "big")
    with pytest.raises(InvalidBatchError, match="do not fit"):
        list(walk_records(batch))
