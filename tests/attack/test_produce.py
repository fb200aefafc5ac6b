"""Record batches that lie, are damaged, or explode, on topics that look into them and on topics that do not."""

import random
import struct
from contextlib import ExitStack
from functools import cache
from typing import Any

import cramjam
import pytest

from odradek.testing.topics import create_topic
from odradek.wire.record_codec import Record, encode_batch
from odradek.wire.records import HEADER_SIZE, set_crc
from tests.attack.frames import framed, receive
from tests.attack.siege import MIB, Siege, times
from tests.support.requests import request

INT64_MAX = 2**63 - 1
CODECS = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
FIELDS = {
    "length": (8, ">i"),
    "magic": (16, ">b"),
    "crc": (17, ">I"),
    "attributes": (21, ">h"),
    "last_offset_delta": (23, ">i"),
    "base_timestamp": (27, ">q"),
    "max_timestamp": (35, ">q"),
    "producer_id": (43, ">q"),
    "producer_epoch": (51, ">h"),
    "base_sequence": (53, ">i"),
    "count": (57, ">i"),
}
EXTREMES = {">b": (-128, -1, 0, 1, 127), ">h": (-32768, -1, 1, 32767), ">I": (0, 1, 2**32 - 1)}
EXTREMES |= {">i": (-(2**31), -1, 0, 2, 13, 2**31 - 1), ">q": (-(2**63), -2, 2**63 - 1)}


@pytest.fixture(scope="module")
def topics(siege: Siege) -> dict[str, str]:
    """A topic for each way records are looked at."""
    configs = {
        "plain": {},
        "compacted": {"cleanup.policy": "compact"},
        "to-gzip": {"compression.type": "gzip"},
        "to-zstd": {"compression.type": "zstd"},
        "uncompressed": {"compression.type": "uncompressed"},
        "log-append-time": {"message.timestamp.type": "LogAppendTime"},
    }
    return {name: create_topic(siege.broker.bootstrap, name, config=config) for name, config in configs.items()}


def batch(record_count: int = 3, /, **fields: int) -> bytearray:
    """A batch with keys, some of whose header fields say something else; the CRC is right unless it is given."""
    records = [Record(index, 1_700_000_000_000, b"key", b"value", ()) for index in range(record_count)]
    made = bytearray(encode_batch(records))
    for name, value in fields.items():
        position, layout = FIELDS[name]
        struct.pack_into(layout, made, position, value)
    if "crc" not in fields:
        set_crc(made, 0)
    return made


def packed(blob: bytes, codec: int, count: int = 3) -> bytes:
    """A batch with this blob for records."""
    made = batch()[:HEADER_SIZE] + blob
    struct.pack_into(">i", made, 8, len(made) - 12)
    struct.pack_into(">h", made, 21, codec)
    struct.pack_into(">i", made, 57, count)
    struct.pack_into(">i", made, 23, count - 1)
    set_crc(made, 0)
    return bytes(made)


def produce(siege: Siege, topic: str, *batches: bytes | bytearray) -> list[Any]:
    """Each batch in a request of its own, one after the other; the partitions' answers."""
    answers = []
    with siege.connect() as connection:
        for records in batches:
            partition = {"index": 0, "records": bytes(records)}
            entity = request("produce", 9, acks=-1, topic_data=[{"name": topic, "partition_data": [partition]}])
            connection.sendall(framed(entity))
            answers.append(receive(connection, type(entity)).responses[0].partition_responses[0])
    return answers


NAMES = ["plain", "compacted", "to-gzip", "to-zstd", "uncompressed", "log-append-time"]


@pytest.mark.parametrize("topic", NAMES)
def test_batches_that_lie_are_refused_or_harmless(siege: Siege, topics: dict[str, str], topic: str) -> None:
    lies: list[bytes | bytearray] = [
        batch(**{name: value}) for name, (_, layout) in FIELDS.items() for value in EXTREMES[layout]
    ]
    lies += [batch() + batch(), batch()[:-1], batch()[:20], b"", bytes(200), batch() + b"x" * 30]
    with siege.attack(f"lies to {topic}", growth_max=32 * MIB):
        produce(siege, topic, *lies)
        good = produce(siege, topic, batch())[0]
    assert good.error_code.name == "none"


@pytest.mark.parametrize("topic", NAMES)
def test_records_that_are_garbage_are_refused_or_harmless(siege: Siege, topics: dict[str, str], topic: str) -> None:
    source = random.Random(topic)
    garbage = [packed(source.randbytes(source.randrange(200)), codec) for codec in range(8) for _ in range(times(10))]
    varints = [b"\xff" * 200, b"\x80" * 200, b"\xff\xff\xff\xff\x0f" * 20, b"\xfe\xff\xff\xff\x0f" + bytes(50)]
    garbage += [packed(blob, 0, count) for blob in varints for count in (1, 3, 2**31 - 1)]
    with siege.attack(f"garbage to {topic}", growth_max=32 * MIB):
        produce(siege, topic, *garbage)
        good = produce(siege, topic, batch())[0]
    assert good.error_code.name == "none"


@cache
def bomb(codec: str) -> bytes:
    """A batch within message.max.bytes whose records expand as far as the codec allows."""
    size = {"gzip": 300, "snappy": 20, "lz4": 200, "zstd": 2000}[codec] * MIB
    block = bytes(MIB)
    if codec == "snappy":
        blob = bytes(cramjam.snappy.compress_raw(bytes(size)))
    else:
        compressor = {"gzip": cramjam.gzip, "lz4": cramjam.lz4, "zstd": cramjam.zstd}[codec].Compressor()
        for _ in range(size // MIB):
            compressor.compress(block)
        blob = bytes(compressor.finish())
    return packed(blob, CODECS[codec])


BOMB_GROWTH = 8 * 32 * MIB
"""What one blob may expand to, the buffer before it was doubled, its copy, and what the allocator keeps of these."""


@pytest.mark.parametrize("codec", ["lz4", "snappy", "zstd"])
@pytest.mark.parametrize("topic", ["compacted", "to-gzip"])
def test_a_few_bytes_that_hold_gigabytes_are_refused(
    siege: Siege, topics: dict[str, str], topic: str, codec: str
) -> None:
    exploding = bomb(codec)
    partition = {"index": 0, "records": exploding}
    entity = request("produce", 9, acks=-1, topic_data=[{"name": topic, "partition_data": [partition]}])
    name = f"eight {codec} bombs of {len(exploding) >> 10} KiB to {topic}"
    with siege.attack(name, growth_max=BOMB_GROWTH), ExitStack() as stack:
        connections = [stack.enter_context(siege.connect()) for _ in range(8)]
        for connection in connections:
            connection.sendall(framed(entity))
        for connection in connections:
            receive(connection, type(entity))
