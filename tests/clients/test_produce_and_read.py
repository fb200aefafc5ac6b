"""What one client wrote, itself and every other client reads back exactly."""

from collections.abc import Callable

import pytest

from tests.clients.absent import libraries_with
from tests.clients.vocabulary import Client, Headers, Received, Sent, Writing
from tests.clients.writers import write_all

RECORDS = [
    Sent(b"plain"),
    Sent(b"keyed", key=b"k"),
    Sent(None, key=b"tombstone"),
    Sent(b"", key=b""),
    Sent(b"with headers", headers=(("a", b"1"), ("a", b"2"), ("empty", b""))),
    Sent(b"x" * 50_000, key=b"large"),
    Sent(b"long ago", timestamp_ms=1_500_000_000_000),
]
COMPRESSIONS = ("none", "gzip", "snappy", "lz4", "zstd")


def content(record: Sent | Received) -> tuple[bytes | None, bytes | None, Headers]:
    return record.key, record.value, record.headers


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_records_come_back_as_they_were_sent_with_every_compression(
    client: Client, new_topic: Callable[..., str], compression: str
) -> None:
    topic = new_topic()
    offsets = client.produce(topic, RECORDS, compression=compression)
    records = client.read(topic, 0, count=len(RECORDS))
    assert offsets == list(range(len(RECORDS)))
    assert [content(record) for record in records] == [content(record) for record in RECORDS]
    assert [record.offset for record in records] == offsets
    assert records[-1].timestamp_ms == 1_500_000_000_000


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_client_reads_what_another_wrote(
    clients: dict[str, Client], new_topic: Callable[..., str], compression: str
) -> None:
    topic = new_topic()
    for writer in clients.values():
        writer.produce(topic, RECORDS, compression=compression)
    expected = [content(record) for record in RECORDS] * len(clients)
    for reader in clients.values():
        assert [content(record) for record in reader.read(topic, 0, count=len(expected))] == expected


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd", "uncompressed"])
def test_a_topic_that_names_a_compression_recompresses_what_it_is_sent(
    client: Client, new_topic: Callable[..., str], codec: str
) -> None:
    topic = new_topic(compression_type=codec)
    for compression in COMPRESSIONS:
        client.produce(topic, RECORDS, compression=compression)
    records = client.read(topic, 0, count=len(RECORDS) * len(COMPRESSIONS))
    assert [content(record) for record in records] == [content(record) for record in RECORDS] * len(COMPRESSIONS)


@pytest.mark.parametrize("client", libraries_with("record without key and value"), indirect=True)
def test_every_client_reads_a_record_of_nothing(
    client: Client, clients: dict[str, Client], new_topic: Callable[..., str]
) -> None:
    topic = new_topic()
    client.produce(topic, [Sent(None), Sent(b"after")])
    for reader in clients.values():
        records = reader.read(topic, 0, count=2)
        assert [content(record) for record in records] == [(None, None, ()), (None, b"after", ())]


@pytest.mark.parametrize("client", libraries_with("header without a value"), indirect=True)
def test_every_client_reads_a_header_without_a_value(
    client: Client, clients: dict[str, Client], new_topic: Callable[..., str]
) -> None:
    topic, headers = new_topic(), (("none", None), ("empty", b""))
    client.produce(topic, [Sent(b"x", headers=headers)])
    for reader in clients.values():
        (record,) = reader.read(topic, 0, count=1)
        assert record.headers == headers


LEVELS = [("gzip", 1), ("gzip", 9), ("lz4", 1), ("lz4", 12), ("zstd", 1), ("zstd", 12)]


@pytest.mark.parametrize("client", libraries_with("compression level"), indirect=True)
@pytest.mark.parametrize(("codec", "level"), LEVELS)
def test_every_client_reads_what_was_compressed_at_some_level(
    client: Client, clients: dict[str, Client], new_topic: Callable[..., str], codec: str, level: int
) -> None:
    topic = new_topic()
    write_all(client.writer(Writing(codec, level)), topic, RECORDS)
    for reader in clients.values():
        records = reader.read(topic, 0, count=len(RECORDS))
        assert [content(record) for record in records] == [content(record) for record in RECORDS]


@pytest.mark.parametrize(("codec", "level"), LEVELS)
def test_a_topic_recompresses_at_the_level_it_names(
    client: Client, new_topic: Callable[..., str], codec: str, level: int
) -> None:
    topic = new_topic(compression_type=codec, **{f"compression_{codec}_level": str(level)})
    client.produce(topic, RECORDS, compression="snappy")
    records = client.read(topic, 0, count=len(RECORDS))
    assert [content(record) for record in records] == [content(record) for record in RECORDS]


def test_an_idempotent_producer_writes_each_record_once_and_in_order(
    client: Client, new_topic: Callable[..., str]
) -> None:
    topic = new_topic(partitions=3)
    sent = [Sent(b"%d" % number, partition=number % 3) for number in range(3000)]
    client.produce(topic, sent, idempotent=True)
    for partition in range(3):
        records = client.read(topic, partition, count=1000)
        assert [record.value for record in records] == [record.value for record in sent[partition::3]]


def test_reading_can_begin_anywhere(client: Client, new_topic: Callable[..., str]) -> None:
    topic = new_topic()
    client.produce(topic, [Sent(b"%d" % number) for number in range(100)])
    assert [record.value for record in client.read(topic, 0, offset=97, count=3)] == [b"97", b"98", b"99"]


def test_a_time_leads_to_the_first_record_at_or_after_it(client: Client, new_topic: Callable[..., str]) -> None:
    topic = new_topic()
    start = 1_600_000_000_000
    for number in range(10):
        client.produce(topic, [Sent(b"x", timestamp_ms=start + number * 1000)])
    assert client.offset_for_time(topic, 0, start) == 0
    assert client.offset_for_time(topic, 0, start + 4001) == 5
    assert client.offset_for_time(topic, 0, start + 9000) == 9
    assert client.offset_for_time(topic, 0, start + 9001) is None


def test_log_append_time_replaces_the_producers_clock(client: Client, new_topic: Callable[..., str]) -> None:
    topic = new_topic(message_timestamp_type="LogAppendTime")
    client.produce(topic, [Sent(b"x", timestamp_ms=1_500_000_000_000)])
    (record,) = client.read(topic, 0, count=1)
    assert record.timestamp_ms > 1_700_000_000_000
