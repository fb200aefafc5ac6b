"""The requests that measure are read by the broker's own codecs as what they are meant to be."""

from itertools import islice
from struct import unpack_from
from typing import Any

from odradek.benchmark import frames
from odradek.wire import fetch, messages, produce
from odradek.wire.frame import RequestHeader, read_request_header
from odradek.wire.record_codec import decode_batch


def header_of(frame: bytes) -> RequestHeader:
    (size,) = unpack_from(">i", frame)
    assert size == len(frame) - 4
    header = read_request_header(memoryview(frame), 4, len(frame))
    assert header.client_id == frames.CLIENT_ID.decode()
    return header


def test_a_produce_request_carries_its_batch() -> None:
    batch = frames.batch_of(3, b"v" * 100, 1_700_000_000_000)
    frame = frames.produce("some-topic", 7, batch, acks=-1)
    header = header_of(frame)
    request = produce.read_request(memoryview(frame), header.body, len(frame), header.version)
    [(topic, [data])] = request.topics
    assert (topic, data.partition, request.acks) == ("some-topic", 7, -1)
    assert bytes(data.records or b"") == batch
    assert [record.value for record in decode_batch(batch)] == [b"v" * 100] * 3


def test_one_frame_goes_to_each_place_in_turn() -> None:
    places = [("topic-a", 0), ("topic-a", 1), ("topic-b", 70_000)]
    seen = []
    for frame in islice(frames.produce_to(places, frames.batch_of(1, b"v", 0)), 4):
        header = header_of(bytes(frame))
        [(topic, [data])] = produce.read_request(memoryview(frame), header.body, len(frame), header.version).topics
        seen.append((topic, data.partition))
    assert seen == [*places, places[0]]


def test_batches_take_keys() -> None:
    batch = frames.batch_of(2, b"v", 0, [b"a", b"b"])
    assert [record.key for record in decode_batch(batch)] == [b"a", b"b"]


def test_a_fetch_request_asks_for_one_partition() -> None:
    frame = frames.fetch("some-topic", 2, 99, 1 << 20, max_wait_ms=250)
    header = header_of(frame)
    request = fetch.read_request(memoryview(frame), header.body, len(frame), header.version)
    [(topic, [partition])] = request.topics
    assert (topic, partition.partition, partition.fetch_offset, partition.max_bytes) == ("some-topic", 2, 99, 1 << 20)
    assert (request.max_wait_ms, request.min_bytes, request.session_epoch) == (250, 1, -1)


def test_a_produce_response_is_read() -> None:
    response = produce.write_response(8, 1, [("some-topic", [produce.PartitionResponse(0, 3, 42)])])
    assert frames.produced(response[4:], "some-topic") == (3, 42)


def test_the_batches_of_a_fetch_response_are_found() -> None:
    batches = frames.batch_of(2, b"a", 0) + frames.batch_of(5, b"b", 0)
    cut = batches + batches[:60]
    layout = fetch.Layout(11, 1, 0, 0, 1)
    layout.add_topic("some-topic", 1)
    position = layout.add_partition(fetch.PartitionResult(0, 0, 7, 7, 0), len(cut))
    parts = layout.finish()
    frame = bytearray(layout.size + 4)
    fetch.assemble(parts, memoryview(frame))
    frame[position : position + len(cut)] = cut
    response = memoryview(frame)[4:]
    found = frames.fetched(response, "some-topic")
    assert (found.error_code, found.end - found.start) == (0, len(cut))
    assert [count for _, count, _ in frames.whole_batches(response, found.start, found.end)] == [2, 5]


def test_admin_requests_are_read_by_the_adapter() -> None:
    def read(frame: bytes) -> Any:
        header = header_of(frame)
        return messages.read_body(header.api_key, header.version, memoryview(frame), header.body, len(frame))

    created = read(frames.create_topic("some-topic", 1000, {"flush.messages": "1"}))
    [topic] = created.topics
    assert (topic.name, topic.num_partitions, topic.replication_factor) == ("some-topic", 1000, -1)
    assert [(config.name, config.value) for config in topic.configs] == [("flush.messages", "1")]
    assert read(frames.delete_topic("some-topic")).topic_names == ("some-topic",)
    [copied] = read(frames.create_topic("some-topic", 1, {}, replication_factor=3)).topics
    assert copied.replication_factor == 3
    wanted = read(frames.metadata("some-topic", creates=True))
    assert ([each.name for each in wanted.topics], wanted.allow_auto_topic_creation) == (["some-topic"], True)
    [listed] = read(frames.list_offsets("some-topic", [0, 5])).topics
    assert [each.partition_index for each in listed.partitions] == [0, 5]
