"""Produce, Fetch, ListOffsets and what else reads or writes logs."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode

from odradek.wire.record_codec import decode_batch
from tests.golden.case import SESSION_ID, START_MS, TOPIC_ID, Case, Place, Values, batch, make_topic
from tests.golden.frames import build
from tests.support.wire_client import WireClient, schema

NO_TIME = timedelta(0)
NOBODY = {"leader_id": -1, "leader_epoch": -1}
PRODUCER_ID = 4_000_000_000
PRODUCER_EPOCH = 3


async def two_empty_partitions(client: WireClient, place: Place) -> None:
    await make_topic(client, place, partitions=2)


async def two_partitions(client: WireClient, place: Place) -> None:
    await make_topic(client, place, partitions=2, records=batch())


def holding(*values: bytes) -> Callable[[Any], bool]:
    """Expects record data with exactly these values."""

    def holds(records: Any) -> bool:
        return [record.value for record in decode_batch(memoryview(bytes(records)))] == list(values)

    return holds


# Produce


def produce(place: Place) -> Values:
    parts = [{"index": index, "records": batch(count)} for index, count in ((0, 3), (1, 2))]
    topic = {"name": place.name, "topic_id": TOPIC_ID, "partition_data": parts}
    return {"transactional_id": None, "acks": -1, "timeout": timedelta(seconds=15), "topic_data": [topic]}


def produced(place: Place) -> Values:
    part: Values = {
        "error_code": ErrorCode.none, "base_offset": 0, "log_append_time": None, "log_start_offset": 0,
        "record_errors": [], "error_message": None, "current_leader": NOBODY,
    }  # fmt: skip
    topic = {
        "name": place.name, "topic_id": place.topic_id,
        "partition_responses": [{"index": index, **part} for index in (0, 1)],
    }  # fmt: skip
    return {"responses": [topic], "throttle_time": NO_TIME, "node_endpoints": []}


async def records_are_there(client: WireClient, place: Place) -> None:
    for partition, count in ((0, 3), (1, 2)):
        fetched = await client.fetch(place.name, partition, 0)
        assert holding(*(b"value-%d" % index for index in range(count)))(fetched.records)


# Fetch


def fetch_fields(topics: list[Values], forgotten: list[Values], session_id: int, session_epoch: int) -> Values:
    return {
        "replica_id": -1, "cluster_id": None, "replica_state": {"replica_id": -1, "replica_epoch": -1},
        "max_wait": timedelta(milliseconds=500), "min_bytes": 10, "max_bytes": 1_000_000, "isolation_level": 1,
        "session_id": session_id, "session_epoch": session_epoch, "rack_id": "rack-1", "topics": topics,
        "forgotten_topics_data": forgotten,
    }  # fmt: skip


def fetch_partition(partition: int, offset: int) -> Values:
    return {
        "partition": partition, "fetch_offset": offset, "partition_max_bytes": 500_000, "log_start_offset": -1,
        "current_leader_epoch": 0, "last_fetched_epoch": 0, "replica_directory_id": None,
        "high_watermark": 2**63 - 1,
    }  # fmt: skip


def topic_fields(place: Place, **more: Any) -> Values:
    return {"topic": place.name, "topic_id": TOPIC_ID, **more}


def fetch(place: Place) -> Values:
    partitions = [fetch_partition(0, 0), fetch_partition(1, 3)]
    return fetch_fields([topic_fields(place, partitions=partitions)], [], 0, 0)


def fetched_partition(partition: int, records: Any) -> Values:
    return {
        "partition_index": partition, "error_code": ErrorCode.none, "high_watermark": 3, "last_stable_offset": 3,
        "log_start_offset": 0, "aborted_transactions": lambda aborted: not aborted, "preferred_read_replica": -1,
        "diverging_epoch": {"epoch": -1, "end_offset": -1}, "current_leader": NOBODY,
        "snapshot_id": {"end_offset": -1, "epoch": -1}, "records": records,
    }  # fmt: skip


def fetched_fields(place: Place, partitions: list[Values], session_id: Any) -> Values:
    topic = {"topic": place.name, "topic_id": place.topic_id, "partitions": partitions}
    return {
        "throttle_time": NO_TIME, "error_code": ErrorCode.none, "session_id": session_id, "responses": [topic],
        "node_endpoints": [],
    }  # fmt: skip


def fetched(place: Place) -> Values:
    first = fetched_partition(0, holding(b"value-0", b"value-1", b"value-2"))
    second = fetched_partition(1, lambda records: not records)
    return fetched_fields(place, [first, second], lambda session_id: session_id > 0)


async def session(client: WireClient, place: Place) -> None:
    """A session, in the version of the case, that has read both partitions to their ends."""
    await two_partitions(client, place)
    partitions = [fetch_partition(index, 3) for index in (0, 1)]
    topic = {"topic": place.name, "topic_id": place.topic_id, "partitions": partitions}
    values = {**fetch_fields([topic], [], 0, 0), "max_wait": NO_TIME, "min_bytes": 0}
    api = schema("fetch", place.version)
    opened = await client.request(build(api, api.FetchRequest, values))
    assert opened.error_code is ErrorCode.none
    place.session_id = opened.session_id


def fetch_incrementally(place: Place) -> Values:
    topics = [topic_fields(place, partitions=[fetch_partition(1, 0)])]
    return fetch_fields(topics, [topic_fields(place, partitions=[0])], SESSION_ID, 1)


def fetched_incrementally(place: Place) -> Values:
    changed = fetched_partition(1, holding(b"value-0", b"value-1", b"value-2"))
    return fetched_fields(place, [changed], place.session_id)


# ListOffsets

LATEST, EARLIEST, MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED, EARLIEST_PENDING_UPLOAD = range(-1, -7, -1)
FOUND = (
    (1, START_MS + 500, START_MS + 1000, 1, 0),
    (1, LATEST, -1, 3, 0),
    (1, EARLIEST, -1, 0, 0),
    (7, MAX_TIMESTAMP, START_MS + 2000, 2, 0),
    (8, EARLIEST_LOCAL, -1, 0, 0),
    (9, LATEST_TIERED, -1, -1, -1),
    (11, EARLIEST_PENDING_UPLOAD, -1, -1, -1),
)
"""First version, time asked for, and what is found: timestamp, offset, leader epoch. One partition for each."""


def times(place: Place) -> list[tuple[int, tuple[int, int, int, int]]]:
    """What this version can ask for, by partition."""
    return list(enumerate(each[1:] for each in FOUND if place.version >= each[0]))


async def partition_for_each_time(client: WireClient, place: Place) -> None:
    await make_topic(client, place, partitions=len(times(place)), records=batch())


def list_offsets(place: Place) -> Values:
    partitions = [
        {"partition_index": index, "current_leader_epoch": 0, "timestamp": asked} for index, (asked, *_) in times(place)
    ]
    return {
        "replica_id": -1, "isolation_level": 1, "timeout": timedelta(seconds=15),
        "topics": [{"name": place.name, "partitions": partitions}],
    }  # fmt: skip


def listed_offsets(place: Place) -> Values:
    partitions = [
        {
            "partition_index": index, "error_code": ErrorCode.none, "timestamp": timestamp, "offset": offset,
            "leader_epoch": epoch,
        }
        for index, (_, timestamp, offset, epoch) in times(place)
    ]  # fmt: skip
    return {"throttle_time": NO_TIME, "topics": [{"name": place.name, "partitions": partitions}]}


# OffsetForLeaderEpoch, InitProducerId, DescribeProducers, DeleteRecords


def end_of_epoch(place: Place) -> Values:
    partitions = [{"partition": index, "current_leader_epoch": 0, "leader_epoch": 0} for index in (1, 0)]
    return {"replica_id": -1, "topics": [{"topic": place.name, "partitions": partitions}]}


def found_end_of_epoch(place: Place) -> Values:
    partitions = [
        {"error_code": ErrorCode.none, "partition": index, "leader_epoch": 0, "end_offset": 3} for index in (1, 0)
    ]
    return {"throttle_time": NO_TIME, "topics": [{"topic": place.name, "partitions": partitions}]}


def init_producer_id(_: Place) -> Values:
    return {
        "transactional_id": None, "transaction_timeout": timedelta(seconds=30), "producer_id": PRODUCER_ID,
        "producer_epoch": PRODUCER_EPOCH,
    }  # fmt: skip


def initialised_producer(_: Place) -> Values:
    return {
        "throttle_time": NO_TIME, "error_code": ErrorCode.none, "producer_epoch": 0,
        "producer_id": lambda producer_id: producer_id >= 0 and producer_id != PRODUCER_ID,
    }  # fmt: skip


async def idempotent_records(client: WireClient, place: Place) -> None:
    records = batch(producer_id=PRODUCER_ID, producer_epoch=PRODUCER_EPOCH, base_sequence=0)
    await make_topic(client, place, partitions=2, records=records)


def describe_producers(place: Place) -> Values:
    return {"topics": [{"name": place.name, "partition_indexes": [1, 0]}]}


def described_producers(place: Place) -> Values:
    producer = {
        "producer_id": PRODUCER_ID, "producer_epoch": PRODUCER_EPOCH, "last_sequence": 2,
        "last_timestamp": START_MS + 2000, "coordinator_epoch": -1, "current_txn_start_offset": -1,
    }  # fmt: skip
    partitions = [
        {"partition_index": index, "error_code": ErrorCode.none, "error_message": None, "active_producers": [producer]}
        for index in (1, 0)
    ]
    return {"throttle_time": NO_TIME, "topics": [{"name": place.name, "partitions": partitions}]}


def delete_records(place: Place) -> Values:
    partitions = [{"partition_index": 0, "offset": 2}, {"partition_index": 1, "offset": -1}]
    return {"topics": [{"name": place.name, "partitions": partitions}], "timeout": timedelta(seconds=15)}


def deleted_records(place: Place) -> Values:
    partitions = [
        {"partition_index": index, "low_watermark": low, "error_code": ErrorCode.none}
        for index, low in ((0, 2), (1, 3))
    ]
    return {"throttle_time": NO_TIME, "topics": [{"name": place.name, "partitions": partitions}]}


async def records_are_gone(client: WireClient, place: Place) -> None:
    for partition, first in ((0, 2), (1, 3)):
        assert (await client.list_offset(place.name, partition, -2)).offset == first


DATA_CASES = [
    Case("produce", produce, produced, two_empty_partitions, records_are_there),
    Case("fetch", fetch, fetched, two_partitions),
    Case("fetch", fetch_incrementally, fetched_incrementally, session, variant="incremental", first_version=7),
    Case("list_offsets", list_offsets, listed_offsets, partition_for_each_time),
    Case("offset_for_leader_epoch", end_of_epoch, found_end_of_epoch, two_partitions),
    Case("init_producer_id", init_producer_id, initialised_producer),
    Case("describe_producers", describe_producers, described_producers, idempotent_records),
    Case("delete_records", delete_records, deleted_records, two_partitions, records_are_gone),
]
