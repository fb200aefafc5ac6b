"""The short way for requests of one batch is held to `wire.produce`, which knows all there is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.wire.errors import MalformedRequestError
from odradek.wire.frame import read_request_header
from odradek.wire.plain_produce import HEAD_BYTES_MAX, read_plain
from odradek.wire.produce import PartitionResponse, TopicKey, read_request, write_response
from tests.wire.test_produce import kio_request, topic_key

VERSIONS = range(7, 14)
PLAIN: list[tuple[str, dict[int, bytes | None]]] = [("some topic", {3: b"the records"})]
NULL_CLIENT_ID = b"\xff\xff"


def read(content: bytes) -> tuple[TopicKey, int, int, int, bytes] | None:
    """What a request says when it is plain: topic, acks, correlation id, partition, records."""
    plain = read_plain(memoryview(content), 0, len(content))
    if plain is None:
        return None
    head, correlation_id, index, records = plain
    return head.topic, head.acks, correlation_id, index, bytes(records)


def read_at_length(content: bytes) -> tuple[TopicKey, int, int, int, bytes]:
    """The same by the codec that reads every request."""
    header = read_request_header(memoryview(content), 0, len(content))
    request = read_request(memoryview(content), header.body, len(content), header.version)
    assert request.transactional_id is None
    ((topic, ((index, records),)),) = request.topics
    assert records is not None
    return topic, request.acks, header.correlation_id, index, bytes(records)


def with_client_id(content: bytes, client_id: bytes) -> bytes:
    """Another one than kio's "client", with its size."""
    return content[:8] + client_id + content[16:]


@pytest.mark.parametrize("version", VERSIONS)
def test_one_batch_for_one_partition_is_plain(version: int) -> None:
    content = kio_request(version, PLAIN, None)
    assert read(content) == (topic_key(version), -1, 7, 3, b"the records")
    assert read(with_client_id(content, NULL_CLIENT_ID)) == read(content)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_next_one_may_have_other_records_for_another_partition(version: int) -> None:
    for index, records in ((3, b"the records"), (70_000, b"r" * 300), (0, b"r" * 20_000)):
        content = kio_request(version, [("some topic", {index: records})], None)
        assert read(content) == read_at_length(content)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("topics", "transactional_id"),
    [
        (PLAIN, "tx"),
        ([("some topic", {3: None})], None),
        ([("some topic", {3: b"records", 4: b"records"})], None),
        ([("some topic", {3: b"records"}), ("other", {3: b"records"})], None),
        ([("some topic", {})], None),
        ([], None),
    ],
    ids=["transactional", "null", "two partitions", "two topics", "no partitions", "no topics"],
)
def test_anything_else_is_not(
    version: int, topics: list[tuple[str, dict[int, bytes | None]]], transactional_id: str | None
) -> None:
    assert read(kio_request(version, topics, transactional_id)) is None


@pytest.mark.parametrize("version", range(3, 7))
def test_old_versions_are_not_plain(version: int) -> None:
    assert read(kio_request(version, PLAIN, None)) is None


@pytest.mark.parametrize("version", VERSIONS)
def test_clients_cannot_make_it_remember_much(version: int) -> None:
    content = kio_request(version, PLAIN, None)
    long = with_client_id(content, HEAD_BYTES_MAX.to_bytes(2, "big") + b"c" * HEAD_BYTES_MAX)
    assert read_at_length(long) == read(content)
    assert read(long) is None


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_id_or_topic_that_is_no_text_is_not_plain(version: int) -> None:
    content = kio_request(version, PLAIN, None)
    assert read(with_client_id(content, b"\0\1\xff")) is None
    assert version >= 13 or read(content.replace(b"some", b"som\xff")) is None


@pytest.mark.parametrize("version", VERSIONS)
def test_records_are_a_view_of_what_was_received(version: int) -> None:
    content = bytearray(kio_request(version, PLAIN, None))
    plain = read_plain(memoryview(content), 0, len(content))
    assert plain is not None
    plain[3][0:1] = b"T"
    assert b"The records" in content


@given(st.sampled_from(VERSIONS), st.integers(0, 400), st.integers(0, 255), st.integers(0, 400))
def test_what_is_read_as_plain_says_the_same_at_length(version: int, position: int, value: int, cut: int) -> None:
    content = bytearray(kio_request(version, PLAIN, None))
    content[position % len(content)] = value
    del content[len(content) - cut % 4 :]
    try:
        found = read(bytes(content))
    except MalformedRequestError:
        return
    assert found is None or int.from_bytes(content[:2], "big") or found == read_at_length(bytes(content))


@given(st.sampled_from(VERSIONS), st.binary(max_size=120))
def test_any_bytes_are_plain_or_not_or_malformed(version: int, content: bytes) -> None:
    start = b"\0\0" + version.to_bytes(2, "big") + b"\0\0\0\1\0\1c"
    try:
        found = read(start + content)
    except MalformedRequestError:
        return
    assert found is None or found == read_at_length(start + content)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_response_is_the_one_written_at_length(version: int) -> None:
    content = kio_request(version, [("some topic", {5: b"the records"})], None)
    plain = read_plain(memoryview(content), 0, len(content))
    assert plain is not None
    answer = PartitionResponse(5, 0, 1000, 99, 17)
    assert plain[0].response(42, 5, 1000, 99, 17) == write_response(version, 42, [(topic_key(version), [answer])])
