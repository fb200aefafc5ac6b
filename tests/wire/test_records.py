import crc32c
import pytest

from odradek.wire.errors import InvalidBatchError, UnsupportedMagicError
from odradek.wire.record_codec import Record, decode_batch, encode_batch
from odradek.wire.records import (
    HEADER_SIZE,
    MAGIC_OFFSET,
    batches,
    crc_is_valid,
    read_header,
    set_base_offset,
    set_crc,
    set_log_append_time,
)


def batch(count: int = 3, **options: int | bool) -> bytearray:
    records = [Record(0, 1000 + i, b"k%d" % i, b"v%d" % i) for i in range(count)]
    return bytearray(encode_batch(records, **options))  # type: ignore[arg-type]


def test_a_header_says_what_is_in_the_batch() -> None:
    header = read_header(batch(producer_id=7, producer_epoch=2, base_sequence=5, codec=4, is_transactional=True))
    assert (header.base_offset, header.last_offset, header.count) == (0, 2, 3)
    assert (header.base_timestamp, header.max_timestamp) == (1000, 1002)
    assert (header.producer_id, header.producer_epoch, header.base_sequence, header.last_sequence) == (7, 2, 5, 7)
    assert (header.compression, header.is_transactional, header.is_control) == (4, True, False)
    assert header.size == len(batch(producer_id=7, producer_epoch=2, base_sequence=5, codec=4))


def test_sequences_wrap_to_zero() -> None:
    assert read_header(batch(producer_id=1, producer_epoch=0, base_sequence=2**31 - 1)).last_sequence == 1


def test_batches_of_a_log_are_walked_and_an_incomplete_one_is_left_out() -> None:
    first, second = batch(1), batch(2)
    whole = bytes(first + second + batch(3)[:-1])
    assert [(position, header.count) for position, header in batches(whole)] == [(0, 1), (len(first), 2)]
    assert [header.count for _, header in batches(whole, len(first))] == [2]


def test_an_impossible_length_is_refused() -> None:
    content = batch()
    content[8:12] = (13).to_bytes(4, "big")
    with pytest.raises(InvalidBatchError, match="13"):
        list(batches(content))


def test_another_format_is_refused() -> None:
    content = batch()
    content[MAGIC_OFFSET] = 1
    with pytest.raises(UnsupportedMagicError, match="1"):
        list(batches(content))


def test_fewer_bytes_than_a_header_are_no_batch() -> None:
    with pytest.raises(InvalidBatchError):
        read_header(batch()[: HEADER_SIZE - 1])


def test_offset_and_epoch_are_set_without_touching_what_the_crc_covers() -> None:
    content = batch()
    set_base_offset(content, 0, 1 << 40, 9)
    header = read_header(content)
    assert (header.base_offset, header.leader_epoch) == (1 << 40, 9)
    assert crc_is_valid(content, 0, header)
    assert [record.offset for record in decode_batch(content)] == [(1 << 40) + i for i in range(3)]


def test_any_changed_byte_after_the_crc_is_found() -> None:
    for position in range(21, len(batch())):
        content = batch()
        content[position] ^= 1
        assert not crc_is_valid(content, 0, read_header(content))


def test_log_append_time_counts_for_every_record() -> None:
    content = bytearray(b"before") + batch()
    set_log_append_time(content, 6, 5000)
    header = read_header(content, 6)
    assert (header.is_log_append_time, header.max_timestamp, header.base_timestamp) == (True, 5000, 1000)
    assert crc_is_valid(content, 6, header)
    assert {record.timestamp for record in decode_batch(content[6:])} == {5000}


def test_the_crc_covers_all_from_the_attributes_on() -> None:
    content = batch()
    content[-1] ^= 1
    set_crc(content, 0)
    assert read_header(content).crc == crc32c.crc32c(bytes(content[21:]))
